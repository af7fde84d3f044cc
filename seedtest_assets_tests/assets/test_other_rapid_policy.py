"""When the report's second calibration is left out: nothing is rapid, a service calibrates, or it cannot be done."""

from dataclasses import replace

import pytest

from seedtest_assets.assets import other_rapid_policy
from seedtest_assets.assets.other_rapid_policy import rapid_guess_data
from seedtest_assets.errors import InputError, TransientError
from seedtest_assets.storage.day_file import divided
from seedtest_assets.storage.window import Window
from seedtest_assets_tests.rapid_school import school_with_rapid_guesses
from seedtest_assets_tests.school import DAY_BEFORE, LAST

IN_PROCESS, SERVICE = (
    {"metrics": metrics, "model_spec": {"model": "2PL"}}
    for metrics in ({"engine": "in-process"}, {"engine": "irt-service", "service": "http://irt"})
)


@pytest.fixture
def given() -> Window:
    return Window(DAY_BEFORE, LAST, [school_with_rapid_guesses().answers], [])


@pytest.fixture
def in_parts(given) -> Window:
    """The same answers in four parts of the students."""
    return replace(given, given=[part for _, part in divided(given.given[0], 4)])


@pytest.fixture
def calibrates_nothing(monkeypatch):
    """The result of a calibration is the window that it was given."""
    monkeypatch.setattr(other_rapid_policy, "_calibrate", lambda _database, _settings, window, _fit: window)


@pytest.mark.usefixtures("calibrates_nothing")
def test_a_window_that_is_not_large_is_calibrated_as_a_whole(in_parts):
    other = rapid_guess_data(None, None, in_parts.with_policy("keep"), IN_PROCESS).other
    assert other.result.given == in_parts.given
    assert other.same_policy is None


@pytest.mark.usefixtures("calibrates_nothing")
def test_of_a_large_window_a_sample_of_the_students_is_calibrated_with_both_policies(in_parts, monkeypatch):
    monkeypatch.setattr(other_rapid_policy, "MOST_ANSWERS", 2 * len(in_parts.given[0]))
    found = rapid_guess_data(None, None, in_parts.with_policy("wrong"), IN_PROCESS)
    other, sample = found.other, in_parts.given[:2]
    assert (other.result.policy, other.same_policy.policy) == ("ignore", "wrong")
    assert other.result.given == other.same_policy.given == sample
    assert found.rapid is other.result.rapid is other.same_policy.rapid  # by the times of everybody
    assert found.count.n == found.rapid.n_rapid.sum()


def refusing(error):
    def refuse(*_given):
        raise error

    return refuse


def test_a_service_is_not_asked_again(given, monkeypatch):
    monkeypatch.setattr(other_rapid_policy, "_calibrate", lambda *_: pytest.fail("calibrated"))
    found = rapid_guess_data(None, None, given.with_policy("keep"), SERVICE)
    assert found.count.n == found.rapid.n_rapid.sum() > 0
    assert found.other.result is None
    assert "it was not run again with another policy" in found.other.why_not


@pytest.mark.parametrize(("policy", "other"), [("keep", "ignore"), ("wrong", "ignore"), ("ignore", "keep")])
def test_a_calibration_that_is_not_possible_says_why(given, monkeypatch, policy, other):
    monkeypatch.setattr(other_rapid_policy, "_calibrate", refusing(InputError("no item has 10 answers")))
    found = rapid_guess_data(None, None, given.with_policy(policy), IN_PROCESS)
    assert (found.count.policy, found.other.policy, found.other.result) == (policy, other, None)
    assert "was not possible: no item has 10 answers" in found.other.why_not


def test_a_cluster_that_is_away_does_not_cost_the_report(given, monkeypatch):
    monkeypatch.setattr(other_rapid_policy, "_calibrate", refusing(TransientError("the Dask scheduler is away")))
    found = rapid_guess_data(None, None, given.with_policy("keep"), IN_PROCESS)
    assert "was not possible: the Dask scheduler is away" in found.other.why_not


def test_a_window_without_rapid_guesses_is_not_calibrated_again(given):
    assert rapid_guess_data(None, None, given, IN_PROCESS) is None
