"""Small nights for the tests of history and publishing: two items and two students unless more are asked for."""

from collections.abc import Iterable
from datetime import date, datetime, timedelta, timezone

import pandas as pd
import pyarrow as pa

from seedtest_assets.calibration import CalibrationResult
from seedtest_assets.storage.database import Database
from seedtest_assets.storage.publications import Publication, Publishing
from seedtest_assets.storage.publishing import write_calibration, write_features, write_topic_theta

DAY = date(2025, 3, 9)
PUBLISHING = Publishing()
SHADOW = Publishing(enabled=False)


def at(day: date, hour: int = 3) -> datetime:
    """The time of the night that does a day."""
    return datetime(day.year, day.month, day.day, hour, 10, tzinfo=timezone.utc) + timedelta(days=1)


def calibration(
    items: dict[str, float] | None = None,
    students: dict[str, float] | None = None,
    linked: bool = True,
    steps: dict[str, list[float | None]] | None = None,
) -> CalibrationResult:
    """A calibration with a difficulty per item and an ability per student; items with steps are of the GPCM."""
    items = {"i0": 0.0, "i1": 1.0} if items is None else items
    students = {"u1": 0.5, "u2": -0.5} if students is None else students
    steps = steps or {}
    constants = {"linking_constants": {"A": 1.1, "B": 0.2, "method": "stocking_lord", "n_anchors_used": 2}}
    return CalibrationResult(
        items=pd.DataFrame({"item_id": list(items), "a": 1.25, "b": list(items.values()), "c": 0.0}).assign(
            se_a=0.1,
            se_b=0.1,
            se_c=float("nan"),
            n_responses=20,
            is_anchor=False,
            flag="",
            model=["GPCM" if item in steps else "2PL" for item in items],
            steps=[steps.get(item) for item in items],
            se_steps=[[0.2] * len(steps[item]) if item in steps else None for item in items],
        ),
        abilities=pd.DataFrame(
            {"user_id": list(students), "theta": list(students.values()), "se": 0.3, "n_responses": 3}
        ),
        left_out=pd.DataFrame(columns=["item_id", "n_responses", "reason"]),
        model_spec={"model": "2PL", "n_items": len(items), "linked_to": "anchors" if linked else "none"}
        | (constants if linked else {}),
        metrics={"loglik": -12.5, "converged": True},
    )


def calibrate(
    database: Database,
    day: date = DAY,
    *,
    run: str = "1",
    fitted_at: datetime | None = None,
    publishing: Publishing = PUBLISHING,
    **facts,
) -> Publication:
    """Write a day's calibration."""
    return write_calibration(
        database,
        day,
        calibration(**facts),
        run_id=f"fit-{day}-{run}",
        fitted_at=fitted_at or at(day),
        publishing=publishing,
    )


def _keys(pairs: Iterable[tuple[str, str]]) -> dict[str, pa.Array]:
    return {
        "user_id": pa.array([user for user, _ in pairs], pa.string()),
        "topic_id": pa.array([topic for _, topic in pairs], pa.string()),
    }


def topic_rows(day: date, thetas: dict[tuple[str, str], float], fitted_at: datetime | None = None) -> pa.Table:
    """Topic abilities by (user, topic)."""
    n = len(thetas)
    return pa.table(
        {
            **_keys(thetas),
            "theta": pa.array(list(thetas.values()), pa.float64()),
            "se": pa.array([0.25] * n, pa.float64()),
            "n_responses": pa.array([4] * n, pa.int64()),
            "model": pa.array(["2PL"] * n, pa.string()),
            "fitted_at": pa.array([fitted_at or at(day)] * n, pa.timestamp("us", tz="UTC")),
        }
    )


def write_topics(
    database: Database, day: date, thetas: dict[tuple[str, str], float], publishing: Publishing = PUBLISHING
) -> Publication:
    """Write a day's topic abilities."""
    return write_topic_theta(database, day, topic_rows(day, thetas), publishing=publishing)


def feature_rows(day: date, attempts: dict[tuple[str, str], int], computed_at: datetime | None = None) -> pa.Table:
    """Features by (user, topic); the times are those of a day with fractions."""
    n = len(attempts)
    utc = pa.timestamp("us", tz="UTC")
    return pa.table(
        {
            **_keys(attempts),
            "attempts": pa.array(list(attempts.values()), pa.int64()),
            "correct": pa.array([1] * n, pa.int64()),
            "avg_time_ms": pa.array([21034.5] * n, pa.float64()),
            "rt_median": pa.array([20500.5] * n, pa.float64()),
            "hints": pa.array([0] * n, pa.int64()),
            "theta_estimate": pa.array([0.12345] * n, pa.float64()),
            "theta_sd": pa.array([0.31] * n, pa.float64()),
            "improvement": pa.array([None] * n, pa.float64()),
            "improvement_basis": pa.array([None] * n, pa.string()),
            "last_seen_at": pa.array([at(day - timedelta(days=1), 20)] * n, utc),
            "computed_at": pa.array([computed_at or at(day)] * n, utc),
        }
    )


def write_day_features(
    database: Database, day: date, attempts: dict[tuple[str, str], int], publishing: Publishing = PUBLISHING
) -> Publication:
    """Write a day's features."""
    return write_features(database, day, feature_rows(day, attempts), publishing=publishing)
