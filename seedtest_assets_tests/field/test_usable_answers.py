"""What a usable answer is, alike in tables, files, the calibration, the service and the SQL that counts answers."""

from datetime import datetime, timedelta, timezone

import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from seedtest_assets.calibration import ANSWER_SCHEMA, CalibrationRequest
from seedtest_assets.engines.coded_request import code_request
from seedtest_assets.errors import InputError
from seedtest_assets.service.limits import Limits, Refusal
from seedtest_assets.service.reading import read_calibration
from seedtest_assets.storage.answer_files import read_answer_file
from seedtest_assets.storage.importing import import_answers
from seedtest_assets.storage.observations import OBSERVATION_SCHEMA, usable_answers
from seedtest_assets.usable_answers import MAX_ID_BYTES, usable_sql, usable_until

NOON = datetime(2025, 3, 9, 12, tzinfo=timezone.utc)
NO_IDS = ["", " ", "\t\r\n\v\f ", None]
LONGEST = "가" * (MAX_ID_BYTES // 3) + "x"


def answers_of(*rows) -> pa.Table:
    """Answers; each row changes a sound one."""
    sound = {"student_id": "s", "item_id": "i", "topic_id": "t", "correct": True, "completed_at": NOON}
    return pa.Table.from_pylist([sound | row for row in rows], OBSERVATION_SCHEMA)


@pytest.mark.parametrize("column", ["student_id", "item_id"])
def test_an_id_that_is_none_is_left_out_and_counted(column):
    checked = usable_answers(answers_of(*({column: text} for text in NO_IDS), {}))
    assert checked.left_out == {f"no {column}": 4}
    assert checked.table[column].to_pylist() == ["s" if column == "student_id" else "i"]


@pytest.mark.parametrize("column", ["student_id", "item_id", "topic_id"])
def test_an_id_longer_than_an_index_holds_is_left_out_and_counted(column):
    checked = usable_answers(answers_of({column: LONGEST}, {column: LONGEST + "x"}))
    assert checked.left_out == {f"{column} is longer than 1,000 bytes": 1}
    assert checked.table[column].to_pylist() == [LONGEST]


def test_an_id_with_a_zero_byte_which_no_database_takes_is_left_out():
    assert usable_answers(answers_of({"item_id": "a\0b"})).left_out == {"item_id holds a zero byte": 1}


def test_ids_are_trimmed_so_that_the_same_answer_counts_once():
    checked = usable_answers(answers_of({}, {"student_id": " s\t", "item_id": "\ni", "correct": False}))
    assert checked.left_out == {"the same student, item and time twice": 1}
    assert checked.table.select(["student_id", "item_id", "correct"]).to_pylist() == [
        {"student_id": "s", "item_id": "i", "correct": False}
    ]


def test_a_negative_response_time_is_unknown_and_blanks_are_no_topic():
    (row,) = usable_answers(answers_of({"response_time_ms": -1, "topic_id": " "})).table.to_pylist()
    assert (row["response_time_ms"], row["topic_id"]) == (None, None)


def test_times_before_2000_and_after_tomorrow_are_left_out():
    first, end, tick = datetime(2000, 1, 1, tzinfo=timezone.utc), usable_until(), timedelta(microseconds=1)
    checked = usable_answers(answers_of(*({"completed_at": time} for time in (first - tick, first, end - tick, end))))
    assert checked.left_out == {"completed_at is before 2000": 1, "completed_at is later than tomorrow": 1}
    assert checked.table["completed_at"].to_pylist() == [first, end - tick]


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("24-05-01", "completed_at is before 2000"),
        ("0001-01-01", "completed_at is before 2000"),
        ("2024-05-01 (BC)", "completed_at is before 2000"),
        ("-infinity", "completed_at is before 2000"),
        ("infinity", "completed_at is later than tomorrow"),
        ("2025-03-09 12:00:00+25:00", "completed_at is no time: 2025-03-09 12:00:00+25:00"),
        ("2025-03-09T12:00:00.5-99", "completed_at is no time: 2025-03-09T12:00:00.5-99"),
        ("", "no completed_at"),
    ],
)
def test_a_file_names_the_rows_whose_time_cannot_be(tmp_path, text, reason):
    path = tmp_path / "log.csv"
    path.write_text(f"user_id,item_id,is_correct,responded_at\nu,a,1,2025-03-19 12:00:00+09:00\nu,b,1,{text}\n")
    file = read_answer_file(path)
    assert file.answers["item_id"].to_pylist() == ["a"]
    assert file.bad.to_dict("records") == [{"row": 2, "reason": reason}]


def test_an_import_refuses_a_year_of_two_digits_by_name(settings, platform, tmp_path):
    table = pd.DataFrame({"user_id": ["u"], "item_id": ["i"], "topic_id": ["t"], "is_correct": [1]})
    table.assign(responded_at="24-05-01").to_csv(tmp_path / "log.csv", index=False)
    with pytest.raises(InputError, match=r"completed_at is before 2000 \(1 row: 1\)"):
        import_answers(tmp_path / "log.csv", settings)


def test_a_file_without_times_keeps_the_order_of_its_rows(tmp_path):
    path = tmp_path / "log.csv"
    path.write_text("user_id,item_id,is_correct\nu,b,1\nu,a,0\nu,b,0\n")
    file = read_answer_file(path, needs_time=False)
    assert file.answers["item_id"].to_pylist() == ["b", "a", "b"]
    assert file.bad.empty


@pytest.mark.parametrize("encoded", [False, True])
def test_a_calibration_leaves_out_answers_without_ids_and_says_how_many(encoded):
    table = pa.table(
        {
            "student_id": ["", "u ", "u", None, "v"],
            "item_id": ["i", " i", "j", "i", "  "],
            "correct": [True] * 5,
            "answered_at": [NOON] * 5,
        },
        ANSWER_SCHEMA,
    )
    if encoded:
        table = pa.table(
            {
                name: table[name].dictionary_encode() if name.endswith("id") else table[name]
                for name in table.schema.names
            }
        )
    anchors = pd.DataFrame({"item_id": [" j "], "a": [1.0], "b": [0.0], "c": [0.0]})
    coded = code_request(CalibrationRequest(table, anchors=anchors))
    assert coded.student_ids.to_pylist() == ["u"]
    assert sorted(coded.item_ids.to_pylist()) == ["i", "j"]
    assert [coded.item_ids[code].as_py() for code in coded.anchors.item] == ["j"]
    assert coded.warnings == ("3 answers without usable ids left out: no student_id (2), no item_id (1)",)


@pytest.mark.parametrize("name", ["user_id", "item_id"])
@pytest.mark.parametrize("text", ["", " \\t", "\\u0000", "x" * (MAX_ID_BYTES + 1)])
def test_the_service_refuses_an_id_that_is_none_and_names_its_place(name, text):
    sound, bad = '{"user_id": "u", "item_id": "i", "is_correct": 1}', {"user_id": "u", "item_id": "i"} | {name: text}
    bad_row = f'{{"user_id": "{bad["user_id"]}", "item_id": "{bad["item_id"]}", "is_correct": null}}'
    with pytest.raises(Refusal, match=rf"observations\[1\]\.{name}: .*An id is text of 1 to 1,000 bytes") as raised:
        read_calibration(f'{{"observations": [{sound}, {bad_row}]}}'.encode(), Limits())
    assert raised.value.status == 400


def test_the_service_trims_ids_of_answers_columns_and_anchors_alike():
    body = b"""{"responses": [[1, 0]], "item_ids": [" a", "b "],
                "anchors": [{"item_id": "a ", "params": {"a": 1, "b": 0}, "fixed": true}]}"""
    parsed = read_calibration(body, Limits())
    assert parsed.item_ids == ["a", "b"]
    assert parsed.request.anchors["item_id"].to_list() == ["a"]
    with pytest.raises(Refusal, match=r"item_ids\[1\]: no item_id"):
        read_calibration(b'{"responses": [[1, 0]], "item_ids": ["a", " "]}', Limits())


near = st.sampled_from([datetime(2000, 1, 1, tzinfo=timezone.utc), NOON, usable_until()])
rows = st.fixed_dictionaries(
    {
        "student_id": st.sampled_from([*NO_IDS, "s", " s", "s\u00a0", "가", LONGEST, LONGEST + "x"]),
        "item_id": st.sampled_from([*NO_IDS, "i", "i\v", "나", LONGEST, LONGEST + " ", LONGEST + "y"]),
        "topic_id": st.sampled_from([None, "", "t", LONGEST + "z"]),
        "correct": st.sampled_from([True, False, None]),
        "response_time_ms": st.sampled_from([None, -5, 1000]),
        "completed_at": st.none()
        | st.builds(lambda time, ticks: time + timedelta(microseconds=ticks), near, st.integers(-1, 1)),
        "score": st.sampled_from([None, None, 0.0, 2.0, 3.5, -1.0, float("nan"), float("inf")]),
        "max_score": st.sampled_from([None, 3.0, 3.0, 0.0, -2.0, float("nan"), float("inf")]),
    }
)


@given(st.lists(rows, max_size=25))
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_the_sql_that_counts_agrees_with_the_rule(database, drawn):
    table = pa.Table.from_pylist(drawn, OBSERVATION_SCHEMA)
    names = ["student_id", "item_id", "topic_id", "correct", "score", "max_score", "completed_at"]
    with database.bulk_transaction() as cursor:
        cursor.execute("DROP TABLE IF EXISTS drawn")
        cursor.adbc_ingest("drawn", table.select(names), mode="create", temporary=True)
        cursor.execute(usable_sql("SELECT * FROM drawn"))
        in_sql = cursor.fetch_arrow_table()
    checked = usable_answers(table)
    key = names[:2] + names[-1:]
    assert {tuple(row.values()) for row in in_sql.to_pylist()} == {
        tuple(row.values()) for row in checked.table.select(key).to_pylist()
    }
    assert len(in_sql) == len(checked.table)
    assert len(checked.table) + sum(checked.left_out.values()) == len(drawn)
