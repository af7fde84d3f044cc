"""Scores of partial credit on their way from a source to the window, and what becomes of impossible ones."""

import json
from datetime import date, datetime, timedelta, timezone

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from seedtest_assets.errors import InputError
from seedtest_assets.rapid_guesses import apply_policy, find_rapid_guesses
from seedtest_assets.settings import Settings
from seedtest_assets.storage.answer_files import read_answer_file
from seedtest_assets.storage.importing import import_answers
from seedtest_assets.storage.lake import Lake
from seedtest_assets.storage.mark_rules import mark_rules
from seedtest_assets.storage.observations import OBSERVATION_SCHEMA
from seedtest_assets.storage.sources import find_source

DAY = date(2025, 3, 1)
NOON = datetime(2025, 3, 1, 12, tzinfo=timezone.utc)


def answers_of(database, source: str) -> tuple[list[tuple], dict[str, int]]:
    """Give (item, correct, score, max_score) of the day's usable answers, and the others by reason."""
    found = find_source(Settings(seedtest_attempt_source=source), database)
    ((_, usable),) = found.answers_by_day(DAY, DAY)
    assert found.counts(DAY, DAY)[DAY] == len(usable.table)
    rows = usable.table.select(["item_id", "correct", "score", "max_score"]).to_pylist()
    return sorted(tuple(row.values()) for row in rows), usable.left_out


def test_attempt_with_scores(database):
    with database.transaction() as connection:
        connection.exec_driver_sql(
            "INSERT INTO attempt (student_id, item_id, correct, score, max_score, completed_at) VALUES "
            "('s', 'partial', false, 2, 3, '2025-03-01 12:00+00'), ('s', 'plain', true, NULL, NULL, '2025-03-01 12:00+00'), "
            "('s', 'beyond', false, 4, 3, '2025-03-01 12:00+00'), ('s', 'below', false, -1, 3, '2025-03-01 12:00+00'), "
            "('s', 'nothing', false, 0, 0, '2025-03-01 12:00+00'), ('s', 'nan', false, 'NaN', 3, '2025-03-01 12:00+00'), "
            "('s', 'unknown', false, 1, 'NaN', '2025-03-01 12:00+00'), ('s', 'marked', true, NULL, 0, '2025-03-01 12:00+00')"
        )
    rows, left_out = answers_of(database, "attempt")
    assert rows == [("marked", True, None, 0.0), ("partial", False, 2.0, 3.0), ("plain", True, None, None)]
    assert left_out == {
        "score is above max_score": 1,
        "score is no number from 0": 2,
        "max_score is no number above 0": 2,
    }


def test_attempt_whose_marks_may_be_missing_beside_scores(database):
    with database.transaction() as connection:
        connection.exec_driver_sql("ALTER TABLE attempt ALTER correct DROP NOT NULL")
        connection.exec_driver_sql(
            "INSERT INTO attempt (student_id, item_id, correct, score, max_score, completed_at) VALUES "
            "('s', 'full', NULL, 3, 3, '2025-03-01 12:00+00'), ('s', 'part', NULL, 1, 3, '2025-03-01 12:00+00'), "
            "('s', 'none', NULL, NULL, NULL, '2025-03-01 12:00+00')"
        )
    rows, left_out = answers_of(database, "attempt")
    assert rows == [("full", True, 3.0, 3.0), ("part", False, 1.0, 3.0)]
    assert left_out == {"no correct": 1}


def test_a_score_that_is_text_is_refused(database):
    with database.transaction() as connection:
        connection.exec_driver_sql("ALTER TABLE attempt ALTER score TYPE text")
    with pytest.raises(InputError, match=r"attempt\.score is text, but smallint or integer .* is needed"):
        find_source(Settings(seedtest_attempt_source="attempt"), database)


def test_responses_with_and_without_the_columns(database):
    with database.transaction() as connection:
        connection.exec_driver_sql("INSERT INTO responses VALUES ('s', 'old', true, '2025-03-01 12:00+00')")
    assert answers_of(database, "responses")[0] == [("old", True, None, None)]
    with database.transaction() as connection:
        connection.exec_driver_sql("ALTER TABLE responses ADD score integer, ADD max_score integer")
        connection.exec_driver_sql("INSERT INTO responses VALUES ('s', 'new', NULL, '2025-03-01 12:00+00', 2, 4)")
    assert answers_of(database, "responses")[0] == [("new", False, 2.0, 4.0), ("old", True, None, None)]


def test_exam_results_with_score_and_points(database):
    questions = [
        {"question_id": "partial", "is_correct": False, "score": 2.5, "points": 5},
        {"question_id": "full", "score": "5", "points": "5"},
        {"question_id": "one", "score": 1},
        {"question_id": "mark", "correct": True},
        {"question_id": "odd", "score": "much", "points": 5},
        {"question_id": "practice", "is_correct": True, "score": 0, "points": 0},
    ]
    with database.transaction() as connection:
        connection.exec_driver_sql(
            "INSERT INTO exam_results (user_id, session_id, created_at, result_json) VALUES (%s, %s, %s, %s)",
            ("s", "e", NOON, json.dumps({"questions": questions})),
        )
    rows, left_out = answers_of(database, "exam_results")
    assert rows == [
        ("full", True, 5.0, 5.0),
        ("mark", True, None, None),
        ("one", True, 1.0, None),
        ("partial", False, 2.5, 5.0),
        ("practice", True, None, None),
    ]
    assert left_out == {"no correct": 1}


def test_days_written_before_there_were_scores_are_read_as_without(tmp_path):
    lake = Lake(str(tmp_path))
    row = {"student_id": "s", "item_id": "i", "correct": True, "completed_at": NOON}
    today = pa.Table.from_pylist([row | {"score": 2.0, "max_score": 2.0}], OBSERVATION_SCHEMA)
    lake.write_observations(DAY, today)
    before = lake.day_folder(DAY - timedelta(days=1))
    lake.filesystem.makedirs(before)
    old = pa.Table.from_pylist([row], OBSERVATION_SCHEMA).drop_columns(["score", "max_score"])
    pq.write_table(old, f"{before}/answers.parquet")
    read = lake.read_observations([DAY - timedelta(days=1), DAY], ["student_id", "score"])
    assert read["score"].to_pylist() == [None, 2.0]


def test_a_rapid_guess_that_counts_as_wrong_has_no_points():
    others = [("o", 8000, 3.0)] * 40
    rows = [
        {
            "student_id": f"s{n}",
            "item_id": "i",
            "correct": True,
            "response_time_ms": ms,
            "completed_at": NOON,
            "score": score,
        }
        for n, (_, ms, score) in enumerate([*others, ("guess", 300, 3.0)])
    ]
    answers = pa.Table.from_pylist(rows, OBSERVATION_SCHEMA)
    counted, count = apply_policy(answers, find_rapid_guesses([answers]), "wrong")
    assert count.n == 1
    assert counted["score"].to_pylist() == [3.0] * 40 + [0.0]


def write(tmp_path, text):
    path = tmp_path / "answers.csv"
    path.write_text(text)
    return path


def test_a_long_file_with_scores_and_no_marks(tmp_path):
    path = write(
        tmp_path,
        "user_id,item_id,score,max_score\nu1,a,2,2\nu2,a,1,2\nu1,b,3,\nu2,b,2,\nu1,c,,\nu2,c,many,\nu3,a,3,2\n",
    )
    file = read_answer_file(path, needs_time=False)
    rows = file.answers.to_pandas().set_index(["student_id", "item_id"])
    assert rows["correct"].to_dict() == {("u1", "a"): True, ("u2", "a"): False, ("u1", "b"): True, ("u2", "b"): False}
    assert rows["score"].to_dict() == {("u1", "a"): 2, ("u2", "a"): 1, ("u1", "b"): 3, ("u2", "b"): 2}
    assert file.bad["reason"].to_dict() == {
        5: "no score",
        6: "score is no number: many",
        7: "score is above max_score",
    }


def test_a_long_file_with_scores_beside_marks(tmp_path):
    path = write(tmp_path, "user_id,item_id,correct,score\nu1,a,1,2\nu2,a,0,1\nu1,b,1,\n")
    rows = read_answer_file(path, needs_time=False).answers.to_pandas()
    assert rows["correct"].tolist() == [True, False, True]
    assert np.nan_to_num(rows["score"]).tolist() == [2, 1, 0]


def test_a_file_without_marks_and_scores_says_what_it_lacks(tmp_path):
    message = "has no column correct or is_correct or score. It has user_id, item_id, points. Points belong in a column score,"
    with pytest.raises(InputError, match=message):
        read_answer_file(write(tmp_path, "user_id,item_id,points\nu1,a,2\n"), needs_time=False)


def test_an_empty_column_of_scores_is_named_as_such(tmp_path):
    file = read_answer_file(write(tmp_path, "user_id,item_id,score\nu1,a,\nu2,a,\n"), needs_time=False)
    assert file.count_bad() == {"no score": 2}
    for second in ("0", ""):  # a mark beside it, or neither
        path = write(tmp_path, f"user_id,item_id,correct,score\nu1,a,1,\nu2,a,{second},\n")
        file = read_answer_file(path, needs_time=False)
        assert file.notes == ["no row has a score"]
        assert file.count_bad() == ({} if second else {"no correct": 1})


def test_parts_of_points_are_not_rounded_into_a_table_of_whole_ones(database, tmp_path):
    path = write(
        tmp_path,
        "user_id,item_id,topic_id,score,responded_at\nu1,1,t,2,2025-03-01T12:00:00Z\nu2,1,t,0.5,2025-03-01T12:00:00Z\n",
    )
    settings = Settings(database_url=database.url)
    with database.transaction() as connection:
        connection.exec_driver_sql("ALTER TABLE attempt ALTER score TYPE integer")
    with pytest.raises(InputError, match=r"parts of points \(score 0.5\), but attempt.score is integer. ALTER TABLE"):
        import_answers(path, settings)
    with database.transaction() as connection:
        connection.exec_driver_sql("ALTER TABLE attempt ALTER score TYPE numeric")
    assert import_answers(path, settings).n_new == 2
    assert answers_of(database, "attempt")[0] == [("1", False, 0.5, None), ("1", True, 2.0, None)]


def test_scores_are_imported_or_refused_where_attempt_has_no_column(database, tmp_path):
    frame = pd.DataFrame(
        {
            "user_id": ["u1", "u2"],
            "item_id": "1",
            "topic_id": "t",
            "score": [2, 1],
            "responded_at": ["2025-03-01T12:00:00Z"] * 2,
        }
    )
    path = tmp_path / "answers.csv"
    frame.to_csv(path, index=False)
    settings = Settings(database_url=database.url)
    assert import_answers(path, settings).n_new == 2
    assert answers_of(database, "attempt")[0] == [("1", False, 1.0, None), ("1", True, 2.0, None)]
    with database.transaction() as connection:
        connection.exec_driver_sql("ALTER TABLE attempt DROP score")
    with pytest.raises(InputError, match=r"has no column score\. ALTER TABLE attempt ADD score double precision"):
        import_answers(path, settings)


def test_answers_with_a_score_and_no_mark_beside_marks(tmp_path):
    path = write(tmp_path, "user_id,item_id,correct,score\nu1,a,,2\nu2,a,,1\nu1,b,1,\nu2,b,0,\nu3,b,,\n")
    file = read_answer_file(path, needs_time=False)
    rows = file.answers.to_pandas().set_index(["student_id", "item_id"])
    assert rows["correct"].to_dict() == {("u1", "a"): True, ("u2", "a"): False, ("u1", "b"): True, ("u2", "b"): False}
    assert file.bad["reason"].to_dict() == {5: "no correct"}
    assert file.notes == ["the highest score in the file counts as correct for 1 item without max_score: a"]


def test_no_answers_and_codes_among_scores_are_no_scores(tmp_path):
    path = write(tmp_path, "user_id,item_id,score\nu1,a,2\nu2,a,NA\nu3,a,9\nu4,a,1\nu5,a,8\nu6,a,many\n")
    rules = mark_rules(omitted="9=wrong", not_reached="8=ignored")
    file = read_answer_file(path, needs_time=False, rules=rules)
    rows = file.answers.to_pandas().set_index("student_id")
    assert rows["correct"].to_dict() == {"u1": True, "u3": False, "u4": False}
    assert rows["score"].dropna().to_dict() == {"u1": 2, "u4": 1}
    assert file.bad["reason"].to_dict() == {2: "no score", 6: "score is no number: many"}
    assert file.not_answered == {"NA": 1, "8 (not reached)": 1}


def test_a_score_above_1_is_correct_only_where_it_is_the_highest_possible(tmp_path):
    path = write(tmp_path, "user_id,item_id,score,max_score\nu1,a,2,\nu2,a,2,3\nu3,a,3,3\nu1,b,0,\nu2,b,1,\n")
    file = read_answer_file(path, needs_time=False)
    assert file.answers.cast(OBSERVATION_SCHEMA).sort_by([("item_id", "ascending"), ("student_id", "ascending")])["correct"].to_pylist() == [
        False, False, True, False, True,
    ]  # fmt: skip
    assert file.notes == []


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"key": "item_id,key\na,B\n"}, "has a column score, which counts, so that --key has no meaning"),
        ({"full_mark": 3}, "has scores and no marks, so that --full-mark has no meaning"),
    ],
)
def test_rules_without_a_meaning_beside_scores_are_refused(tmp_path, options, message):
    if "key" in options:
        options = {"key": tmp_path / "key.csv"}
        options["key"].write_text("item_id,key\na,B\n")
    path = write(tmp_path, "user_id,item_id,score\nu1,a,2\nu2,a,1\n")
    with pytest.raises(InputError, match=message):
        read_answer_file(path, needs_time=False, rules=mark_rules(**options))


def test_a_code_among_the_scores_of_a_wide_file_is_the_only_bad_cell(tmp_path):
    path = write(tmp_path, "user_id,a,b\nu1,0,0\nu2,1,1\nu3,2,1\nu4,9,0\nu5,3,1\n")
    file = read_answer_file(path, needs_time=False)
    assert file.bad["reason"].to_dict() == {
        "u4 a": "the mark 9 is not read as a score of partial credit, and may be a code: --omitted 9=wrong or --omitted 9=ignored"
    }
    scores = file.answers.to_pandas().set_index(["item_id", "student_id"])["score"]
    assert scores["a"].to_dict() == {"u1": 0, "u2": 1, "u3": 2, "u5": 3}
    assert scores["b"].isna().all()


@pytest.mark.parametrize("stray", ["0.5", "30", "x", "9"])
def test_a_few_stray_marks_of_an_item_with_partial_credit_are_the_only_bad_cells(tmp_path, stray):
    cells = ["0", "1", "2", "3"] * 25 + [stray, stray]
    path = write(tmp_path, "user_id,a,b\n" + "".join(f"u{n},{cell},{n % 2}\n" for n, cell in enumerate(cells)))
    file = read_answer_file(path, needs_time=False)
    (reason,) = file.count_bad()
    assert reason.startswith(f"the mark {stray} is not read as a score of partial credit")
    assert file.bad.index.tolist() == ["u100 a", "u101 a"]
    scores = file.answers.to_pandas().query("item_id == 'a'")["score"]
    assert scores.value_counts().to_dict() == {0: 25, 1: 25, 2: 25, 3: 25}


def test_an_item_with_more_stray_marks_has_no_usable_answer_and_is_named(tmp_path):
    cells = ["0", "1", "2", "3"] * 25 + ["0.5", "30", "30"]
    path = write(tmp_path, "user_id,a,b\n" + "".join(f"u{n},{cell},{n % 2}\n" for n, cell in enumerate(cells)))
    file = read_answer_file(path, needs_time=False)
    assert file.count_bad() == {
        "a has scores of partial credit, but 3 of its 103 marks are no integers from 0 to 19: 30 (2), 0.5 (1)": 103
    }
    assert file.answers["item_id"].unique().to_pylist() == ["b"]
    assert "1 item without a usable answer: a" in file.notes


@pytest.mark.parametrize(("n_parts", "items"), [(2, ["a", "b"]), (30, ["b"])])
def test_parts_of_points_in_a_wide_file_do_not_leave_a_right_or_wrong_item(tmp_path, n_parts, items):
    cells = ["0", "1"] * 50 + ["0.5"] * n_parts
    path = write(tmp_path, "user_id,a,b\n" + "".join(f"u{n},{cell},{n % 2}\n" for n, cell in enumerate(cells)))
    file = read_answer_file(path, needs_time=False)
    assert sorted(file.answers["item_id"].unique().to_pylist()) == items
    assert len(file.bad) == (n_parts if "a" in items else len(cells))
