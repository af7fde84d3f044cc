"""Columns of the lake's files that a run keeps: read once, the same answers, no more than there is room for, gone with the run."""

from datetime import date, timedelta
from pathlib import Path

import pyarrow as pa
import pytest

from seedtest_assets.storage import lake_observations, student_buckets
from seedtest_assets.storage.bucket import EVERYBODY, Bucket
from seedtest_assets.storage.file_digest import parquet_with_digest
from seedtest_assets.storage.kept_columns import KeptColumns, columns_are_kept, kept_or_read
from seedtest_assets.storage.lake import Lake
from seedtest_assets_tests.storage.test_lake_buckets import DAY, answers_of

DAYS = [DAY - timedelta(days=1), DAY]
NUMBERS = pa.table({"few": pa.array([1], pa.int64()), "many": pa.array([[0.5] * 1000]), "none": pa.nulls(1)})


class Reader:
    """Reads columns of NUMBERS, and lists what it was asked for."""

    def __init__(self) -> None:
        self.asked: list[list[str]] = []

    def __call__(self, columns):
        self.asked.append(list(columns))
        return NUMBERS.select(columns)


@pytest.fixture
def read() -> Reader:
    return Reader()


@pytest.fixture
def columns_read(monkeypatch) -> list[tuple[str, str]]:
    """Path and name of each column of the lake's files that is read, as it is."""
    found, read = [], lake_observations.columns_of_file

    def listed(content: bytes, path: str, columns):
        found.extend((path, name) for name in columns)
        return read(content, path, columns)

    monkeypatch.setattr(lake_observations, "columns_of_file", listed)
    return found


def lake_of(folder: Path, n_buckets: int) -> Lake:
    lake = Lake(str(folder), n_buckets)
    for day in DAYS:
        lake.write_observations(day, answers_of(day))
    return lake


def test_only_columns_that_are_not_kept_are_read(read):
    kept = KeptColumns()
    assert kept.of_file("file", ["few"], read).equals(NUMBERS.select(["few"]))
    assert kept.of_file("file", ["none", "few"], read).equals(NUMBERS.select(["none", "few"]))
    assert kept.of_file("file", ["few", "none"], read).equals(NUMBERS.select(["few", "none"]))
    kept.of_file("another file", ["few"], read)
    assert read.asked == [["few"], ["none"], ["few"]]


def test_what_there_is_no_room_for_is_read_each_time(read):
    kept = KeptColumns(most_bytes=100)
    for _ in range(2):
        assert kept.of_file("file", NUMBERS.column_names, read).equals(NUMBERS)
    assert read.asked == [["few", "many", "none"], ["many"]]


def test_nothing_is_kept_outside_of_runs(read):
    for _ in range(2):
        kept_or_read("file", ["few"], read)
    with columns_are_kept():
        with columns_are_kept():  # of another run in the same process
            kept_or_read("file", ["few"], read)
        kept_or_read("file", ["few"], read)
    kept_or_read("file", ["few"], read)
    assert read.asked == [["few"]] * 4


@pytest.mark.parametrize("bucket", [EVERYBODY, Bucket(number=1, n_buckets=4), Bucket(number=3, n_buckets=16)])
def test_a_lake_gives_what_it_gives_without_and_reads_no_column_of_a_file_twice(
    tmp_path, monkeypatch, columns_read, bucket
):
    monkeypatch.setattr(student_buckets, "ANSWERS_OF_A_FILE", 1)
    lake = lake_of(tmp_path, 8)
    asked = (["item_id", "correct", "score"], ["completed_at", "item_id"], ["student_id", "completed_at", "item_id"])
    without = [lake.read_observations(DAYS, columns, bucket) for columns in asked]
    columns_read.clear()
    with columns_are_kept():
        for columns, expected in zip(asked, without, strict=True):
            assert lake.read_observations(DAYS, columns, bucket).equals(expected)
            assert lake.read_observations(DAYS, columns, bucket).equals(expected)
    assert {path for path, _ in columns_read} == set(lake.observation_files(DAYS, bucket))
    assert len(columns_read) == len(set(columns_read))


def test_a_day_that_is_written_anew_is_read_anew(tmp_path):
    lake = lake_of(tmp_path, 1)
    with columns_are_kept():
        for n_answers in (10, 20):
            lake.write_observations(DAY, answers_of(DAY, n_answers))
            assert len(lake.read_observations([DAY], ["item_id"])) == n_answers


def test_so_is_the_file_of_a_day_of_before_buckets_which_keeps_its_name(tmp_path):
    lake, day = Lake(str(tmp_path)), date(2025, 3, 1)
    path = f"{lake.day_folder(day)}/answers.parquet"
    with columns_are_kept():
        for n_answers in (10, 20):
            lake.filesystem.makedirs(lake.day_folder(day), exist_ok=True)
            lake.filesystem.pipe_file(path, parquet_with_digest(answers_of(day, n_answers)))
            assert len(lake.read_observations([day], ["item_id"])) == n_answers
