"""The cluster as an engine: its results are those of one process."""

from datetime import timedelta

import pandas as pd
import pyarrow as pa
import pytest

from seedtest_assets import engines
from seedtest_assets.calibration import CalibrationRequest
from seedtest_assets.engines import engine_for
from seedtest_assets.engines.cluster.engine import ClusterEngine
from seedtest_assets.engines.in_process import InProcessEngine
from seedtest_assets.errors import InputError, SettingsError
from seedtest_assets.settings import Settings
from seedtest_assets.storage import student_buckets
from seedtest_assets.storage.lake import Lake
from seedtest_assets.storage.observations import usable_answers
from seedtest_assets.storage.window import read_window
from seedtest_assets_tests.engines.test_coded_parts import answers, parts_of
from seedtest_assets_tests.rapid_school import school_with_rapid_guesses
from seedtest_assets_tests.school import LAST


@pytest.fixture
def engine(dask_cluster) -> ClusterEngine:
    return ClusterEngine(dask_cluster.scheduler_address)


@pytest.fixture
def window(tmp_path, monkeypatch):
    """Five days of a lake, in 4 parts, each of which is read where it is asked for."""
    monkeypatch.setattr(student_buckets, "ANSWERS_OF_A_PART", 1)
    lake, given = Lake(str(tmp_path / "lake"), 4), usable_answers(school_with_rapid_guesses().answers).table
    days = given["completed_at"].cast(pa.date32())
    for day in (LAST - timedelta(days=k) for k in range(5)):
        lake.write_observations(day, given.filter(pa.compute.equal(days, day)))
    return read_window(lake, LAST, Settings(mirt_lookback_days=5, seedtest_rapid_guesses="wrong"))


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
    assert facts["workers"] == facts["threads"] == 3
    assert facts["seconds_computing"] > 0
    assert facts["seconds_waiting"] > 0
    assert 0 < facts["bytes_received"] < facts["bytes_sent"]
    assert facts["dashboard"].startswith("http://")
    first, last = (
        record.getMessage() for record in caplog.records if record.name.startswith("seedtest_assets.engines.cluster")
    )
    assert first.startswith(
        f"the Dask cluster at {engine.address} calibrates: 3 workers, 3 threads. Dashboard: http://"
    )
    assert f"bytes_sent {facts['bytes_sent']}, " in last


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


@pytest.mark.slow
def test_processes_of_this_machine():
    facts = assert_as_in_one_process(ClusterEngine("local:1"), CalibrationRequest(answers(), model="Rasch"))
    assert (facts["scheduler"], facts["workers"]) == ("local:1", 1)
    assert "dashboard" not in facts


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
