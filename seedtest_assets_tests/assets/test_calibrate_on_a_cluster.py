"""The calibrate step on a Dask cluster: what is written and shown, and what is retried."""

import socket
from datetime import date
from functools import partial

import dagster as dg
import pytest

pytest.importorskip("distributed")

from seedtest_assets.assets.calibrate import calibrate
from seedtest_assets.engines.cluster import engine
from seedtest_assets.engines.cluster.connection import connected
from seedtest_assets.resources import IrtEngine, resources_from
from seedtest_assets.settings import load_settings
from seedtest_assets.storage.lake import Lake
from seedtest_assets.storage.observations import OBSERVATION_SCHEMA
from seedtest_assets_tests.conftest import rows_of
from seedtest_assets_tests.engines.remote.service_double import answers_to, simulated

pytestmark = pytest.mark.usefixtures("without_pictures")

DAY = date(2025, 11, 2)


@pytest.fixture
def run(platform):
    """Run the step with an address of a cluster."""
    table = answers_to(simulated(100, 4))
    columns = {name: table[name] for name in ("student_id", "item_id", "correct")}
    columns["completed_at"] = table["answered_at"]
    table = OBSERVATION_SCHEMA.empty_table().from_pydict(
        {name: columns.get(name, [None] * len(table)) for name in OBSERVATION_SCHEMA.names}, schema=OBSERVATION_SCHEMA
    )
    Lake(load_settings().seedtest_lake).write_observations(DAY, table)

    def at(address: str) -> dg.ExecuteInProcessResult:
        with dg.DagsterInstance.ephemeral() as instance:
            return dg.materialize(
                [calibrate],
                partition_key=str(DAY),
                instance=instance,
                resources=resources_from(load_settings()) | {"engine": IrtEngine(seedtest_dask=address)},
                raise_on_error=False,
            )

    return at


def test_what_the_cluster_did_is_in_the_metadata_and_in_history(run, platform):
    result = run("local:1")
    assert result.success
    (event,) = [
        event for event in result.get_asset_materialization_events() if event.asset_key.path == ["mirt_fit_meta"]
    ]
    shown = event.step_materialization_data.materialization.metadata
    assert shown["cluster_workers"].value == 1
    assert shown["cluster_bytes_sent"].value > 0
    metrics = rows_of(platform, "SELECT metrics FROM fit_history")[0][0]
    assert metrics["engine"] == "dask"
    assert metrics["cluster"]["scheduler"] == "local:1"


def test_a_scheduler_that_is_away_is_waited_for_and_named_in_one_line(run, monkeypatch):
    monkeypatch.setattr(engine, "connected", partial(connected, patience=0.1))
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        address = f"tcp://127.0.0.1:{taken.getsockname()[1]}"
        result = run(address)
    assert not result.success
    assert any(event.is_step_up_for_retry for event in result.all_events)
    failure = next(event for event in result.all_events if event.is_step_failure).step_failure_data
    reason = failure.user_failure_data.description
    assert reason.startswith(f"the Dask scheduler at {address} could not be reached within")
    assert "\n" not in reason
