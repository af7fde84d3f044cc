"""Rapid guesses of the look-back window under each policy, against a count row by row."""

from datetime import date, datetime, timedelta, timezone

import pandas as pd
import pyarrow as pa
import pytest

from seedtest_assets.storage.lake import Lake
from seedtest_assets.storage.observations import OBSERVATION_SCHEMA, usable_answers
from seedtest_assets.storage.window import COLUMNS, read_answers_as_given, read_window
from seedtest_assets_tests.rapid_school import rapid_rows, school_with_rapid_guesses, with_policy
from seedtest_assets_tests.school import LAST

DAY = date(2025, 3, 9)


@pytest.fixture
def window_of(settings):
    """Write answers to the lake, and read their window under a policy."""

    def read(policy, answers):
        lake = Lake(settings.seedtest_lake)
        days = answers["completed_at"].cast(pa.date32())
        for day in days.unique().to_pylist():
            lake.write_observations(day, usable_answers(answers.filter(pa.compute.equal(days, day))).table)
        chosen = settings.model_copy(update={"seedtest_rapid_guesses": policy, "mirt_lookback_days": 10})
        last = max(days.to_pylist())
        return read_answers_as_given(lake, last, chosen), read_window(lake, last, chosen)

    return read


def answers_of(rows) -> pa.Table:
    """Thirty answers of others to item i, each 8 s, and rows of (student, mark, milliseconds, day of the window)."""
    others = [(f"other{n}", n % 2 == 0, 8000, 0) for n in range(30)]
    start = datetime(2025, 3, 4, tzinfo=timezone.utc)
    return pa.Table.from_pylist(
        [
            {
                "student_id": student,
                "item_id": "i",
                "correct": correct,
                "response_time_ms": ms,
                "completed_at": start + timedelta(days=day),
            }
            for student, correct, ms, day in [*others, *rows]
        ],
        schema=OBSERVATION_SCHEMA,
    )


@pytest.mark.parametrize("policy", ["keep", "wrong", "ignore"])
def test_a_window_is_what_counting_row_by_row_gives(window_of, policy):
    given, window = window_of(policy, school_with_rapid_guesses().answers)
    log = given.buckets[0].to_pandas()
    assert window.last == LAST
    expected, rapid = with_policy(log, policy), rapid_rows(log)
    pd.testing.assert_frame_equal(window.buckets[0].to_pandas(), expected.reset_index(drop=True))
    counted = window.rapid_guesses
    assert (counted.n, counted.n_timed) == (rapid.sum(), log["response_time_ms"].notna().sum())
    assert counted.n > 100
    assert counted.n_left_out == len(log) - len(expected)
    assert counted.facts["rapid_guesses"]["share"] == counted.n / counted.n_timed


def test_answers_that_are_kept_are_the_same_table(window_of):
    given, _ = window_of("keep", school_with_rapid_guesses().answers)
    assert given.with_policy("keep").buckets[0] is given.buckets[0]


def test_another_policy_does_not_look_for_rapid_guesses_again(window_of):
    given, _ = window_of("keep", school_with_rapid_guesses().answers)
    assert given.rapid is given.with_policy("wrong").with_policy("ignore").rapid


@pytest.mark.parametrize("policy", ["keep", "wrong", "ignore"])
def test_without_times_every_policy_keeps_all(window_of, policy):
    answers = school_with_rapid_guesses().answers
    place = answers.column_names.index("response_time_ms")
    answers = answers.set_column(place, "response_time_ms", pa.nulls(len(answers), pa.int32()))
    given, window = window_of(policy, answers)
    assert window.buckets[0].equals(given.buckets[0])
    assert window.rapid_guesses.summary == "no answer has a response time"
    assert window.rapid_guesses.facts.get("rapid_guesses", {"share": None})["share"] is None


def test_a_second_answer_does_not_take_the_place_of_an_ignored_first(window_of):
    given, window = window_of("ignore", answers_of([("s", False, 300, 1), ("s", True, 8000, 2)]))
    assert given.buckets[0].column_names == COLUMNS
    assert "s" not in window.buckets[0]["student_id"].to_pylist()
    assert (
        window.rapid_guesses.summary
        == "1 of 32 answers with a time (3.12%), 2 answers left out, of 1 student all of them"
    )
    assert window.rapid_guesses.facts["rapid_guesses"]["answers_left_out"] == 2


def test_a_rapid_repetition_leaves_the_first_answer_in_place(window_of):
    _, window = window_of("ignore", answers_of([("s", True, 8000, 1), ("s", False, 300, 2)]))
    assert window.buckets[0].to_pandas().query("student_id == 's'")["correct"].tolist() == [True, False]
    assert window.rapid_guesses.n_left_out == 0


def test_a_rapid_right_answer_counts_as_incorrect(window_of):
    given, window = window_of("wrong", answers_of([("s", True, 300, 1), ("t", True, 8000, 1)]))
    marks = window.buckets[0].to_pandas().set_index("student_id")["correct"]
    assert (marks["s"], marks["t"]) == (False, True)
    assert given.buckets[0].to_pandas().set_index("student_id")["correct"]["s"]
