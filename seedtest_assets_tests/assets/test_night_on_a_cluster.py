"""A night whose steps work on the parts of the window on a Dask cluster."""

import dagster as dg
import pandas as pd
import pytest

from seedtest_assets.cli.day_outcome import outcome_of_day
from seedtest_assets.storage import student_buckets
from seedtest_assets_tests.conftest import rows_of
from seedtest_assets_tests.school import run_night

WORK = {
    "mirt_fit_meta": "expected_by_step",
    "item_statistics": "_fit_of_part",
    "person_fit": "_person_fit_of_part",
    "student_topic_theta": "_rows_of_part",
    "features_topic_daily": "_features_of_part",
}
"""A function that is done on workers, by step."""


@pytest.mark.usefixtures("without_pictures")
def test_every_step_shows_what_workers_did_and_writes_what_one_process_writes(school, monkeypatch, dask_cluster):
    monkeypatch.setattr(student_buckets, "ANSWERS_OF_A_FILE", 1)
    monkeypatch.setattr(student_buckets, "ANSWERS_OF_A_PART", 1)
    monkeypatch.setenv("SEEDTEST_BUCKETS", "2")
    written = []
    for address in (dask_cluster.scheduler_address, None):
        monkeypatch.setenv("SEEDTEST_DASK", address) if address else monkeypatch.delenv("SEEDTEST_DASK")
        with dg.DagsterInstance.ephemeral() as instance:
            run = run_night(instance)
            assert run.failure is None
            shown = {asset: metadata_of(instance, asset) for asset in WORK}
            said = dict(outcome_of_day(run))
        written.append(results_of(school))
        assert ("cluster" in said) == bool(address)
        if address:
            address_said, workers, *steps = said["cluster"].split(", ")
            assert (address_said, workers) == (address, "2 workers")
            assert {step.removeprefix("for ") for step in steps} >= set(WORK)
        for asset, function in WORK.items():
            assert ("cluster_work" in shown[asset]) == bool(address)
            if address:
                assert function in [row.data["function"] for row in shown[asset]["cluster_work"].records]
    for far, here in zip(*written, strict=True):
        assert len(here)
        pd.testing.assert_frame_equal(far, here, atol=1e-7)


def metadata_of(instance: dg.DagsterInstance, asset: str) -> dict:
    event = instance.get_latest_materialization_event(dg.AssetKey(asset))
    return event.asset_materialization.metadata


def results_of(database) -> list[pd.DataFrame]:
    statements = (
        "SELECT item_id, a, b FROM item_history ORDER BY item_id",
        "SELECT student_id, theta, se FROM ability_history ORDER BY student_id",
        "SELECT student_id, topic_id, theta, se FROM topic_theta_history ORDER BY student_id, topic_id",
        "SELECT item_id, infit, rmsd FROM item_statistics_history ORDER BY item_id",
        "SELECT student_id, lz_star FROM person_fit_history ORDER BY student_id",
        "SELECT student_id, topic_id, attempts, improvement FROM feature_history ORDER BY student_id, topic_id",
    )
    return [pd.DataFrame(rows_of(database, statement)) for statement in statements]
