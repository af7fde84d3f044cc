"""The features query against a slow reference over dictionaries, on random logs."""

from collections import defaultdict
from datetime import date, datetime, timedelta, timezone
from fractions import Fraction
from functools import partial
from math import sqrt

import duckdb
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from seedtest_assets.days import feature_windows
from seedtest_assets.errors import InputError
from seedtest_assets.features.daily import FEATURE_SCHEMA, OVERALL_THETA_SCHEMA, TOPIC_THETA_SCHEMA, features_of_parts
from seedtest_assets.storage.observations import OBSERVATION_SCHEMA
from seedtest_assets.table_shards import TableShards

DAYS = [date(2024, 2, 29), date(2024, 3, 1), date(2025, 1, 1), date(2025, 3, 13), date(2023, 3, 1), date(2024, 12, 31)]
LAST_MOMENT = timedelta(hours=23, minutes=59, seconds=59, milliseconds=999)
TIMES_OF_DAY = [timedelta(0), timedelta(milliseconds=1), timedelta(hours=12), LAST_MOMENT]


def midnight(day: date) -> datetime:
    return datetime(day.year, day.month, day.day, tzinfo=timezone.utc)


def reference(day, answers, topic_theta, overall_theta, include_theta, use_theta):
    """What DESIGN says, one (student, topic) at a time; {(user, topic): row}."""
    end = midnight(day) + timedelta(1)
    of_day = [a for a in answers if a["topic_id"] is not None and midnight(day) <= a["completed_at"] < end]
    rows = {}
    for key in {(a["student_id"], a["topic_id"]) for a in of_day}:
        mine = [a for a in of_day if (a["student_id"], a["topic_id"]) == key]
        times = sorted(a["response_time_ms"] for a in mine if a["response_time_ms"] is not None)
        middle = len(times) // 2
        row = {
            "attempts": len(mine),
            "correct": sum(a["correct"] for a in mine),
            "avg_time_ms": float(Fraction(sum(times), len(times))) if times else None,
            "rt_median": (times[middle] + times[~middle]) / 2 if times else None,
            "hints": sum(bool(a["hint_used"]) for a in mine),
            "last_seen_at": max(a["completed_at"] for a in mine),
        }
        recent, previous = [
            ability_in(first, first + timedelta(13), key, topic_theta, overall_theta)
            for first in (day - timedelta(13), day - timedelta(27))
        ]
        row["theta_estimate"], row["theta_sd"] = recent if include_theta and recent else (None, None)
        row["improvement"], row["improvement_basis"] = improvement(day, key, answers, recent, previous, use_theta)
        rows[key] = row
    return rows


def ability_in(first, last, key, topic_theta, overall_theta):
    for table, same in ((topic_theta, key), (overall_theta, key[:1])):
        values = {day: value for (day, *who), value in table.items() if tuple(who) == same and first <= day <= last}
        if values:
            return values[max(values)]
    return None


def improvement(day, key, answers, recent, previous, use_theta):
    marks = defaultdict(list)
    for a in answers:
        if (a["student_id"], a["topic_id"]) == key:
            days_ago = (day - a["completed_at"].date()).days
            share = a["score"] / a["max_score"] if None not in (a["score"], a["max_score"]) else a["correct"]
            marks["recent" if 0 <= days_ago <= 13 else "previous" if 14 <= days_ago <= 27 else "other"].append(share)
    n = len(marks["recent"])
    exposure = min(1, n / 30)
    if use_theta and n >= 5 and recent and previous:
        raw, basis = (recent[0] - previous[0]) * exposure * (1 - min(0.5, 1.96 * recent[1])), "theta"
    elif marks["recent"] and marks["previous"]:
        p, before = sum(marks["recent"]) / n, sum(marks["previous"]) / len(marks["previous"])
        raw, basis = (p - before) * exposure * (1 - min(0.5, 1.96 * sqrt(p * (1 - p) / n))), "accuracy"
    else:
        return None, None
    return max(-1.0, min(1.0, raw)), basis


@st.composite
def logs(draw):
    day = draw(st.sampled_from(DAYS))
    student, topic = st.sampled_from(["s1", "s2", "학생 3"]), st.sampled_from(["t1", "t2"])
    answer = st.builds(
        lambda student, topic, days_ago, time, correct, ms, hint, points: {
            "student_id": student,
            "item_id": "i",
            "topic_id": topic,
            "correct": correct,
            "response_time_ms": ms,
            "hint_used": hint,
            "session_id": None,
            "completed_at": midnight(day - timedelta(days_ago)) + time,
            "score": points[0],
            "max_score": points[1],
        },
        student,
        st.one_of(topic, topic, st.none()),
        st.one_of(st.just(0), st.sampled_from([-1, 0, 1, 12, 13, 14, 15, 26, 27, 28])),
        st.sampled_from(TIMES_OF_DAY),
        st.booleans(),
        st.one_of(st.none(), st.integers(0, 3), st.integers(0, 2**31 - 1)),
        st.one_of(st.none(), st.booleans()),
        st.sampled_from([(None, None), (None, None), (None, 2.0), (0.0, 3.0), (2.0, 3.0), (2.5, 2.5), (1.0, None)]),
    )
    ability_day = st.sampled_from([-1, 0, 5, 13, 14, 20, 27, 28]).map(lambda n: day - timedelta(n))
    ability = st.tuples(st.floats(-4, 4), st.floats(0.05, 1.2))
    return (
        day,
        draw(st.lists(answer, max_size=60)),
        draw(st.dictionaries(st.tuples(ability_day, student, topic), ability, max_size=12)),
        draw(st.dictionaries(st.tuples(ability_day, student), ability, max_size=8)),
    )


def theta_table(theta, schema):
    names = schema.names
    return pa.Table.from_pylist([dict(zip(names, (*key, *value), strict=True)) for key, value in theta.items()], schema)


def table(answers):
    return pa.Table.from_pylist(answers, OBSERVATION_SCHEMA)


@pytest.mark.slow
@settings(max_examples=100, deadline=None)
@given(log=logs(), include_theta=st.booleans(), use_theta=st.booleans())
def test_every_column_agrees_with_the_reference(log, include_theta, use_theta):
    day, answers, topic_theta, overall_theta = log
    got = features_of_parts(
        day,
        TableShards.here([table(answers)]),
        theta_table(topic_theta, TOPIC_THETA_SCHEMA),
        theta_table(overall_theta, OVERALL_THETA_SCHEMA),
        include_theta=include_theta,
        use_theta=use_theta,
    )
    expected = reference(day, answers, topic_theta, overall_theta, include_theta, use_theta)
    assert got.schema == FEATURE_SCHEMA
    rows = got.to_pylist()
    keys = [(row.pop("user_id"), row.pop("topic_id")) for row in rows]
    assert keys == sorted(expected)
    for key, row in zip(keys, rows, strict=True):
        assert row.keys() == expected[key].keys()
        for name, value in expected[key].items():
            close = pytest.approx(value, rel=1e-12, abs=1e-15) if isinstance(value, float) else value
            assert row[name] == close, (key, name)


def answer(days_ago, correct=True, day=DAYS[0], **changes):
    return {
        "student_id": "s",
        "item_id": "i",
        "topic_id": "t",
        "correct": correct,
        "completed_at": midnight(day - timedelta(days_ago)) + timedelta(hours=9),
    } | changes


def only_row(answers, topic_theta=None, overall_theta=None, **options):
    tables = theta_table(topic_theta or {}, TOPIC_THETA_SCHEMA), theta_table(overall_theta or {}, OVERALL_THETA_SCHEMA)
    (row,) = features_of_parts(DAYS[0], TableShards.here([table(answers)]), *tables, **options).to_pylist()
    return row


def test_improvement_by_ability_worked_by_hand():
    theta = {(DAYS[0], "s", "t"): (0.9, 0.2), (DAYS[0] - timedelta(16), "s", "t"): (0.4, 0.3)}
    row = only_row([answer(n % 10) for n in range(12)], theta)
    assert row["improvement"] == pytest.approx(0.5 * 12 / 30 * (1 - 0.392))
    assert (row["improvement_basis"], row["theta_estimate"], row["theta_sd"]) == ("theta", 0.9, 0.2)


def test_improvement_by_accuracy_worked_by_hand():
    recent, previous = [answer(0, n < 6) for n in range(10)], [answer(20, n < 1) for n in range(4)]
    row = only_row(recent + previous)
    assert row["improvement"] == pytest.approx((0.6 - 0.25) * 10 / 30 * (1 - 1.96 * sqrt(0.6 * 0.4 / 10)))
    assert row["improvement_basis"] == "accuracy"


def test_improvement_by_shares_of_the_points_worked_by_hand():
    recent = [answer(0, False, score=2.0, max_score=3.0), answer(0), answer(0, False, score=0.0, max_score=3.0)]
    previous = [answer(20, False, score=1.0, max_score=4.0), answer(20, False)]
    row = only_row(recent + previous)
    p = (2 / 3 + 1) / 3
    assert row["improvement"] == pytest.approx((p - 1 / 8) * 3 / 30 * (1 - min(0.5, 1.96 * sqrt(p * (1 - p) / 3))))
    assert (row["correct"], row["attempts"]) == (1, 3)


def test_days_without_scores_count_by_their_marks():
    before = [answer(20, n < 1) for n in range(4)]
    for newest, share in ((answer(0, score=1.0, max_score=2.0), 0.5), (answer(0), 1)):
        expected = (share - 0.25) / 30 * (1 - min(0.5, 1.96 * sqrt(share * (1 - share))))
        assert only_row([*before, newest])["improvement"] == pytest.approx(expected)


def test_improvement_stops_at_one():
    theta = {(DAYS[0], "s", "t"): (2.5, 0.1), (DAYS[0] - timedelta(16), "s", "t"): (-2.5, 0.1)}
    assert only_row([answer(0)] * 40, theta)["improvement"] == 1


def test_first_day_of_a_topic_has_no_improvement():
    row = only_row([answer(0)])
    assert (row["improvement"], row["improvement_basis"]) == (None, None)


def test_the_topic_ability_comes_before_a_newer_overall_one():
    topic_theta, overall_theta = {(DAYS[0] - timedelta(3), "s", "t"): (0.7, 0.3)}, {(DAYS[0], "s"): (0.1, 0.2)}
    row = only_row([answer(0)], topic_theta, overall_theta)
    assert (row["theta_estimate"], row["theta_sd"]) == (0.7, 0.3)


def test_a_median_of_many_times_is_exact():
    answers = [answer(0, response_time_ms=ms) for ms in [2**31 - 1, 1, 7, 8, None, 3]]
    row = only_row(answers)
    assert (row["rt_median"], row["avg_time_ms"]) == (7, (2**31 - 1 + 19) / 5)


def test_a_day_without_answers_has_no_rows():
    tables = TOPIC_THETA_SCHEMA.empty_table(), OVERALL_THETA_SCHEMA.empty_table()
    assert features_of_parts(DAYS[0], TableShards.here([table([])]), *tables).num_rows == 0


def test_a_day_begins_at_midnight_and_ends_before_the_next():
    first, last = midnight(DAYS[0]), midnight(DAYS[0]) + timedelta(1)
    answers = [
        answer(0, student_id="first", completed_at=first),
        answer(0, student_id="last", completed_at=last - timedelta(microseconds=1)),
        answer(0, student_id="before", completed_at=first - timedelta(microseconds=1)),
        answer(0, student_id="after", completed_at=last),
        answer(3, student_id="last"),
    ]
    tables = TOPIC_THETA_SCHEMA.empty_table(), OVERALL_THETA_SCHEMA.empty_table()
    rows = features_of_parts(DAYS[0], TableShards.here([table(answers)]), *tables)
    assert rows["user_id"].to_pylist() == ["first", "last"]
    assert rows["attempts"].to_pylist() == [1, 1]


def test_windows_cross_a_leap_day():
    assert feature_windows(date(2024, 3, 13)) == (date(2024, 2, 15), date(2024, 2, 29))
    assert feature_windows(date(2023, 3, 13)) == (date(2023, 2, 14), date(2023, 2, 28))


def test_too_little_memory_is_said_in_one_line(monkeypatch):
    monkeypatch.setattr(duckdb, "connect", partial(duckdb.connect, config={"memory_limit": "1MB"}))
    with pytest.raises(
        InputError, match=r"^the features of 2024-02-29 do not fit the memory: .* raise SEEDTEST_BUCKETS"
    ) as refused:
        only_row([answer(0, item_id=f"i{n}") for n in range(50_000)])
    assert "\n" not in str(refused.value)
