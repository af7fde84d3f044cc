"""A platform's database before the move: answers in exams with a view over them, and what the old job left in its tables."""

import json
from datetime import date, datetime, time, timedelta, timezone

import numpy as np
import pandas as pd
import pyarrow as pa

from seedtest_assets.storage.database import Database
from seedtest_assets_tests.conftest import execute

TOPICS = ("algebra", "geometry")
N_ITEMS, N_STUDENTS = 20, 120
ITEMS = np.arange(1, N_ITEMS + 1)
DISCRIMINATION = 0.8 + (7 * ITEMS % 10) / 10
DIFFICULTY = np.linspace(-1.5, 1.5, N_ITEMS)
OLD_RUN = "irt-fit-old"

_TABLES = """
CREATE TABLE question (id bigint PRIMARY KEY, content text NOT NULL, topic_id text, meta jsonb DEFAULT '{}',
                       updated_at timestamptz NOT NULL DEFAULT now());
CREATE TABLE exam_results (session_id text PRIMARY KEY, user_id text, result_json jsonb NOT NULL,
                           created_at timestamptz NOT NULL DEFAULT now(), updated_at timestamptz NOT NULL DEFAULT now());
CREATE VIEW attempt AS
SELECT CASE WHEN e.user_id ~* '^[0-9a-f-]{36}$' THEN e.user_id::uuid ELSE md5(e.user_id)::uuid END AS student_id,
       nullif(q ->> 'question_id', '')::bigint AS item_id, coalesce((q ->> 'is_correct')::boolean, false) AS correct,
       1000 AS response_time_ms, false AS hint_used, e.session_id, q ->> 'topic' AS topic_id, e.updated_at AS completed_at,
       row_number() OVER (PARTITION BY e.user_id, nullif(q ->> 'question_id', '')::bigint ORDER BY e.updated_at) AS attempt_no
FROM exam_results AS e CROSS JOIN LATERAL jsonb_array_elements(e.result_json -> 'questions') AS q;
CREATE TABLE mirt_item_params (item_id text PRIMARY KEY, model text, params jsonb NOT NULL, version text,
                               fitted_at timestamptz DEFAULT now());
CREATE TABLE mirt_ability (user_id text NOT NULL, theta float8 NOT NULL, se float8, model text, version text,
                           fitted_at timestamptz DEFAULT now(), PRIMARY KEY (user_id, version));
CREATE TABLE mirt_fit_meta (run_id text PRIMARY KEY, model_spec jsonb, metrics jsonb, fitted_at timestamptz DEFAULT now());
CREATE TABLE student_topic_theta (user_id text NOT NULL, topic_id text NOT NULL, theta numeric, standard_error numeric,
                                  updated_at timestamptz NOT NULL DEFAULT now(), PRIMARY KEY (user_id, topic_id));
CREATE TABLE features_topic_daily (
    user_id text NOT NULL, topic_id text NOT NULL, date date NOT NULL, attempts integer NOT NULL DEFAULT 0,
    correct integer NOT NULL DEFAULT 0, avg_time_ms integer, theta_estimate numeric(6, 3), last_seen_at timestamptz,
    computed_at timestamptz NOT NULL DEFAULT now(), hints integer NOT NULL DEFAULT 0, theta_sd numeric(6, 3),
    rt_median integer, improvement numeric(6, 3), PRIMARY KEY (user_id, topic_id, date));
"""
_OLD_RESULTS = """
INSERT INTO mirt_item_params SELECT id::text, '2PL', meta -> 'irt', 'v1', :at FROM question;
INSERT INTO mirt_ability SELECT DISTINCT student_id::text, 0.0, 0.3, '2PL', 'v1', CAST(:at AS timestamptz) FROM attempt;
INSERT INTO mirt_fit_meta VALUES (:run, '{"model": "2PL"}', '{}', :at)
"""


def make_old_platform(database: Database, last: date, *, n_days: int = 10) -> None:
    """Fill an empty database. last: the last day with answers; the old job ran in the night after it, at 03:00."""
    execute_all(database, _TABLES)
    with database.bulk_transaction() as cursor:
        for name, rows in (("question", _questions()), ("exam_results", _exams(last, n_days))):
            cursor.adbc_ingest("incoming", pa.Table.from_pandas(rows), mode="create", temporary=True)
            values = ", ".join(f"{c}::jsonb" if c in ("meta", "result_json") else c for c in rows)
            cursor.execute(f"INSERT INTO {name} ({', '.join(rows)}) SELECT {values} FROM incoming")
            cursor.execute("DROP TABLE incoming")
    at = datetime.combine(last + timedelta(days=1), time(3), timezone.utc)
    for statement in _OLD_RESULTS.split(";"):
        execute(
            database,
            statement,
            **{name: value for name, value in {"at": at, "run": OLD_RUN}.items() if f":{name}" in statement},
        )


def execute_all(database: Database, statements: str) -> None:
    """Run statements in one transaction."""
    with database.transaction() as connection:
        connection.execution_options(no_parameters=True).exec_driver_sql(statements)


def _questions() -> pd.DataFrame:
    meta = [
        {"irt": {"a": round(float(a), 3), "b": round(float(b), 3)}, "tags": ["anchor"] if item <= 8 else []}
        for item, a, b in zip(ITEMS, DISCRIMINATION, DIFFICULTY, strict=True)
    ]
    return pd.DataFrame(
        {
            "id": ITEMS,
            "content": [f"question {item}" for item in ITEMS],
            "topic_id": [TOPICS[item % 2] for item in ITEMS],
            "meta": [json.dumps(one) for one in meta],
        }
    )


def _exams(last: date, n_days: int) -> pd.DataFrame:
    """Half of the students take an exam of ten questions each day; the first has a text id, the others UUIDs."""
    random = np.random.default_rng(5)
    theta = random.normal(size=N_STUDENTS)
    rows = []
    for day in (last - timedelta(days=before) for before in range(n_days)):
        for student in np.flatnonzero(random.random(N_STUDENTS) < 0.5):
            items = random.choice(N_ITEMS, 10, replace=False)
            chance = 1 / (1 + np.exp(-DISCRIMINATION[items] * (theta[student] - DIFFICULTY[items])))
            correct = random.random(10) < chance
            questions = [
                {"question_id": int(ITEMS[i]), "topic": TOPICS[ITEMS[i] % 2], "is_correct": bool(right)}
                for i, right in zip(items, correct, strict=True)
            ]
            at = datetime.combine(day, time(8), timezone.utc) + timedelta(minutes=int(student))
            user = "s-000" if student == 0 else f"00000000-0000-4000-8000-{student:012d}"
            rows.append((f"{day}-{student}", user, json.dumps({"questions": questions}), at, at))
    return pd.DataFrame(rows, columns=["session_id", "user_id", "result_json", "created_at", "updated_at"])
