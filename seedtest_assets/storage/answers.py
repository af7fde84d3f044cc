"""The answers of a day: one schema for all sources, with unusable rows left out and counted."""

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

OBSERVATION_SCHEMA = pa.schema(
    [
        ("student_id", pa.string()),
        ("item_id", pa.string()),
        ("topic_id", pa.string()),
        ("correct", pa.bool_()),
        ("response_time_ms", pa.int32()),
        ("hint_used", pa.bool_()),
        ("session_id", pa.string()),
        ("completed_at", pa.timestamp("us", tz="UTC")),
    ]
)
KEY = ["student_id", "item_id", "completed_at"]


@dataclass(frozen=True)
class UsableAnswers:
    """Rows of OBSERVATION_SCHEMA in the order of their completion, and how many were left out for which reason."""

    table: pa.Table
    left_out: dict[str, int]


def usable_answers(table: pa.Table) -> UsableAnswers:
    """Leave out the rows that no calibration can use: no student, item, mark or time; the same answer twice.

    table: columns of OBSERVATION_SCHEMA, any of them null. A negative response time counts as unknown.
    """
    table = table.select(OBSERVATION_SCHEMA.names).cast(OBSERVATION_SCHEMA)
    left_out = {}
    for name in ("student_id", "item_id", "correct", "completed_at"):
        missing = table[name].null_count
        if missing:
            left_out[f"no {name}"] = missing
            table = table.filter(pc.is_valid(table[name]))
    times = table["response_time_ms"]
    known_time = pc.if_else(pc.less(times, 0), pa.scalar(None, pa.int32()), times)
    table = table.set_column(table.schema.get_field_index("response_time_ms"), "response_time_ms", known_time)
    # If duplicates disagree, keep the incorrect response, as in the calibration.
    table = table.sort_by([(name, "ascending") for name in ("completed_at", "student_id", "item_id", "correct")])
    rows = table.append_column("row", pa.array(np.arange(len(table))))
    first = rows.group_by(KEY, use_threads=False).aggregate([("row", "min")])["row_min"]
    if len(first) < len(table):
        left_out["the same student, item and time twice"] = len(table) - len(first)
        table = table.take(first)
    return UsableAnswers(table.combine_chunks(), left_out)
