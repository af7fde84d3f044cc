"""No request makes the service fail: schemathesis on its description, hypothesis on its parsers."""

import json

import msgspec
import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from seedtest_assets.service import work
from seedtest_assets.service.limits import Limits
from seedtest_assets.service.messages import Task

pytestmark = pytest.mark.slow


@pytest.mark.parametrize(
    ("method", "path", "mode"),
    [
        ("GET", "/healthz", GenerationMode.POSITIVE),
        ("GET", "/metrics", GenerationMode.POSITIVE),
        ("POST", "/irt/calibrate", GenerationMode.POSITIVE),
        ("POST", "/irt/calibrate", GenerationMode.NEGATIVE),
        ("POST", "/irt/score", GenerationMode.POSITIVE),
        ("POST", "/irt/score", GenerationMode.NEGATIVE),
        ("POST", "/irt/update", GenerationMode.POSITIVE),
        ("POST", "/irt/update", GenerationMode.NEGATIVE),
    ],
)
def test_no_request_that_schemathesis_makes_from_the_description_breaks_it(service, method, path, mode):
    operation = schemathesis.openapi.from_url(service.url + "/openapi.json")[path][method]
    statuses = set()

    @given(operation.as_strategy(generation_mode=mode))
    @settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
    def check(case):
        response = case.call(headers={"Authorization": f"Bearer {service.token}".encode()}, timeout=60)
        statuses.add(response.status_code)
        case.validate_response(
            response,
            checks=[
                not_a_server_error,
                status_code_conformance,
                content_type_conformance,
                response_schema_conformance,
            ],
        )

    check()
    assert statuses <= {200, 400}


answers = st.sampled_from([1, 0, True, False, None, "NA", 1.0]) | st.integers() | st.floats() | st.text(max_size=2)
ids = st.text(max_size=3) | st.integers()
numbers = st.floats() | st.integers() | st.none() | st.just("NA")
parameters = st.fixed_dictionaries({}, optional={"a": numbers, "b": numbers, "c": numbers})
observations = st.fixed_dictionaries(
    {"user_id": ids, "item_id": ids, "is_correct": answers},
    optional={"responded_at": st.datetimes(timezones=st.none() | st.timezones()).map(str) | st.text(max_size=30)},
)
anchors = st.fixed_dictionaries({"item_id": ids, "params": parameters}, optional={"fixed": st.booleans() | st.none()})
calibrations = st.fixed_dictionaries(
    {},
    optional={
        "observations": st.lists(observations, max_size=30) | st.none(),
        "responses": st.integers(0, 4).flatmap(
            lambda n: st.lists(st.lists(answers, min_size=n, max_size=n + 1), max_size=20)
        ),
        "item_ids": st.lists(ids, min_size=2, max_size=5) | st.none(),
        "model": st.sampled_from(["Rasch", "2PL", "3PL"]) | st.text(max_size=3),
        "anchors": st.lists(anchors, max_size=3) | st.none(),
        "linking_method": st.sampled_from(
            ["stocking_lord", "haebara", "mean_sigma", "mean_mean", "fixed", "none", "x"]
        ),
    },
)
scored_items = st.lists(parameters | st.fixed_dictionaries({"params": parameters}), max_size=3)
scorings = st.fixed_dictionaries(
    {"item_params": scored_items, "responses": st.lists(st.lists(answers, max_size=3), max_size=5)}
)
item_names = st.sampled_from(["i1", "i2", "i3", 4])
person_answers = st.fixed_dictionaries(
    {"item_id": item_names, "is_correct": st.sampled_from([1, 0, True, None, "NA", 0.5])},
    optional={"responded_at": st.datetimes(timezones=st.none() | st.timezones()).map(str)},
)
person_scorings = st.fixed_dictionaries(
    {
        "item_params": st.dictionaries(item_names.map(str), parameters, max_size=4)
        | st.lists(st.fixed_dictionaries({"item_id": item_names, "params": parameters}), max_size=3),
        "responses": st.lists(person_answers, max_size=6),
    }
)
wide_numbers = st.floats() | st.integers() | st.none()
updates = st.builds(
    lambda scoring, prior: scoring | prior,
    person_scorings,
    st.fixed_dictionaries(
        {},
        optional={
            "prior": st.fixed_dictionaries({"theta": wide_numbers, "se": wide_numbers})
            | st.fixed_dictionaries({"theta": st.floats(-9, 9), "se": st.floats(1e-4, 9)}),
            "population": st.fixed_dictionaries({}, optional={"mean": wide_numbers, "sd": wide_numbers}),
        },
    ),
)
LIMITS = Limits(bytes=10_000, items=10, persons=15)


@pytest.fixture(scope="module")
def answered(tmp_path_factory):
    """Run a function of the worker on a body."""
    path = tmp_path_factory.mktemp("bodies") / "body"

    def answer(function, body):
        path.write_bytes(body)
        outcome = function(Task(str(path), "", False, LIMITS))
        assert path.stat().st_size == 0  # its memory is free as soon as it is read
        return _checked(outcome)

    return answer


def _checked(outcome):
    assert outcome.status in (200, 400, 413), (outcome.status, outcome.trace)
    reply = msgspec.json.decode(outcome.body)
    assert (outcome.status == 200) == (reply.get("status") == "ok")
    assert outcome.status == 200 or "\n" not in reply["error"]
    return reply


everything = settings(max_examples=120, deadline=None, suppress_health_check=list(HealthCheck))


@given(body=calibrations)
@everything
def test_any_calibration_is_done_or_refused(answered, body):
    answered(work.calibrate, json.dumps(body).encode())


@given(body=scorings)
@everything
def test_any_scoring_is_done_or_refused(answered, body):
    reply = answered(work.score, json.dumps(body).encode())
    assert len(reply.get("abilities", body["responses"])) == len(body["responses"])


@given(body=person_scorings)
@everything
def test_any_scoring_of_one_person_is_done_or_refused(answered, body):
    reply = answered(work.score, json.dumps(body).encode())
    if "theta" in reply and reply["theta"] is not None:
        assert reply["abilities"] == [{"theta": reply["theta"], "se": reply["standard_error"]}]


@given(body=updates)
@everything
def test_any_update_is_done_or_refused(answered, body):
    reply = answered(work.update, json.dumps(body).encode())
    if "theta" in reply:
        assert reply["se"] > 0
        assert reply["se"] == reply["standard_error"]


@given(body=st.binary(max_size=200))
@everything
def test_any_bytes_are_refused(answered, body):
    assert "error" in answered(work.calibrate, body)
    assert "error" in answered(work.score, body)
    assert "error" in answered(work.update, body)


rows = st.integers(2, 5).flatmap(
    lambda n: st.lists(st.lists(st.sampled_from([0, 1, None]), min_size=n, max_size=n), min_size=10, max_size=15)
)


@given(rows=rows, model=st.sampled_from(["Rasch", "2PL", "3PL"]))
@settings(max_examples=30, deadline=None, suppress_health_check=list(HealthCheck))
def test_every_row_has_an_ability_and_every_column_is_fitted_or_left_out(answered, rows, model):
    reply = answered(work.calibrate, json.dumps({"responses": rows, "model": model}).encode())
    if "error" in reply:
        return
    assert len(reply["abilities"]) == len(rows)
    named = [item["item_id"] for item in reply["item_params"] + reply["fit_meta"]["left_out"]]
    assert sorted(named) == [f"I{n}" for n in range(1, len(rows[0]) + 1)]
    assert all(item["params"]["a"] is not None and item["params"]["b"] is not None for item in reply["item_params"])
    if model == "Rasch":
        assert len({item["params"]["a"] for item in reply["item_params"]}) == 1
