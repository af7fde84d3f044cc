"""SEEDTEST_RAPID_GUESSES in real nights: what each policy does to item parameters, abilities and features."""

from dataclasses import dataclass
from datetime import timedelta

import dagster as dg
import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from seedtest_assets.assets.calibrate import calibrate
from seedtest_assets.assets.observations import observations
from seedtest_assets.calibration import CalibrationRequest, answers_to_calibrate
from seedtest_assets.cli.simulated_school import load_school
from seedtest_assets.engines.in_process import InProcessEngine
from seedtest_assets.resources import resources_from
from seedtest_assets.settings import load_settings
from seedtest_assets.storage.database import Database
from seedtest_assets.storage.history import fit_meta, fitted_items
from seedtest_assets.storage.questions import known_parameters
from seedtest_assets_tests.conftest import deploy, execute, new_database, rows_of
from seedtest_assets_tests.rapid_school import rapid_rows, school_with_rapid_guesses, with_policy
from seedtest_assets_tests.school import LAST, run_night

pytestmark = pytest.mark.usefixtures("without_pictures")
POLICIES = ["keep", "wrong", "ignore"]


@dataclass(frozen=True)
class Night:
    """What the night of LAST wrote under a policy."""

    fit: dict
    items: pd.DataFrame
    topics: pd.DataFrame
    features: list[tuple]
    shown: str
    logged: list[str]


@pytest.mark.parametrize("policy", ["wrong", "ignore"])
def test_without_times_a_policy_changes_nothing_and_the_night_warns(school, instance, monkeypatch, policy):
    monkeypatch.setenv("SEEDTEST_START_DATE", str(LAST))  # no window to fill, and so few answers
    monkeypatch.setenv("MIRT_MODEL", "Rasch")
    execute(school, "UPDATE attempt SET response_time_ms = NULL")
    items, warnings = {}, {}
    for chosen in ("keep", policy):
        monkeypatch.setenv("SEEDTEST_RAPID_GUESSES", chosen)
        steps = {"partition_key": LAST.isoformat(), "resources": resources_from(load_settings())}
        assert dg.materialize([observations, calibrate], instance=instance, **steps).success
        items[chosen] = fitted_items(school, LAST).set_index("item_id")[["a", "b", "se_b"]].sort_index()
        warnings[chosen] = fit_meta(school, LAST)["metrics"]["warnings"]
    pd.testing.assert_frame_equal(items["keep"], items[policy], check_exact=True)
    line = f"SEEDTEST_RAPID_GUESSES={policy} has no effect: no answer of the window has a response time"
    assert line in warnings[policy]
    assert not any("RAPID" in warning for warning in warnings["keep"])


@pytest.fixture(scope="module")
def log() -> pd.DataFrame:
    """The answers of the window, oldest first."""
    answers = school_with_rapid_guesses().answers.to_pandas()
    answers = answers.sort_values(["completed_at", "student_id", "item_id"], ignore_index=True)
    return answers[answers["completed_at"].dt.date > LAST - timedelta(days=10)].reset_index(drop=True)


@pytest.fixture(scope="module")
def deployed(template, tmp_path_factory):
    database = new_database(template)
    load_school(database, school_with_rapid_guesses())
    with pytest.MonkeyPatch.context() as environment:
        deploy(environment, database, tmp_path_factory.mktemp("lake"))
        yield database, environment


@pytest.fixture(scope="module")
def nights(deployed, without_pictures) -> dict[str, Night]:
    database, environment = deployed
    with dg.DagsterInstance.ephemeral() as instance:
        return {policy: night_of(policy, instance, database, environment) for policy in POLICIES}


def night_of(policy: str, instance, database: Database, environment) -> Night:
    environment.setenv("SEEDTEST_RAPID_GUESSES", policy)
    run = run_night(instance, LAST)
    assert run.failure is None
    of_day = {"day": LAST}
    topics = rows_of(
        database,
        "SELECT student_id, topic_id, n_responses FROM seedtest.topic_theta_history WHERE partition_date = :day",
        **of_day,
    )
    return Night(
        fit=fit_meta(database, LAST),
        items=fitted_items(database, LAST).set_index("item_id").sort_index(),
        topics=pd.DataFrame(topics, columns=["student_id", "topic_id", "n"]).set_index(["student_id", "topic_id"])["n"],
        features=rows_of(
            database,
            "SELECT user_id, topic_id, attempts, correct FROM features_topic_daily WHERE date = :day ORDER BY 1, 2",
            **of_day,
        ),
        shown=run.metadata["mirt_item_params"]["rapid_guesses"],
        logged=[entry.user_message for entry in instance.all_logs(run.run_id)],
    )


@pytest.mark.parametrize("policy", POLICIES)
def test_the_night_calibrates_what_the_policy_makes_of_the_answers(deployed, nights, log, policy):
    answers = pa.Table.from_pandas(with_policy(log, policy), preserve_index=False)
    known = known_parameters(deployed[0])
    result = InProcessEngine().calibrate(
        CalibrationRequest(answers_to_calibrate(answers), anchors=known.anchors, starts=known.starts)
    )
    expected, night = result.items.set_index("item_id").sort_index(), nights[policy]
    np.testing.assert_allclose(night.items[["a", "b"]], expected[["a", "b"]], atol=1e-5)
    assert night.items["n_responses"].tolist() == expected["n_responses"].tolist()
    assert night.fit["model_spec"]["n_observations"] == result.model_spec["n_observations"]


@pytest.mark.parametrize("policy", POLICIES)
def test_topic_abilities_rest_on_the_same_answers(nights, log, policy):
    counted = with_policy(log, policy).drop_duplicates(["student_id", "item_id"])
    n = counted.groupby(["student_id", "topic_id"]).size()
    topics = nights[policy].topics
    assert topics.to_dict() == n.reindex(topics.index, fill_value=0).to_dict()
    assert (nights["ignore"].topics < nights["keep"].topics).any()


def test_features_count_the_answers_as_they_were_given(nights):
    assert nights["keep"].features == nights["wrong"].features == nights["ignore"].features


def test_the_fit_the_ui_and_the_log_say_how_many_rapid_guesses_there_were(nights, log):
    n, n_timed = int(rapid_rows(log).sum()), int(log["response_time_ms"].notna().sum())
    for policy, night in nights.items():
        facts = night.fit["metrics"]["rapid_guesses"]
        assert (facts["policy"], facts["n"], facts["n_timed"]) == (policy, n, n_timed)
        assert facts["share"] == pytest.approx(n / n_timed)
        assert night.shown.startswith(f"{n:,} of {n_timed:,} answers with a time")
        assert f"rapid guesses: {night.shown}" in night.logged
    left_out = nights["ignore"].fit["metrics"]["rapid_guesses"]["answers_left_out"]
    assert left_out == len(log) - len(with_policy(log, "ignore"))
    assert "counted as incorrect" in nights["wrong"].shown
