"""Parquet files as other tools write them: any type that means the same is read the same, others are refused by the column's name."""

import uuid
from datetime import datetime, timedelta, timezone

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from seedtest_assets.cli.calibrate_file import calibrate_file, read_log
from seedtest_assets.errors import InputError
from seedtest_assets.storage.answer_files import read_answer_file

NOON = datetime(2025, 3, 9, 12, tzinfo=timezone.utc)
STUDENTS, ITEMS, MARKS = ["7", "7", "8", "9"], ["1", "2", "1", "2"], [True, False, True, False]
TIMES = [NOON + timedelta(minutes=minute) for minute in range(4)]
NUMBERS = {"student_id": pa.array([7, 7, 8, 9]), "item_id": pa.array([1, 2, 1, 2])}


def written(folder, **columns):
    usual = {"student_id": STUDENTS, "item_id": ITEMS, "correct": MARKS, "completed_at": TIMES}
    pq.write_table(pa.table(usual | columns), folder / "log.parquet")
    return folder / "log.parquet"


@pytest.mark.slow
@pytest.mark.parametrize(
    "columns",
    [
        NUMBERS,
        {name: ids.cast(pa.int16()) for name, ids in NUMBERS.items()},
        {name: ids.cast(pa.float64()) for name, ids in NUMBERS.items()},
        {name: ids.cast(pa.decimal128(21, 2)) for name, ids in NUMBERS.items()},
        {name: ids.cast(pa.string()).dictionary_encode() for name, ids in NUMBERS.items()},
        {name: ids.dictionary_encode() for name, ids in NUMBERS.items()},
        {name: ids.cast(pa.string()).cast(pa.large_string()) for name, ids in NUMBERS.items()},
        {name: ids.cast(pa.string()).cast(pa.string_view()) for name, ids in NUMBERS.items()},
        {name: ids.cast(pa.string()).cast(pa.binary()) for name, ids in NUMBERS.items()},
        {"correct": pa.array([1, 0, 1, 0])},
        {"correct": pa.array([1.0, 0.0, 1.0, 0.0])},
        {"correct": pa.array(["1", "0", "1", "0"])},
        {"completed_at": pa.array(TIMES, pa.timestamp("ns", "Asia/Seoul"))},
        {"completed_at": pa.array([time.replace(tzinfo=None) for time in TIMES])},
        {"completed_at": pa.array([time.isoformat() for time in TIMES])},
        {"completed_at": pa.array([int(time.timestamp()) for time in TIMES])},
    ],
    ids=lambda columns: " ".join(dict.fromkeys(str(values.type) for values in columns.values())),
)
def test_what_means_the_same_is_read_the_same(tmp_path, columns):
    file = read_answer_file(written(tmp_path, **columns))
    assert file.answers.select(["student_id", "item_id", "correct", "completed_at"]).to_pylist() == [
        {"student_id": student, "item_id": item, "correct": mark, "completed_at": time}
        for student, item, mark, time in zip(STUDENTS, ITEMS, MARKS, TIMES, strict=True)
    ]
    assert (file.students, file.items) == (["7", "8", "9"], ["1", "2"])
    assert file.students_without_answers == []


def test_uuids_are_ids_as_postgresql_writes_them(tmp_path):
    ids = [uuid.UUID(int=n) for n in (7, 7, 8, 9)]
    file = read_answer_file(written(tmp_path, student_id=pa.array([one.bytes for one in ids], pa.uuid())))
    assert file.answers["student_id"].to_pylist() == [str(one) for one in ids]
    assert file.students == [str(uuid.UUID(int=n)) for n in (7, 8, 9)]


def test_a_missing_id_costs_its_own_row_though_pandas_makes_numbers_of_the_others(tmp_path):
    log = pd.DataFrame(
        {"student_id": [7, None, 8], "item_id": [1, 1, None], "correct": [1, 0, 1], "completed_at": TIMES[:3]}
    )
    log.to_parquet(tmp_path / "log.parquet")
    file = read_answer_file(tmp_path / "log.parquet")
    assert file.answers.select(["student_id", "item_id"]).to_pylist() == [{"student_id": "7", "item_id": "1"}]
    assert file.count_bad() == {"no student_id": 1, "no item_id": 1}


@pytest.mark.parametrize(
    ("columns", "says"),
    [
        ({"student_id": pa.array([{"a": 1}] * 4)}, "the column student_id is of the type struct<a: int64>"),
        ({"item_id": pa.array([[1]] * 4)}, "the column item_id is of the type list<element: int64>"),
        ({"student_id": pa.array([b"\xff\xfe"] * 4)}, "the column student_id holds bytes that are no UTF-8 text"),
        ({"student_id": pa.array([1.5] * 4)}, "the column student_id has ids with decimals"),
        ({"student_id": pa.array(TIMES)}, r"the column student_id is of the type timestamp\[us, tz=UTC\]"),
        ({"correct": pa.array([timedelta(1)] * 4)}, "the column correct is of the type duration"),
        ({"completed_at": pa.array([time.time() for time in TIMES])}, "the column completed_at is of the type time64"),
        ({"response_time_ms": pa.array([{"x": 1}] * 4)}, "the column response_time_ms is of the type struct"),
        ({"topic_id": pa.array([{"x": 1}] * 4)}, "the column topic_id is of the type struct"),
    ],
)
def test_what_cannot_be_read_is_refused_by_column_and_type(tmp_path, columns, says):
    with pytest.raises(InputError, match=rf"log\.parquet: {says}.*Write it as text$"):
        read_answer_file(written(tmp_path, **columns))


def test_a_column_that_is_not_read_may_be_of_any_type(tmp_path):
    assert len(read_answer_file(written(tmp_path, extra=pa.array([{"x": 1}] * 4))).answers) == 4
    written(tmp_path, extra=pa.array([{"x": 1}] * 4)).rename(tmp_path / "log0.parquet")
    written(tmp_path, extra=pa.array(["x"] * 4), student_id=pa.array([*"abcd"]))
    assert len(read_answer_file(tmp_path / "log*.parquet").answers) == 8


def test_abilities_of_students_with_numbers_as_ids_are_their_own(tmp_path):
    random = np.random.default_rng(1)
    marks = random.random((200, 6)) < 0.3 + 0.4 * random.random((200, 1))
    log = pd.DataFrame(marks, columns=[f"q{number}" for number in range(6)]).astype(float)
    log.insert(0, "user_id", np.arange(200.0))
    log.to_parquet(tmp_path / "wide.parquet", index=False)
    calibration = calibrate_file(read_log(tmp_path / "wide.parquet"))
    abilities = calibration.abilities()
    assert abilities["user_id"].tolist() == [str(number) for number in range(200)]
    assert (abilities["n_responses"] == 6).all()


def test_files_of_a_glob_may_have_other_types_and_other_names_of_the_same_columns(tmp_path):
    written(tmp_path).rename(tmp_path / "log1.parquet")
    marked = read_answer_file(tmp_path / "log1.parquet").answers.to_pylist()
    (tmp_path / "log2.csv").write_text("user_id,item_id,is_correct,completed_at\n9,1,1,2025-03-09 13:00:00\n")
    texts = pa.table({"user_id": ["8"], "item_id": ["1"], "correct": [True], "responded_at": ["2025-03-09 14:00"]})
    pq.write_table(texts, tmp_path / "log3.parquet")
    file = read_answer_file(tmp_path / "log*")
    answers = file.answers.to_pylist()
    assert answers[:4] == marked
    assert [(row["student_id"], row["item_id"], row["correct"]) for row in answers[4:]] == [
        ("9", "1", True),
        ("8", "1", True),
    ]
    assert not len(file.bad)


def test_a_file_of_a_glob_without_a_needed_column_is_named(tmp_path):
    written(tmp_path).rename(tmp_path / "log1.parquet")
    (tmp_path / "log2.csv").write_text("user_id,item,is_correct,completed_at\n9,1,1,2025-03-09 13:00:00\n")
    with pytest.raises(InputError, match=r"log2\.csv has no column item_id\. It has user_id, item, "):
        read_answer_file(tmp_path / "log*")


@pytest.mark.parametrize("factor", [1, 1e3, 1e6])
def test_times_since_1970_may_be_floats(tmp_path, factor):
    seconds = np.array([1_741_514_400, 1_741_514_401]) * factor
    log = {"student_id": ["a", "b"], "item_id": ["1", "1"], "correct": [1, 0], "completed_at": seconds.astype(float)}
    pq.write_table(pa.table(log), tmp_path / "log.parquet")
    times = read_answer_file(tmp_path / "log.parquet").answers["completed_at"].to_pylist()
    assert [time.isoformat() for time in times] == ["2025-03-09T10:00:00+00:00", "2025-03-09T10:00:01+00:00"]


def test_a_column_may_have_no_type_or_another_type_of_number_in_another_file(tmp_path):
    log = pd.DataFrame({"student_id": STUDENTS, "item_id": ITEMS, "correct": [1, 0, 1, 0]})
    log.iloc[:0].astype(object).to_parquet(tmp_path / "log0.parquet")
    log.assign(score=None, topic_id="t").to_parquet(tmp_path / "log1.parquet")
    log.assign(student_id="u", score=[2, 0, 1, 0], topic_id=None).to_parquet(tmp_path / "log2.parquet")
    log.assign(student_id="v", score=[0.5, 0.0, 1.0, None]).to_parquet(tmp_path / "log3.parquet")
    answers = read_answer_file(tmp_path / "log*", needs_time=False).answers
    assert answers["student_id"].to_pylist() == [*map(str, STUDENTS), *"uuuu", *"vvvv"]
    assert answers["score"].to_pylist() == [None] * 4 + [2.0, 0.0, 1.0, 0.0] + [0.5, 0.0, 1.0, None]
    assert answers["topic_id"].to_pylist() == ["t"] * 4 + [None] * 8


@pytest.mark.parametrize("kind", [pa.list_(pa.string()), pa.large_list(pa.large_string()), pa.list_(pa.string(), 2)])
def test_topics_may_be_a_list_of_any_size(tmp_path, kind):
    # Arrow 25, the last for Python 3.10, reads no list of a fixed size that is null.
    path = written(tmp_path, topic_id=pa.array([["b", "a"], [None, None], ["a", "a"], ["c", None]], kind))
    assert read_answer_file(path).answers["topic_id"].to_pylist() == ['["a","b"]', None, "a", "c"]


@pytest.mark.slow
def test_values_of_a_long_file_stand_in_their_rows(tmp_path):
    """Longer than what DuckDB reads at a time, whose parts need not come back in order."""
    number = np.arange(400_000)
    columns = {
        "student_id": np.char.add("u", (number % 1000).astype(str)),
        "item_id": np.char.add("i", (number // 1000).astype(str)),
        "correct": number % 3 == 0,
        "completed_at": pa.array(number[::-1] + 1_700_000_000_000_000, pa.timestamp("us")),
        "response_time_ms": number,
    }
    pq.write_table(pa.table(columns), tmp_path / "log.parquet")
    answers = read_answer_file(tmp_path / "log.parquet").answers
    assert answers["response_time_ms"].to_numpy().tolist() == number[::-1].tolist()
    assert answers["item_id"].take([0]).to_pylist() == ["i399"]
    assert answers["completed_at"][-1].as_py() == datetime(2023, 11, 14, 22, 13, 20, 399_999, tzinfo=timezone.utc)
