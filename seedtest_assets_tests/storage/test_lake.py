"""The lake: a day is replaced whole, and what is wrong with it is told in one line."""

import os
import re
from datetime import date, datetime, timezone
from pathlib import Path

import pyarrow as pa
import pytest

from seedtest_assets.days import days_up_to
from seedtest_assets.encoded_columns import decoded
from seedtest_assets.errors import InputError, TransientError
from seedtest_assets.storage.lake import Lake
from seedtest_assets.storage.observations import OBSERVATION_SCHEMA
from seedtest_assets.storage.window import missing_days, read_window

DAY = date(2025, 3, 9)


def answers(n: int, student: str = "s") -> pa.Table:
    rows = [
        {
            "student_id": student,
            "item_id": f"i{k}",
            "correct": True,
            "completed_at": datetime(2025, 3, 9, k, tzinfo=timezone.utc),
        }
        for k in range(n)
    ]
    return pa.Table.from_pylist(rows, schema=OBSERVATION_SCHEMA)


@pytest.fixture(params=["folder", "memory"])
def lake(request, tmp_path):
    return Lake(str(tmp_path / "lake") if request.param == "folder" else f"memory://{tmp_path.name}")


def test_a_day_is_replaced(lake):
    lake.write_observations(DAY, answers(3))
    lake.write_observations(DAY, answers(2, "other"))
    read = lake.read_observations([DAY])
    assert read["student_id"].to_pylist() == ["other", "other"]
    assert lake.observations_count(DAY) == 2


def test_days_with_and_without_answers_are_known(lake):
    assert lake.days(date(2025, 1, 1), date(2025, 12, 31)) == []
    lake.write_observations(date(2025, 3, 10), answers(0))
    lake.write_observations(DAY, answers(1))
    assert lake.days(date(2025, 1, 1), date(2025, 12, 31)) == [DAY, date(2025, 3, 10)]
    assert lake.days(DAY, DAY) == [DAY]


def test_columns_without_values_are_read_beside_days_that_have_some(lake):
    one = answers(1).to_pylist()[0]
    values = {"topic_id": "t", "response_time_ms": 5, "hint_used": True, "session_id": "x", "score": 1.0}
    values |= {"max_score": 2.0}
    next_day = {"completed_at": datetime(2025, 3, 10, tzinfo=timezone.utc)}
    with_values = pa.Table.from_pylist([one | values | next_day], schema=OBSERVATION_SCHEMA)
    lake.write_observations(DAY, answers(2))
    lake.write_observations(date(2025, 3, 10), with_values)
    read = lake.read_observations([DAY, date(2025, 3, 10)])
    read.validate(full=True)
    assert decoded(read).equals(pa.concat_tables([answers(2), with_values]))
    for name in values:
        assert lake.read_observations([DAY], [name])[name].to_pylist() == [None, None]


def test_ids_of_several_days_share_one_dictionary(lake):
    lake.write_observations(DAY, answers(2, "a"))
    lake.write_observations(date(2025, 3, 10), answers(2, "b"))
    students = lake.read_observations([date(2025, 3, 10), DAY])["student_id"]
    assert students.to_pylist() == ["a", "a", "b", "b"]
    assert len({chunk.dictionary.to_pylist()[0] for chunk in students.chunks}) == 1


def test_a_fault_while_writing_leaves_the_old_day_and_no_litter(tmp_path, monkeypatch):
    lake = Lake(str(tmp_path))
    lake.write_observations(DAY, answers(3))

    def full(*_paths):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", full)
    with pytest.raises(Exception, match="No space left on device"):
        lake.write_observations(DAY, answers(1))
    assert lake.observations_count(DAY) == 3
    assert sorted(path.suffix for path in tmp_path.rglob("*") if path.is_file()) == [".json", ".json", ".parquet"]


def test_a_lake_that_cannot_be_written_names_the_setting(tmp_path):
    (tmp_path / "file").write_text("no folder")
    with pytest.raises(InputError, match="Check SEEDTEST_LAKE and its permissions"):
        Lake(str(tmp_path / "file")).write_observations(DAY, answers(1))


def test_an_unknown_kind_of_lake_is_named():
    with pytest.raises(InputError, match="SEEDTEST_LAKE='nothing://x' cannot be opened"):
        Lake("nothing://x")


def test_a_broken_day_names_its_file_and_the_way_out(tmp_path):
    lake = Lake(str(tmp_path))
    lake.write_observations(DAY, answers(1))
    (path,) = lake.observation_files([DAY])
    Path(path).write_bytes(b"broken")
    with pytest.raises(InputError, match=rf"{re.escape(path)} is damaged.* Materialise the day"):
        lake.read_observations([DAY])


def test_the_window_reads_its_days_and_names_those_it_lacks(settings, monkeypatch):
    lake = Lake(settings.seedtest_lake)
    for day in (date(2025, 3, 6), date(2025, 3, 8), DAY, date(2025, 3, 10)):
        lake.write_observations(day, answers(2))
    short = settings.model_copy(update={"mirt_lookback_days": 3})
    window = read_window(lake, DAY, short)
    assert (window.first, window.last, len(window.buckets[0])) == (date(2025, 3, 7), DAY, 4)
    assert window.missing == missing_days(lake, DAY, short, 3) == [date(2025, 3, 7)]
    assert days_up_to(DAY, 3) == [date(2025, 3, 7), date(2025, 3, 8), DAY]


def test_max_obs_keeps_the_newest_answers(settings):
    lake = Lake(settings.seedtest_lake)
    lake.write_observations(date(2025, 3, 8), answers(3, "old"))
    lake.write_observations(DAY, answers(3, "new"))
    few = settings.model_copy(update={"mirt_max_obs": 4})
    window = read_window(lake, DAY, few)
    assert window.buckets[0]["student_id"].to_pylist() == ["old", "new", "new", "new"]
    assert window.buckets[0]["item_id"].to_pylist()[0] == "i2"


def test_what_was_written_is_read_back(monkeypatch, tmp_path):
    lake = Lake(f"memory://{tmp_path.name}")
    monkeypatch.setattr(lake.filesystem, "mv", lambda unfinished, path: lake.filesystem.pipe_file(path, b"{}"))
    with pytest.raises(TransientError, match=r"day\.json is not what was written to it a moment ago"):
        lake.write_observations(date(2025, 3, 9), OBSERVATION_SCHEMA.empty_table())


def test_omissions_are_read_back_from_the_first_day_that_was_counted_without_a_gap(lake):
    counts = pa.table({"item_id": ["i1", "i2"], "n": [3, 4]})
    days = days_up_to(DAY, 4)
    for n, day in enumerate(days):
        lake.write_observations(day, answers(n))
    assert lake.read_omissions(days) is None
    for day, omitted in zip(days, (counts, None, counts, counts.slice(0, 0)), strict=True):
        if omitted is not None:
            lake.write_omissions(day, omitted)
    read = lake.read_omissions(days)
    assert read.since == days[2]
    assert read.n_omitted.to_dict() == {"i1": 3, "i2": 4}
    assert read.n_given.to_dict() == {"i0": 2, "i1": 2, "i2": 1}  # of the two days, whatever a window leaves out
    assert lake.read_omissions(days[:2]) is None
    lake.write_omissions(days[3], None)  # extracted again, and not counted this time
    assert lake.read_omissions(days) is None
    assert lake.read_omissions(days[:3]).since == days[2]
