"""A platform on which nothing is wrong: what its students answer, day by day, with all that is irregular in that."""

from dataclasses import dataclass
from datetime import date, timedelta

import numpy as np
import pandas as pd
import pyarrow as pa

FIRST = date(2025, 1, 1)
N_TOPICS, N_ANCHORS = 10, 24
TOPIC_SD = 0.3
WEEKDAY = (1.0, 1.0, 1.05, 1.0, 0.8, 0.45, 0.6)


@dataclass(frozen=True)
class HealthySchool:
    """answers: table of OBSERVATION_SCHEMA for each day; anchors: item_id, a, b, c as the bank has them."""

    answers: dict[date, pa.Table]
    anchors: pd.DataFrame


def healthy_school(n_days: int, n_students: int = 600, n_items: int = 200, seed: int = 1) -> HealthySchool:
    """n_days of answers from FIRST on.

    Weekdays differ and so do days (SD 10 %); a student stays 120 days on average and learns meanwhile; a new item comes
    every fourth day, with few answers at first, and an old one goes; anchors' bank values have an error of SD 0.05.
    """
    rng = np.random.default_rng(seed)
    n_new = n_days // 4
    a = rng.lognormal(0, 0.3, n_items + n_new)
    b = rng.normal(0, 1, n_items + n_new)
    topic = np.arange(len(a)) % N_TOPICS
    anchors = np.sort(rng.choice(n_items, N_ANCHORS, replace=False))
    others = np.setdiff1d(np.arange(n_items), anchors)
    opens = np.concatenate([np.zeros(n_items, int), 4 * np.arange(n_new)])
    closes = np.full(len(a), n_days + 1)
    closes[rng.permutation(others)[:n_new]] = 4 * np.arange(min(n_new, len(others))) + 2

    n_ever = n_students + n_students * n_days // 120
    joins = np.concatenate([np.zeros(n_students, int), np.sort(rng.integers(0, n_days, n_ever - n_students))])
    leaves = joins + np.ceil(rng.exponential(120, n_ever)).astype(int)
    ability = rng.normal(-0.2, 0.95, n_ever)
    pace = rng.gamma(2, 0.0015, n_ever)
    leaning = rng.normal(0, TOPIC_SD, (n_ever, N_TOPICS))

    names = np.array([f"s{number:05d}" for number in range(n_ever)])
    items = np.array([f"q{number:04d}" for number in range(len(a))])
    answers = {}
    for number in range(n_days):
        day = FIRST + timedelta(days=number)
        busy = WEEKDAY[day.weekday()] * rng.lognormal(0, 0.1)
        here = np.flatnonzero((joins <= number) & (number < leaves))
        student = here[rng.random(len(here)) < 0.45 * busy].repeat(8)
        offered = np.flatnonzero((opens <= number) & (number < closes))
        item = rng.choice(offered, len(student))
        learnt = np.minimum(number - joins[student], 120) * pace[student]
        theta = ability[student] + learnt + leaning[student, topic[item]]
        correct = rng.random(len(student)) < 1 / (1 + np.exp(-a[item] * (theta - b[item])))
        second = np.sort(rng.integers(6 * 3600, 22 * 3600, len(student)))
        answers[day] = pa.table(
            {
                "student_id": names[student],
                "item_id": items[item],
                "topic_id": np.char.add("t", topic[item].astype(str)),
                "correct": correct,
                "response_time_ms": rng.integers(3000, 90000, len(student)).astype(np.int32),
                "hint_used": rng.random(len(student)) < 0.1,
                "session_id": pa.nulls(len(student), pa.string()),
                "completed_at": pa.array(
                    np.datetime64(day, "us") + second.astype("timedelta64[s]"), pa.timestamp("us", tz="UTC")
                ),
            }
        )
    values = {"a": a[anchors] * rng.lognormal(0, 0.05, N_ANCHORS), "b": b[anchors] + rng.normal(0, 0.05, N_ANCHORS)}
    return HealthySchool(answers, pd.DataFrame({"item_id": items[anchors], **values, "c": 0.0}))
