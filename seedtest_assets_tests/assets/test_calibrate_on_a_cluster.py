"""The calibrate step on a Dask cluster: what is written and shown, and what is retried."""

import socket
from functools import partial

import pytest

pytest.importorskip("distributed")

import distributed

from seedtest_assets.engines.cluster import engine
from seedtest_assets.engines.cluster.connection import connected
from seedtest_assets.resources import IrtEngine
from seedtest_assets_tests.conftest import rows_of

pytestmark = pytest.mark.usefixtures("without_pictures")


def test_what_the_cluster_did_is_in_the_metadata_and_in_history(calibrate_by, platform):
    with distributed.LocalCluster(
        n_workers=1, threads_per_worker=1, processes=False, protocol="tcp", dashboard_address=":0", silence_logs=50
    ) as cluster:
        result = calibrate_by(IrtEngine(seedtest_dask=cluster.scheduler_address))
    assert result.success
    (event,) = [
        event for event in result.get_asset_materialization_events() if event.asset_key.path == ["mirt_fit_meta"]
    ]
    shown = event.step_materialization_data.materialization.metadata
    assert shown["cluster_workers"].value == 1
    assert shown["cluster_bytes_sent"].value > 0
    metrics = rows_of(platform, "SELECT metrics FROM fit_history")[0][0]
    assert metrics["engine"] == "dask"
    assert metrics["cluster"]["scheduler"] == cluster.scheduler_address


def test_a_scheduler_that_is_away_is_waited_for_and_named_in_one_line(calibrate_by, monkeypatch):
    monkeypatch.setattr(engine, "connected", partial(connected, patience=0.1))
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        address = f"tcp://127.0.0.1:{taken.getsockname()[1]}"
        result = calibrate_by(IrtEngine(seedtest_dask=address))
    assert not result.success
    assert any(event.is_step_up_for_retry for event in result.all_events)
    failure = next(event for event in result.all_events if event.is_step_failure).step_failure_data
    reason = failure.user_failure_data.description
    assert reason.startswith(f"the Dask scheduler at {address} could not be reached within")
    assert "\n" not in reason
