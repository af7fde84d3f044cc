"""Every source on a real PostgreSQL: the same answers come out, and an error is one line."""

import json
from datetime import date, datetime, timezone
from hashlib import md5
from uuid import UUID

import pyarrow as pa
import pytest

from seedtest_assets.errors import InputError, SettingsError, TransientError
from seedtest_assets.settings import load_settings
from seedtest_assets.storage.database import prepared_database
from seedtest_assets.storage.observations import OBSERVATION_SCHEMA, UsableAnswers
from seedtest_assets.storage.sources import cut_into_days, empty_beside_full, find_source
from seedtest_assets_tests.conftest import execute

DAY = date(2025, 3, 9)
NOON = datetime(2025, 3, 9, 12, tzinfo=timezone.utc)


def source_of(monkeypatch, name="auto"):
    monkeypatch.setenv("SEEDTEST_ATTEMPT_SOURCE", name)
    settings = load_settings()
    return find_source(settings, prepared_database(settings))


def answers_of(source, day) -> UsableAnswers:
    ((given, answers),) = source.answers_by_day(day, day)
    assert given == day
    return answers


def insert_attempt(database, student="s1", item="i1", completed=NOON, table="attempt"):
    execute(
        database,
        f"INSERT INTO {table} (student_id, item_id, correct, response_time_ms, hint_used, session_id, completed_at, topic_id) "
        "VALUES (:student, :item, true, 1500, false, 'x', :completed, 't1')",
        student=student,
        item=item,
        completed=completed,
    )


def test_attempt_table_gives_the_day_and_nothing_else(platform, monkeypatch):
    for instant in (
        "2025-03-08 23:59:59.999999",
        "2025-03-09 00:00:00",
        "2025-03-09 23:59:59.999999",
        "2025-03-10 00:00:00",
    ):
        insert_attempt(platform, completed=datetime.fromisoformat(instant + "+00:00"))
    answers = answers_of(source_of(monkeypatch), DAY)
    assert answers.table.schema == OBSERVATION_SCHEMA
    assert [row["completed_at"].isoformat() for row in answers.table.to_pylist()] == [
        "2025-03-09T00:00:00+00:00",
        "2025-03-09T23:59:59.999999+00:00",
    ]
    assert answers.left_out == {}


def test_attempt_view_with_uuid_students_and_bigint_items(platform, monkeypatch):
    execute(platform, "DROP TABLE attempt")
    execute(
        platform,
        "CREATE VIEW attempt AS SELECT 7::bigint AS id, '6f1c1f3e-6f57-4a52-8f5e-111111111111'::uuid AS student_id, "
        "42::bigint AS item_id, false AS correct, NULL::int AS response_time_ms, true AS hint_used, 1 AS attempt_no, "
        "NULL::timestamptz AS started_at, '2025-03-09 01:02:03+00'::timestamptz AS completed_at, 's' AS session_id, 'algebra' AS topic_id",
    )
    (row,) = answers_of(source_of(monkeypatch), DAY).table.to_pylist()
    assert row["student_id"] == "6f1c1f3e-6f57-4a52-8f5e-111111111111"
    assert (row["item_id"], row["topic_id"], row["correct"]) == ("42", "algebra", False)


def test_responses_take_their_topic_from_question(platform, monkeypatch):
    execute(platform, "DROP TABLE attempt")
    execute(platform, "INSERT INTO question (id, topic_id) VALUES (5, 'geometry')")
    execute(
        platform,
        "INSERT INTO responses VALUES ('u1', '5', true, :noon), ('u1', '6', false, :noon), ('u2', '5', NULL, :noon)",
        noon=NOON,
    )
    source = source_of(monkeypatch)
    answers = answers_of(source, DAY)
    assert source.name == "responses"
    assert {(row["student_id"], row["item_id"], row["topic_id"]) for row in answers.table.to_pylist()} == {
        ("u1", "5", "geometry"),
        ("u1", "6", None),
    }
    assert answers.left_out == {"no correct": 1}


def test_exam_results_json_with_nulls_missing_fields_and_strings_for_numbers(platform, monkeypatch):
    execute(platform, "DROP TABLE attempt")
    execute(platform, "DROP TABLE responses")
    questions = [
        {"question_id": 1, "is_correct": True, "topic": "algebra", "time_spent_sec": 12.5, "used_hints": True},
        {"question_id": "2", "correct": "false", "topic": " ", "time_spent_sec": "7", "used_hints": "no"},
        {"question_id": 3, "is_correct": 1, "time_spent_sec": "soon", "used_hints": 2},
        {"question_id": 4, "is_correct": None, "topic": "algebra"},
        {"is_correct": True},
        {"question_id": 5, "is_correct": "perhaps"},
        None,
    ]
    for document in ({"questions": questions}, {"questions": None}, {}, {"questions": "none"}):
        execute(
            platform,
            "INSERT INTO exam_results (user_id, session_id, created_at, updated_at, result_json) "
            "VALUES ('u1', 'x', '2025-03-08', :noon, CAST(:document AS jsonb))",
            noon=NOON,
            document=json.dumps(document),
        )
    source = source_of(monkeypatch)
    answers = answers_of(source, DAY)
    assert source.name == "exam_results"
    given = {
        row["item_id"]: (row["correct"], row["topic_id"], row["response_time_ms"], row["hint_used"])
        for row in answers.table.to_pylist()
    }
    assert given == {
        "1": (True, "algebra", 12500, True),
        "2": (False, None, 7000, False),
        "3": (True, None, None, True),
    }
    assert answers.left_out == {"no item_id": 2, "no correct": 2}


@pytest.mark.parametrize(
    ("omitted", "not_reached", "wrong"),
    [
        ("ignored", "ignored", []),
        ("wrong", "ignored", ["2"]),
        ("ignored", "wrong", ["5", "6"]),
        ("wrong", "wrong", ["2", "5", "6"]),
    ],
)
def test_questions_of_an_exam_without_a_mark_were_omitted_or_not_reached(
    platform, monkeypatch, omitted, not_reached, wrong
):
    marks = {"1": True, "2": None, "3": "perhaps", "4": 1, "5": None, "6": " "}
    questions = [{"question_id": item, "is_correct": mark} for item, mark in marks.items()]
    execute(
        platform,
        "INSERT INTO exam_results (user_id, session_id, created_at, updated_at, result_json) "
        "VALUES ('u1', 'x', '2025-03-08', :noon, CAST(:document AS jsonb))",
        noon=NOON,
        document=json.dumps({"questions": questions}),
    )
    monkeypatch.setenv("SEEDTEST_OMITTED", omitted)
    monkeypatch.setenv("SEEDTEST_NOT_REACHED", not_reached)
    source = source_of(monkeypatch, "exam_results")
    answers = answers_of(source, DAY)
    given = {row["item_id"]: row["correct"] for row in answers.table.to_pylist()}
    assert given == {"1": True, "4": True} | dict.fromkeys(wrong, False)
    assert answers.left_out == {"no correct": 4 - len(wrong)}
    assert source.counts(DAY, DAY) == {DAY: 2 + len(wrong)}


@pytest.mark.parametrize("table", ["attempt", "responses"])
def test_an_answer_without_a_mark_may_count_as_wrong(platform, monkeypatch, table):
    mark = {"attempt": "correct", "responses": "is_correct"}[table]
    execute(platform, f"ALTER TABLE {table} ALTER {mark} DROP NOT NULL")
    execute(
        platform,
        "INSERT INTO attempt (student_id, item_id, completed_at) VALUES ('u1', 'i1', :noon)"
        if table == "attempt"
        else "INSERT INTO responses (user_id, item_id, responded_at) VALUES ('u1', 'i1', :noon)",
        noon=NOON,
    )
    assert len(answers_of(source_of(monkeypatch, table), DAY).table) == 0
    monkeypatch.setenv("SEEDTEST_OMITTED", "wrong")
    source = source_of(monkeypatch, table)
    assert answers_of(source, DAY).table["correct"].to_pylist() == [False]
    assert source.counts(DAY, DAY) == {DAY: 1}


@pytest.mark.parametrize("suffix", ["csv", "parquet"])
def test_file_source_gives_what_the_table_gives(platform, monkeypatch, tmp_path, suffix):
    insert_attempt(platform)
    insert_attempt(platform, item="i2", completed=datetime(2025, 3, 10, 5, tzinfo=timezone.utc))
    of_table = source_of(monkeypatch)
    frame = answers_of(of_table, DAY).table.to_pandas()
    path = tmp_path / f"log.{suffix}"
    frame.to_csv(path, index=False) if suffix == "csv" else frame.to_parquet(path)
    of_file = source_of(monkeypatch, str(path))
    assert answers_of(of_file, DAY).table.equals(answers_of(of_table, DAY).table)
    assert len(answers_of(of_file, date(2025, 3, 10)).table) == 0


def test_auto_prefers_attempt_then_responses_then_exam_results(platform, monkeypatch):
    for name in ("attempt", "responses", "exam_results"):
        assert source_of(monkeypatch).name == name
        execute(platform, f"DROP TABLE {name}")
    with pytest.raises(InputError, match="no table or view attempt or responses or exam_results"):
        source_of(monkeypatch)


def test_an_answer_stored_twice_counts_once_and_is_reported(platform, monkeypatch):
    execute(platform, "CREATE TABLE raw AS SELECT * FROM attempt")
    for _ in range(2):
        insert_attempt(platform, table="raw")
    execute(platform, "DROP TABLE attempt")
    execute(platform, "CREATE VIEW attempt AS SELECT * FROM raw")
    answers = answers_of(source_of(monkeypatch), DAY)
    assert len(answers.table) == 1
    assert answers.left_out == {"the same student, item and time twice": 1}


def test_unknown_source_names_the_variable_and_the_choices(platform, monkeypatch):
    with pytest.raises(
        SettingsError, match=r"SEEDTEST_ATTEMPT_SOURCE='answers' is not allowed: .*auto\|attempt\|responses"
    ):
        source_of(monkeypatch, "answers")


def test_missing_column_is_named(platform, monkeypatch):
    execute(platform, "ALTER TABLE attempt DROP COLUMN correct")
    with pytest.raises(InputError, match="attempt has no column correct"):
        source_of(monkeypatch)


def test_wrong_type_is_named_with_what_to_do(platform, monkeypatch):
    execute(platform, "ALTER TABLE attempt ALTER COLUMN correct TYPE text")
    with pytest.raises(InputError, match=r"attempt\.correct is text, but boolean is needed. Cast it in a view"):
        source_of(monkeypatch)


def test_missing_optional_columns_are_null(platform, monkeypatch):
    execute(platform, "ALTER TABLE attempt DROP COLUMN hint_used, DROP COLUMN session_id")
    execute(
        platform,
        "INSERT INTO attempt (student_id, item_id, correct, completed_at) VALUES ('s', 'i', true, :noon)",
        noon=NOON,
    )
    (row,) = answers_of(source_of(monkeypatch), DAY).table.to_pylist()
    assert row["hint_used"] is None
    assert row["session_id"] is None


def test_unreachable_database_is_one_line_without_the_password(monkeypatch):
    monkeypatch.setenv("DATABASE_URL", "postgresql://me:secret@127.0.0.1:1/nowhere")
    with pytest.raises(TransientError) as raised:
        source_of(monkeypatch)
    assert "out of reach" in str(raised.value)
    assert "Check DATABASE_URL" in str(raised.value)
    assert "secret" not in str(raised.value)
    assert "\n" not in str(raised.value)


def test_no_database_url_at_all(monkeypatch):
    monkeypatch.setenv("DATABASE_URL", "localhost:5432")
    with pytest.raises(SettingsError, match="DATABASE_URL is not allowed: it is not a PostgreSQL URL"):
        source_of(monkeypatch)


EXAMS = [
    ("s-001", "2025-03-08 10:00", "0007", True),
    ("6F1C1F3E-6F57-4A52-8F5E-111111111111", "2025-03-09 00:00", "8", False),
    ("s-002", "2025-03-09 23:59:59.999999", "7", True),
    ("s-002", "2025-03-12 08:00", "9", None),
    ("s-002", "2025-03-12 09:00", "9", False),
]
VIEW = """
CREATE VIEW attempt AS
SELECT CASE WHEN e.user_id ~* '^[0-9a-f-]{36}$' THEN e.user_id::uuid ELSE md5(e.user_id)::uuid END AS student_id,
       (q ->> 'question_id')::bigint AS item_id, (q ->> 'is_correct')::boolean AS correct, e.updated_at AS completed_at,
       row_number() OVER (PARTITION BY e.user_id, (q ->> 'question_id')::bigint ORDER BY e.updated_at) AS attempt_no
FROM exam_results AS e CROSS JOIN LATERAL jsonb_array_elements(e.result_json -> 'questions') AS q
"""


@pytest.fixture
def exams(platform):
    """A few exams, and the view that the platform makes of them."""
    execute(platform, "DROP TABLE attempt")
    execute(platform, VIEW)
    for student, completed, item, correct in EXAMS:
        insert_exam(platform, student, completed, item, correct)
    return platform


def insert_exam(database, student, completed, item, correct=True):
    execute(
        database,
        "INSERT INTO exam_results (user_id, updated_at, result_json) VALUES (:student, :completed, CAST(:json AS jsonb))",
        student=student,
        completed=datetime.fromisoformat(completed + "+00:00"),
        json=json.dumps({"questions": [{"question_id": item, "is_correct": correct}]}),
    )


def by_day(source, first, last) -> dict[date, list[tuple]]:
    return {
        day: [(row["student_id"], row["item_id"], row["correct"]) for row in answers.table.to_pylist()]
        for day, answers in source.answers_by_day(first, last)
    }


@pytest.mark.parametrize("source", ["attempt", "exam_results"])
def test_a_range_is_read_in_one_query_and_cut_into_every_day_of_it(exams, monkeypatch, source):
    first, last = date(2025, 3, 7), date(2025, 3, 13)
    answers = by_day(source_of(monkeypatch, source), first, last)
    assert {day: len(rows) for day, rows in answers.items()} == {
        date(2025, 3, day): n for day, n in ((7, 0), (8, 1), (9, 2), (10, 0), (11, 0), (12, 1), (13, 0))
    }
    assert list(answers) == sorted(answers)
    assert source_of(monkeypatch, source).counts(first, last) == {day: len(rows) for day, rows in answers.items()}


def test_days_are_the_same_whatever_the_batches(exams, monkeypatch):
    execute(exams, "INSERT INTO exam_results (user_id, updated_at, result_json) SELECT 's-' || n, "
            "timestamptz '2025-03-01 00:00+00' + n * interval '7 minutes', jsonb_build_object('questions', jsonb_build_array("
            "jsonb_build_object('question_id', n, 'is_correct', true))) FROM generate_series(1, 3000) AS n")  # fmt: skip
    source = source_of(monkeypatch)
    first, last = date(2025, 3, 1), date(2025, 3, 17)
    whole = dict(source.answers_by_day(first, last))
    batches = pa.concat_tables([answers.table for answers in whole.values()]).to_batches(max_chunksize=97)
    for day, rows in cut_into_days(iter(batches), OBSERVATION_SCHEMA, first, last):
        assert rows.equals(whole[day].table)


def test_exam_results_give_the_ids_of_the_view_where_there_is_one(exams, monkeypatch):
    first, last = date(2025, 3, 8), date(2025, 3, 12)
    of_view = by_day(source_of(monkeypatch, "attempt"), first, last)
    assert by_day(source_of(monkeypatch, "exam_results"), first, last) == of_view
    assert of_view[first] == [(str(UUID(md5(b"s-001").hexdigest())), "7", True)]
    execute(exams, "DROP VIEW attempt")
    assert by_day(source_of(monkeypatch, "exam_results"), first, first) == {first: [("s-001", "0007", True)]}


def test_responses_give_the_ids_of_the_view_where_there_is_one(exams, monkeypatch):
    execute(exams, "INSERT INTO responses VALUES ('s-001', '7', true, :noon)", noon=NOON)
    assert by_day(source_of(monkeypatch, "responses"), DAY, DAY) == {
        DAY: [(str(UUID(md5(b"s-001").hexdigest())), "7", True)]
    }
    execute(exams, "DROP VIEW attempt")
    assert by_day(source_of(monkeypatch, "responses"), DAY, DAY) == {DAY: [("s-001", "7", True)]}


def test_a_row_that_the_view_cannot_cast_is_named_by_its_table_and_the_source_to_use(exams, monkeypatch):
    insert_exam(exams, "s-009", "2024-01-01 00:00", "Q-9")
    source = source_of(monkeypatch)
    for read in (lambda: list(source.answers_by_day(DAY, DAY)), lambda: source.counts(DAY, DAY)):
        with pytest.raises(InputError) as raised:
            read()
        message = str(raised.value)
        assert 'invalid input syntax for type bigint: "Q-9"' in message
        assert "The row is in exam_results" in message
        assert "SEEDTEST_ATTEMPT_SOURCE=exam_results" in message
        assert "\n" not in message
    of_table = by_day(source_of(monkeypatch, "exam_results"), date(2024, 1, 1), DAY)
    assert len(of_table[DAY]) == 2


def test_a_missing_right_is_not_taken_for_a_bad_row(exams, monkeypatch):
    source = source_of(monkeypatch)
    execute(exams, "DROP VIEW attempt")
    with pytest.raises(InputError, match='relation "attempt" does not exist') as raised:
        source.counts(DAY, DAY)
    assert "SEEDTEST_ATTEMPT_SOURCE" not in str(raised.value)


def test_an_empty_view_beside_a_full_table_is_reported(platform, monkeypatch):
    source = source_of(monkeypatch)
    assert empty_beside_full(source) is None
    execute(platform, "INSERT INTO responses VALUES ('u1', '5', true, :noon)", noon=NOON)
    empty = empty_beside_full(source)
    assert empty.finding == "the source attempt has no answers at all, but responses has"
    assert empty.advice == "Set SEEDTEST_ATTEMPT_SOURCE=responses, or repair attempt"
    insert_attempt(platform)
    assert empty_beside_full(source) is None
