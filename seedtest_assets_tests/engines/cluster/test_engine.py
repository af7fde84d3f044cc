"""The cluster as an engine: its results are those of one process."""

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier, Event

import pandas as pd
import pytest

from seedtest_assets import engines
from seedtest_assets.calibration import CalibrationRequest
from seedtest_assets.engines import engine_for
from seedtest_assets.engines.cluster import connection
from seedtest_assets.engines.cluster.connection import connected, end_workers_here, workers_here
from seedtest_assets.engines.cluster.engine import ClusterEngine
from seedtest_assets.engines.in_process import InProcessEngine
from seedtest_assets.errors import InputError, SettingsError, TransientError
from seedtest_assets.settings import Settings
from seedtest_assets_tests.engines.test_coded_parts import answers, parts_of


@pytest.fixture
def engine(dask_cluster) -> ClusterEngine:
    return ClusterEngine(dask_cluster.scheduler_address)


def sorted_by(table: pd.DataFrame, name: str) -> pd.DataFrame:
    return table.sort_values(name, ignore_index=True)


def assert_as_in_one_process(engine: ClusterEngine, request: CalibrationRequest) -> dict:
    here, far = InProcessEngine().calibrate(request), engine.calibrate(request)
    pd.testing.assert_frame_equal(far.items, here.items, atol=1e-7)
    pd.testing.assert_frame_equal(sorted_by(far.abilities, "user_id"), sorted_by(here.abilities, "user_id"), atol=1e-7)
    assert far.model_spec == pytest.approx(here.model_spec)
    assert far.warnings == here.warnings
    assert far.metrics["loglik"] == pytest.approx(here.metrics["loglik"], rel=1e-9)
    assert far.metrics["engine"] == "dask"
    return far.metrics["cluster"]


@pytest.mark.parametrize("n", [1, 5])
def test_tables_are_sent_to_workers(engine, n, caplog):
    caplog.set_level("INFO", "seedtest_assets.engines.cluster")
    facts = assert_as_in_one_process(engine, CalibrationRequest(parts_of(answers(), n), model="Rasch"))
    assert facts["scheduler"] == engine.address
    assert facts["workers"] == facts["threads"] == 2
    assert facts["seconds_computing"] > 0
    assert facts["seconds_waiting"] > 0
    assert 0 < facts["bytes_received"] < facts["bytes_sent"]
    assert facts["dashboard"].startswith("http://")
    first, totals, *work = (
        record.getMessage() for record in caplog.records if record.name.startswith("seedtest_assets.engines.cluster")
    )
    assert first.startswith(
        f"at work on the Dask cluster at {engine.address}: 2 workers, 2 threads. Dashboard: http://"
    )
    assert f"bytes_sent {facts['bytes_sent']}, " in totals
    assert len(work) == len(facts["work"])


def test_each_function_has_its_calls_bytes_and_seconds(engine):
    result = engine.calibrate(CalibrationRequest(parts_of(answers(), 5), model="Rasch"))
    facts = result.metrics["cluster"]
    work = pd.DataFrame(facts["work"]).set_index("function")
    assert work["calls"].idxmax() == "expected_by_step"
    assert work.loc["expected_by_step", "calls"] >= result.metrics["iterations"]
    assert work.loc["expected_by_step", "seconds_computing"] > 0
    for name in ("bytes_sent", "bytes_received"):
        assert work[name].sum() == facts[name]
    for name in ("seconds_computing", "seconds_waiting"):
        assert work[name].sum() == pytest.approx(facts[name], abs=0.01)


def test_workers_read_their_parts_of_a_window_themselves(engine, window):
    assert len(window.to_calibrate) == 4
    facts = assert_as_in_one_process(engine, CalibrationRequest(window.to_calibrate))
    assert facts["bytes_sent"] < 1_000_000


def test_data_that_cannot_be_calibrated_are_refused_as_in_one_process(engine):
    request = CalibrationRequest(answers().slice(0, 0))
    with pytest.raises(InputError) as here:
        InProcessEngine().calibrate(request)
    with pytest.raises(InputError) as far:
        engine.calibrate(request)
    assert str(far.value) == str(here.value)


def test_steps_that_begin_together_share_the_workers_of_this_machine_until_both_have_ended(monkeypatch):
    """Also where one of them lost the scheduler, which may be its own fault alone."""
    other_asked, made, ended = Event(), [], []

    class Workers:
        def __init__(self, **options):
            made.append(self)
            other_asked.wait(0.2)  # a second cluster would be made meanwhile
            if len(made) > 1:
                other_asked.set()

        def close(self):
            ended.append(self)

    monkeypatch.setattr(connection.distributed, "LocalCluster", Workers)
    local, both, first_ended = connection._LocalWorkers(), Barrier(2), Event()

    def lose_the_scheduler() -> None:
        with local.at_work(7):
            both.wait(20)
            raise TransientError("gone")

    def first() -> None:
        with pytest.raises(TransientError):
            lose_the_scheduler()
        first_ended.set()

    def second() -> None:
        with local.at_work(7):
            both.wait(20)
            assert first_ended.wait(20)
            assert ended == []

    with ThreadPoolExecutor(2) as steps:
        for step in [steps.submit(first), steps.submit(second)]:
            step.result()
    assert len(made) == 1
    assert ended == made


@pytest.mark.slow
def test_processes_of_this_machine():
    engine, request = ClusterEngine("local:1"), CalibrationRequest(answers(), model="Rasch")
    facts = assert_as_in_one_process(engine, request)
    with connected("local:1") as first, connected("local:1") as second:
        assert list(first.threads) == list(second.threads)
    end_workers_here(1)
    assert (facts["scheduler"], facts["workers"]) == ("local:1", 1)
    assert "dashboard" not in facts


@pytest.mark.slow
def test_workers_here_that_cannot_work_are_replaced_at_the_next_try():
    with connected("local:1", patience=10):
        pass
    workers_here(1).scale(0)
    with (
        pytest.raises(
            TransientError, match=r"^no worker has joined the Dask scheduler at local:1 within 0\.5 s\. Start workers$"
        ),
        connected("local:1", patience=0.5),
    ):
        pass
    with connected("local:1") as again:
        assert len(again.threads) == 1
    end_workers_here(1)


def test_the_setting_chooses_the_engine(monkeypatch):
    settings = Settings(seedtest_dask="tcp://scheduler:8786")
    chosen = engine_for(settings)
    assert isinstance(chosen, ClusterEngine)
    assert chosen.address == "tcp://scheduler:8786"
    with pytest.raises(
        SettingsError, match="SEEDTEST_DASK=tcp://scheduler:8786 and R_IRT_BASE_URL=http://irt are both set"
    ):
        engine_for(settings.model_copy(update={"r_irt_base_url": "http://irt"}))
    monkeypatch.setattr(engines, "find_spec", lambda _: None)
    with pytest.raises(SettingsError, match=r"pip install 'seedtest-assets\[cluster\]'"):
        engine_for(settings)
