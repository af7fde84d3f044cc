"""A connection to the cluster, and a window in parts."""

from datetime import timedelta

import pyarrow as pa
import pytest

pytest.importorskip("distributed")

import distributed

from seedtest_assets.engines.cluster.connection import Connection
from seedtest_assets.settings import Settings
from seedtest_assets.storage import student_buckets
from seedtest_assets.storage.lake import Lake
from seedtest_assets.storage.observations import usable_answers
from seedtest_assets.storage.window import Window, read_window
from seedtest_assets_tests.rapid_school import school_with_rapid_guesses
from seedtest_assets_tests.school import LAST


@pytest.fixture
def connection(dask_cluster):
    with distributed.Client(dask_cluster) as client:
        yield Connection(client, dask_cluster.scheduler_address)


@pytest.fixture
def lake(tmp_path, monkeypatch) -> Lake:
    """Five days, in 4 buckets, each of which is a part of a window."""
    monkeypatch.setattr(student_buckets, "ANSWERS_OF_A_PART", 1)
    lake, given = Lake(str(tmp_path / "lake"), 4), usable_answers(school_with_rapid_guesses().answers).table
    days = given["completed_at"].cast(pa.date32())
    for day in (LAST - timedelta(days=k) for k in range(5)):
        lake.write_observations(day, given.filter(pa.compute.equal(days, day)))
    return lake


@pytest.fixture
def window(lake) -> Window:
    """The five days, rapid guesses counted as wrong."""
    return read_window(lake, LAST, Settings(mirt_lookback_days=5, seedtest_rapid_guesses="wrong"))
