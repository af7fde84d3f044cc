"""A simulated school in the database: students who improve, some hard topics, and a bank with anchors."""

import json
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from seedtest_assets.errors import InputError
from seedtest_assets.storage.database import Database
from seedtest_assets.storage.observations import OBSERVATION_SCHEMA

BANK_A, BANK_B = 1.1, 0.2
"""The bank's scale in SDs and mean of the simulated students; not (1, 0), so that linking is exercised."""

STEPS = (-0.7, 0.0, 0.7)
"""Steps of a question with partial credit around its difficulty."""

OUTDATED_BY = 1.65
"""How much harder than it is an outdated anchor stands in the bank, on its scale."""


@dataclass(frozen=True)
class School:
    """A simulated school.

    answers: rows of OBSERVATION_SCHEMA. questions: id, content, topic_id, meta (JSON text).
    """

    answers: pa.Table
    questions: pd.DataFrame


@dataclass(frozen=True, kw_only=True)
class SimulatedBank:
    """The bank that a simulated school works on.

    n_anchors: questions with bank parameters. partial_credit: whether the questions of the last topic score 0 to 3, under the
    generalised partial credit model.
    """

    n_items: int = 300
    n_topics: int = 12
    n_anchors: int = 30
    partial_credit: bool = False


def simulate_school(
    last_day: date,
    bank: SimulatedBank,
    *,
    n_days: int = 90,
    n_students: int = 2000,
    seed: int = 20250101,
) -> School:
    """Simulate answers of n_days up to last_day under the 2PL; the same seed, day and sizes give the same school.

    A student's ability is N(0, 1), rises over the days at an individual pace, and differs from topic to topic with SD 0.4.
    """
    rng = np.random.default_rng(seed)
    n_items, n_topics = bank.n_items, bank.n_topics
    item_topic = np.arange(n_items) % n_topics
    with_steps = (item_topic == n_topics - 1) & bank.partial_credit
    topic_difficulty = np.where(np.arange(n_topics) % 4 == 3, 1.0, rng.normal(0, 0.3, n_topics))
    discrimination = rng.lognormal(0, 0.3, n_items)
    difficulty = rng.normal(0, 0.8, n_items) + topic_difficulty[item_topic]
    ability = rng.normal(0, 0.9, n_students)
    pace = rng.gamma(2.0, 0.3, n_students)
    leaning = rng.normal(0, 0.4, (n_students, n_topics))

    # A student works on two days of five, on two topics a day, four questions each.
    works = np.argwhere(rng.random((n_days, n_students)) < 0.4)
    day, student = works[:, 0].repeat(8), works[:, 1].repeat(8)
    topic = rng.integers(0, n_topics, (len(works), 2)).repeat(4)
    item = rng.integers(0, n_items // n_topics, len(day)) * n_topics + topic
    theta = ability[student] + pace[student] * (day / n_days - 0.5) + leaning[student, topic]
    chance = 1 / (1 + np.exp(-discrimination[item] * (theta - difficulty[item])))
    correct = rng.random(len(day)) < chance
    seconds = np.clip(rng.lognormal(3.2 + 0.2 * (difficulty[item] - theta).clip(-2, 2), 0.5), 2, 600)
    completed = _completion_times(rng, day, last_day - timedelta(days=n_days - 1))

    width = len(str(n_students))
    names = np.array([f"student-{number:0{width}d}" for number in range(1, n_students + 1)])
    scored = with_steps[item]
    score = _scores(theta[scored], discrimination[item[scored]], difficulty[item[scored]], seed)
    correct[scored] = score == len(STEPS)
    answers = pa.table(
        {
            "student_id": names[student],
            "item_id": (item + 1).astype(str),
            "topic_id": np.array([f"topic-{number:02d}" for number in range(1, n_topics + 1)])[topic],
            "correct": correct,
            "response_time_ms": (seconds * 1000).astype(np.int32),
            "hint_used": rng.random(len(day)) < np.where(chance < 0.4, 0.25, 0.05),
            "session_id": np.char.add("s", np.arange(len(works)).repeat(8).astype(str)),
            "completed_at": pa.array(completed, pa.timestamp("us", tz="UTC")),
            "score": _where(scored, score),
            "max_score": _where(scored, len(STEPS)),
        },
        schema=OBSERVATION_SCHEMA,
    )
    anchors = set(rng.choice(n_items, bank.n_anchors, replace=False).tolist())
    return School(answers, _questions(item_topic, _meta(discrimination, difficulty, with_steps, anchors)))


def _scores(theta: np.ndarray, discrimination: np.ndarray, difficulty: np.ndarray, seed: int) -> np.ndarray:
    """Draw scores 0 to 3, whose steps are STEPS around the difficulty."""
    logit = np.cumsum(discrimination[:, None] * (theta[:, None] - difficulty[:, None] - np.array(STEPS)), axis=1)
    weight = np.exp(np.concatenate([np.zeros((len(theta), 1)), logit], axis=1))
    below = np.cumsum(weight / weight.sum(axis=1, keepdims=True), axis=1)[:, :-1]
    return np.sum(np.random.default_rng(seed + 1).random((len(theta), 1)) > below, axis=1)


def _where(some: np.ndarray, values: np.ndarray | float) -> pa.Array:
    """Make a column of numbers that is null elsewhere."""
    column = np.full(len(some), np.nan)
    column[some] = values
    return pa.array(column, pa.float64(), from_pandas=True)


def with_outdated_anchor(school: School) -> School:
    """Make the bank say of the first anchor without partial credit that it is harder, by OUTDATED_BY, than it is."""
    meta = [json.loads(text) for text in school.questions["meta"]]
    first = next(document for document in meta if document.get("irt", {}).get("model") == "2PL")
    first["irt"]["b"] += OUTDATED_BY
    return School(school.answers, school.questions.assign(meta=[json.dumps(document) for document in meta]))


def load_school(database: Database, school: School) -> int:
    """Load the school into `question` and `attempt`, both or neither; give the number of new answers.

    Raises InputError when the tables hold other data.
    """
    with database.bulk_transaction() as cursor:
        cursor.execute("SELECT count(*) FROM attempt WHERE student_id NOT LIKE 'student-%'")
        if cursor.fetchone()[0]:
            raise InputError("the table attempt has answers that are not from the demonstration. Use an empty database")
        cursor.adbc_ingest("incoming_question", pa.Table.from_pandas(school.questions), mode="create", temporary=True)
        cursor.execute(
            "INSERT INTO question (id, content, topic_id, meta) SELECT id, content, topic_id, meta::jsonb FROM incoming_question "
            "ON CONFLICT (id) DO UPDATE SET content = excluded.content, topic_id = excluded.topic_id, meta = excluded.meta"
        )
        cursor.adbc_ingest("incoming", school.answers, mode="create", temporary=True)
        names = ", ".join(OBSERVATION_SCHEMA.names)
        cursor.execute(f"INSERT INTO attempt ({names}) SELECT {names} FROM incoming ON CONFLICT DO NOTHING")
        return cursor.rowcount


def _completion_times(rng: np.random.Generator, day: np.ndarray, first_day: date) -> np.ndarray:
    """Draw the times of answers: eight per student and day, 75 seconds apart, from 7:00 to 22:00."""
    n_visits = len(day) // 8
    start = rng.integers(7 * 3600, 22 * 3600, n_visits).repeat(8) + np.tile(np.arange(8) * 75, n_visits)
    times: np.ndarray = np.datetime64(first_day, "us") + day.astype("timedelta64[D]") + start.astype("timedelta64[s]")
    return times


def _meta(
    discrimination: np.ndarray, difficulty: np.ndarray, with_steps: np.ndarray, anchors: set[int]
) -> list[dict[str, Any]]:
    """Make the questions' meta: bank parameters and the tag `anchor` for anchors; the model of questions with partial credit."""
    metas: list[dict[str, Any]] = []
    for j in range(len(difficulty)):
        meta = _anchor(discrimination[j], difficulty[j]) if j in anchors else {"tags": []}
        if with_steps[j]:
            irt = meta.setdefault("irt", {}) | {"model": "GPCM"}
            if j in anchors:
                irt |= {f"b_{k}": round(irt["b"] + BANK_A * step, 4) for k, step in enumerate(STEPS, 1)}
            meta["irt"] = irt
        metas.append(meta)
    return metas


def _questions(item_topic: np.ndarray, meta: list[dict[str, Any]]) -> pd.DataFrame:
    n_items = len(item_topic)
    return pd.DataFrame(
        {
            "id": np.arange(1, n_items + 1),
            "content": [f"Question {number}" for number in range(1, n_items + 1)],
            "topic_id": [f"topic-{number + 1:02d}" for number in item_topic],
            "meta": [json.dumps(document) for document in meta],
        }
    )


def _anchor(discrimination: float, difficulty: float) -> dict[str, Any]:
    a, b = discrimination / BANK_A, BANK_A * difficulty + BANK_B
    return {
        "irt": {"a": round(a, 4), "b": round(b, 4), "c": 0.0, "model": "2PL", "version": "bank"},
        "tags": ["anchor"],
    }
