"""The calibrate step with an IRT service: what is retried, what is written, and the reason on the run's page."""

from itertools import pairwise

import pytest

from seedtest_assets.resources import IrtEngine
from seedtest_assets.settings import Settings, load_settings
from seedtest_assets_tests.conftest import rows_of
from seedtest_assets_tests.engines.remote.service_double import answers, double, hangs_up

pytestmark = pytest.mark.usefixtures("without_pictures")

FINE = {
    "status": ["ok"],
    "item_params": [{"item_id": [f"i{n}"], "params": {"a": [1.1], "b": [n / 10], "c": [0]}} for n in range(1, 5)],
    "fit_meta": {"metrics": {"converged": [True], "loglik": [-321.5]}},
}


@pytest.fixture
def run(calibrate_by):
    """Run the step against a service with prescribed behaviour; the result, and the requests it received."""

    def against(*actions):
        with double(*actions) as service:
            result = calibrate_by(IrtEngine(r_irt_base_url=service.url, seedtest_dask=None))
        return result, service.requests

    return against


def waits(result):
    return [event.step_retry_data.seconds_to_wait for event in result.all_events if event.is_step_up_for_retry]


def reason(result):
    failure = next(event for event in result.all_events if event.is_step_failure)
    return failure.step_failure_data.user_failure_data.description


def rows_written(platform):
    return [
        rows_of(platform, f"SELECT count(*) FROM {table}")[0][0]
        for table in ("item_history", "ability_history", "fit_history")
    ]


def test_service_that_recovers_is_waited_for_and_the_calibration_is_written(run, platform):
    result, requests = run(answers(500, {"error": ["no"]}), hangs_up, answers(200, FINE))
    assert result.success
    delay = load_settings().mirt_retry_delay_secs
    assert waits(result) == pytest.approx([delay, 2 * delay])
    assert rows_written(platform) == [4, 100, 1]
    metrics = rows_of(platform, "SELECT metrics FROM fit_history")[0][0]
    facts = {
        name: metrics[name] for name in ("engine", "status", "attempt", "retries", "converged", "loglik", "iterations")
    }
    assert facts == {
        "engine": "irt-service",
        "status": 200,
        "attempt": 3,
        "retries": 2,
        "converged": True,
        "loglik": -321.5,
        "iterations": None,
    }
    assert metrics["bytes_sent"] == len(requests[2][2])
    assert rows_of(platform, "SELECT count(*) FROM item_history WHERE se_a IS NULL AND se_b IS NULL") == [(4,)]


def test_waits_grow_by_the_delay_and_nothing_is_written_when_the_service_stays_away(run, platform):
    result, requests = run(answers(500, {"error": ["internal_error: out of memory"]}))
    assert not result.success
    delay = load_settings().mirt_retry_delay_secs
    assert waits(result) == pytest.approx([delay, 2 * delay, 3 * delay])
    gaps = [later[0] - earlier[0] for earlier, later in pairwise(requests)]
    assert all(gap >= wait for gap, wait in zip(gaps, waits(result), strict=True))
    assert "says 'internal_error: out of memory' (status 500, attempt 4)" in reason(result)
    assert rows_written(platform) == [0, 0, 0]


def test_waits_are_5_10_and_15_seconds_by_default():
    fields = Settings.model_fields
    assert (fields["mirt_retry_delay_secs"].default, fields["mirt_max_retries"].default) == (5.0, 3)


def test_retry_after_of_the_service_takes_the_place_of_the_wait(run):
    result, requests = run(answers(429, {"error": "busy"}, Retry_After="1"), answers(200, FINE))
    assert result.success
    assert waits(result) == [1]
    assert requests[1][0] - requests[0][0] >= 1


def test_service_that_stays_busy_fails_the_run_and_is_quoted(run, platform):
    result, requests = run(answers(503, {"error": "busy: 5 calibration tasks"}, Retry_After="0"))
    assert not result.success
    assert len(requests) == 4
    assert "says 'busy: 5 calibration tasks'" in reason(result)
    assert rows_written(platform) == [0, 0, 0]


@pytest.mark.parametrize(
    ("action", "message"),
    [
        (answers(400, {"error": "model 9PL is not known"}), "says 'model 9PL is not known'"),
        (answers(200, b'{"status": "ok", "item_'), "answered no JSON"),
        (answers(200, FINE | {"item_params": FINE["item_params"][:1]}), "parameters for 1 of the 4 items"),
    ],
)
def test_permanent_error_is_not_retried_and_the_runs_page_says_why(run, platform, action, message):
    result, requests = run(action)
    assert not result.success
    assert (len(requests), waits(result)) == (1, [])
    assert message in reason(result)
    assert rows_written(platform) == [0, 0, 0]
