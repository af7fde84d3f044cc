"""Buckets of students: the same answers whatever their number, a day all or none, and other numbers by `rebucket`."""

import os
import tarfile
from contextlib import contextmanager
from datetime import date, datetime, timedelta, timezone
from pathlib import Path
from zlib import crc32

import numpy as np
import pyarrow as pa
import pytest

from seedtest_assets.errors import InputError, TransientError
from seedtest_assets.storage import student_buckets
from seedtest_assets.storage.backup import back_up, restore
from seedtest_assets.storage.bucket import EVERYBODY, Bucket
from seedtest_assets.storage.file_digest import parquet_with_digest
from seedtest_assets.storage.lake import Lake
from seedtest_assets.storage.lake_access import LakeAccess
from seedtest_assets.storage.observations import OBSERVATION_SCHEMA
from seedtest_assets.storage.student_buckets import answers_in, buckets_of_a_day, buckets_of_a_window

DAY = date(2025, 3, 9)
DAYS = [DAY - timedelta(days=1), DAY]


@pytest.fixture(autouse=True)
def divided_days(monkeypatch):
    """Days of a hundred answers are divided."""
    monkeypatch.setattr(student_buckets, "ANSWERS_OF_A_FILE", 1)


def answers_of(day: date, n: int = 200) -> pa.Table:
    """Answers of 40 students in the order of a day, several at the same time."""
    random = np.random.default_rng(day.toordinal())
    start = datetime(day.year, day.month, day.day, tzinfo=timezone.utc)
    rows = [
        {
            "student_id": f"학생{random.integers(40)}",
            "item_id": f"i{k}",
            "topic_id": None if k % 3 else "t",
            "correct": k % 2 == 0,
            "completed_at": start + timedelta(seconds=k // 4),
        }
        for k in range(n)
    ]
    rows.sort(key=lambda row: (row["completed_at"], row["student_id"], row["item_id"]))
    return pa.Table.from_pylist(rows, schema=OBSERVATION_SCHEMA)


def plain(table: pa.Table) -> pa.Table:
    return table.cast(OBSERVATION_SCHEMA).combine_chunks()


def fill(lake: Lake) -> Lake:
    for day in DAYS:
        lake.write_observations(day, answers_of(day))
    return lake


@pytest.fixture(params=["folder", "memory"])
def url(request, tmp_path):
    return str(tmp_path / "lake") if request.param == "folder" else f"memory://{tmp_path.name}"


@pytest.mark.slow
@pytest.mark.parametrize("n_buckets", [1, 3, 16, 60])
def test_the_answers_are_those_that_were_written_in_their_order(url, n_buckets):
    lake = fill(Lake(url, n_buckets))
    everything = pa.concat_tables([answers_of(day) for day in DAYS])
    assert plain(lake.read_observations(DAYS)) == plain(everything)
    assert [lake.observations_count(day) for day in DAYS] == [200, 200]
    for number in range(n_buckets):
        bucket = Bucket(number=number, n_buckets=n_buckets)
        students = {name for name in everything["student_id"].to_pylist() if crc32(name.encode()) % n_buckets == number}
        assert set(lake.read_observations(DAYS, ["student_id"], bucket)["student_id"].to_pylist()) == students
        assert plain(lake.read_observations(DAYS, bucket=bucket)) == plain(answers_in(everything, bucket))


@pytest.mark.slow
def test_parts_of_a_window_need_not_be_the_buckets_of_its_days(tmp_path):
    lake = fill(Lake(str(tmp_path), 12))
    everything = pa.concat_tables([answers_of(day) for day in DAYS])
    for n_parts in (2, 8, 36):
        parts = [Bucket(number=number, n_buckets=n_parts) for number in range(n_parts)]
        for part in parts:
            assert plain(lake.read_observations(DAYS, bucket=part)) == plain(answers_in(everything, part))
        assert sum(len(lake.read_observations(DAYS, ["item_id"], part)) for part in parts) == len(everything)


def test_a_small_day_is_one_file_and_a_small_window_is_read_at_once(monkeypatch):
    monkeypatch.setattr(student_buckets, "ANSWERS_OF_A_FILE", 10_000)
    assert [buckets_of_a_day(n, 16) for n in (0, 9_999, 20_000, 159_999, 10**7)] == [1, 1, 2, 8, 16]
    assert [buckets_of_a_day(n, 7) for n in (20_000, 70_000)] == [1, 7]
    assert [buckets_of_a_window(n, 16) for n in (0, 10**6, 10**6 + 1, 10**8)] == [1, 1, 2, 16]


def test_only_buckets_with_answers_have_files(url):
    lake = Lake(url, 1024)
    lake.write_observations(DAY, answers_of(DAY, 3000))
    n_students = len(answers_of(DAY, 3000)["student_id"].unique())
    assert 30 < len(lake.observation_files([DAY])) <= n_students
    lake.write_observations(DAY, OBSERVATION_SCHEMA.empty_table())
    assert lake.observation_files([DAY]) == []
    assert lake.all_days() == [DAY]
    assert len(lake.read_observations([DAY])) == 0


def test_a_day_written_anew_leaves_none_of_its_files(url):
    lake = fill(Lake(url, 16))
    lake.write_observations(DAY, answers_of(DAY, 5))
    assert sorted(lake.filesystem.find(lake.day_folder(DAY))) == sorted(
        [f"{lake.day_folder(DAY)}/day.json", *lake.observation_files([DAY])]
    )


def test_a_fault_between_two_files_leaves_the_day_as_it_was(tmp_path, monkeypatch):
    lake = fill(Lake(str(tmp_path), 16))
    before, written = sorted(tmp_path.rglob("*.*")), []

    def full(path, *_arguments):
        written.append(path)
        if len(written) == 5:
            raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "chmod", full)
    with pytest.raises(TransientError, match="No space left on device"):
        lake.write_observations(DAY, answers_of(DAY, 100))
    assert sorted(tmp_path.rglob("*.*")) == before
    assert plain(lake.read_observations([DAY])) == plain(answers_of(DAY))


def test_a_fault_after_the_manifest_took_its_place_leaves_the_new_day(url, monkeypatch):
    lake = fill(Lake(url, 3))
    put = LakeAccess._replacing

    @contextmanager
    def then_a_fault(self, path):
        with put(self, path) as unfinished:
            yield unfinished
        raise TransientError("the store did not remove the source of the copy")

    monkeypatch.setattr(LakeAccess, "_replacing", then_a_fault)
    with pytest.raises(TransientError, match="did not remove"):
        lake.write_observations(DAY, answers_of(DAY, 100))
    monkeypatch.undo()
    assert plain(lake.read_observations([DAY])) == plain(answers_of(DAY, 100))
    assert lake.damaged_days(DAYS) == []


def test_of_two_writers_of_a_day_the_last_one_counts_and_the_files_of_the_other_are_removed(url, monkeypatch):
    lake, others = fill(Lake(url, 3)), []

    def written_by_another(table):
        if not others:
            others.append(Lake(url, 3))
            others[0].write_observations(DAY, answers_of(DAY, 50))
        return parquet_with_digest(table)

    monkeypatch.setattr("seedtest_assets.storage.lake_observations.parquet_with_digest", written_by_another)
    lake.write_observations(DAY, answers_of(DAY, 100))
    assert plain(lake.read_observations([DAY])) == plain(answers_of(DAY, 100))
    assert len(lake.filesystem.find(lake.day_folder(DAY))) == len(lake.observation_files([DAY])) + 1


def test_another_number_is_refused_and_the_command_is_named(url):
    fill(Lake(url, 3))
    other = Lake(url, 16)
    with pytest.raises(
        InputError, match=r"SEEDTEST_BUCKETS is 16, and the lake .* with 3\. .* `seedtest lake rebucket --buckets 16`"
    ):
        other.write_observations(DAY, answers_of(DAY))
    assert Lake(url).n_buckets() == 3


@pytest.mark.parametrize("fault", ["changed", "missing", "manifest"])
def test_a_damaged_bucket_is_a_damaged_day(tmp_path, fault):
    lake = fill(Lake(str(tmp_path), 16))
    path = Path(lake.observation_files([DAY])[7])
    bucket = Bucket(number=int(path.parent.name[-2:]), n_buckets=16)
    if fault == "manifest":
        path = Path(lake.day_folder(DAY), "day.json")
    if fault == "missing":
        path.unlink()
    else:
        content = bytearray(path.read_bytes())
        content[40] ^= 4
        path.write_bytes(content)
    assert lake.damaged_days(DAYS) == [DAY]
    with pytest.raises(InputError, match=f"{path.parent.name}/{path.name} is (damaged|not there)"):
        lake.read_observations(DAYS, bucket=bucket)
    lake.write_observations(DAY, answers_of(DAY))
    assert lake.damaged_days(DAYS) == []
    assert plain(lake.read_observations([DAY])) == plain(answers_of(DAY))


def test_a_day_written_while_it_is_read_is_noticed(url):
    lake = fill(Lake(url, 3))
    files = lake.files_of_days(DAYS)
    lake.write_observations(DAY, answers_of(DAY))
    with pytest.raises(TransientError, match="the answers of 2025-03-09 were written anew while they were read"):
        lake.read_files(files)


def of_an_earlier_version(lake: Lake, day: date) -> None:
    """Write a day as lakes without buckets have it."""
    lake.filesystem.makedirs(lake.day_folder(day), exist_ok=True)
    lake.filesystem.pipe_file(f"{lake.day_folder(day)}/answers.parquet", parquet_with_digest(answers_of(day)))


def test_a_lake_without_buckets_is_read_and_takes_them_day_by_day(url):
    lake = Lake(url, 16)
    for day in DAYS:
        of_an_earlier_version(lake, day)
    everything = pa.concat_tables([answers_of(day) for day in DAYS])
    bucket = Bucket(number=5, n_buckets=16)
    for _ in range(2):
        assert lake.all_days() == DAYS
        assert lake.damaged_days(DAYS) == []
        assert plain(lake.read_observations(DAYS)) == plain(everything)
        assert plain(lake.read_observations(DAYS, bucket=bucket)) == plain(answers_in(everything, bucket))
        assert lake.observations_count(DAY) == 200
        lake.write_observations(DAY, answers_of(DAY))
    assert not lake.filesystem.exists(f"{lake.day_folder(DAY)}/answers.parquet")
    assert lake.filesystem.exists(f"{lake.day_folder(DAYS[0])}/answers.parquet")


def test_rebucket_changes_every_day_and_can_be_interrupted(url, monkeypatch):
    lake = Lake(url, 16)
    of_an_earlier_version(lake, DAYS[0])
    lake.write_observations(DAY, answers_of(DAY))
    everything = plain(lake.read_observations(DAYS))
    lake.filesystem.pipe_file(f"{lake.day_folder(DAYS[0])}/bucket=00.orphan", b"of a write that was killed")
    assert [lake.rebucket(day, 3) for day in DAYS] == [True, True]
    assert [lake.rebucket(day, 3) for day in DAYS] == [False, False]
    assert {path.rsplit("/", 2)[-2] for path in lake.observation_files(DAYS)} == {"bucket=00", "bucket=01", "bucket=02"}
    assert len(lake.filesystem.find(f"{lake.root}/observations")) == 2 * (3 + 1)
    assert plain(lake.read_observations(DAYS)) == everything
    if lake.is_local:
        assert len(list(Path(lake.day_folder(DAY)).iterdir())) == 3 + 1

    def interrupted(*_arguments):
        raise KeyboardInterrupt

    monkeypatch.setattr("seedtest_assets.storage.lake_observations.manifest_of", interrupted)
    with pytest.raises(KeyboardInterrupt):
        lake.rebucket(DAY, 16)
    assert plain(lake.read_observations(DAYS)) == everything
    assert len(lake.filesystem.find(f"{lake.root}/observations")) == 2 * (3 + 1)


def test_the_hash_of_a_student_is_the_same_for_ever():
    students = pa.chunked_array([["s1", "s2"], ["학생"]])
    assert student_buckets.bucket_numbers(students, 1024).tolist() == [240, 330, 516]
    assert EVERYBODY.contains(Bucket(number=3, n_buckets=7))


@pytest.mark.parametrize("name", ["a[1]b", "x*y", "q?r", "[[z"])
def test_a_folder_whose_name_is_a_pattern_is_only_itself(tmp_path, name):
    lake, decoy = fill(Lake(str(tmp_path / name), 3)), Lake(str(tmp_path / "xzy"))
    assert lake.all_days() == DAYS
    for file in lake.observation_files(DAYS):  # which the name matches as a pattern
        copy = Path(file.replace(lake.root, decoy.root, 1))
        copy.parent.mkdir(parents=True)
        copy.write_bytes(Path(file).read_bytes())
    assert len(lake.read_observations(DAYS)) == 400


@pytest.mark.parametrize("at", ["day.json", "bucket=02"])
def test_a_backup_while_a_day_is_written_is_refused(tmp_path, monkeypatch, at):
    lake, added = fill(Lake(str(tmp_path / "lake"), 3)), []
    look = tarfile.TarFile.gettarinfo

    def written_meanwhile(self, name, *arguments):
        if at in str(name) and not added:
            added.append(name)
            lake.write_observations(DAYS[0], answers_of(DAYS[0], 100))
        return look(self, name, *arguments)

    monkeypatch.setattr(tarfile.TarFile, "gettarinfo", written_meanwhile)
    with pytest.raises(InputError, match="was written to meanwhile, and nothing was kept"):
        back_up(tmp_path / "kept", [], lake)
    assert [path.name for path in tmp_path.iterdir()] == ["lake"]
    back_up(tmp_path / "kept", [], lake)
    restored = Lake(str(tmp_path / "restored"))
    restore(tmp_path / "kept", [], restored)
    assert plain(restored.read_observations(DAYS)) == plain(lake.read_observations(DAYS))
