"""The answers of a day: one schema for all sources, with unusable rows left out and counted."""

from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc

from seedtest_assets.usable_answers import NO_MARK, counted, split_usable

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
        ("score", pa.float64()),
        ("max_score", pa.float64()),
    ]
)
"""topic_id: several topics of an answer are one text, see topic_lists.py; score, max_score: null where the source only tells right
or wrong."""

ID_COLUMNS = ("student_id", "item_id", "topic_id", "session_id")

OMISSION_SCHEMA = pa.schema([("item_id", pa.string()), ("n", pa.int64())])
"""Answers of a day that have no mark, by item."""


@dataclass(frozen=True)
class UsableAnswers:
    """Rows of OBSERVATION_SCHEMA in the order of their completion, and how many were left out for which reason.

    n_further_topics: rows that named one more topic of an answer.
    omitted: OMISSION_SCHEMA, None where the source does not tell.
    """

    table: pa.Table
    left_out: dict[str, int]
    n_further_topics: int = 0
    omitted: pa.Table | None = None

    @property
    def n_scored(self) -> int:
        """Answers that have a score."""
        return len(self.table) - self.table["score"].null_count


def usable_answers(table: pa.Table) -> UsableAnswers:
    """Leave out the rows that no calibration can use, by the rule of seedtest_assets/usable_answers.py.

    table: columns of OBSERVATION_SCHEMA, any of them null.
    """
    split = split_usable(table.select(OBSERVATION_SCHEMA.names).cast(OBSERVATION_SCHEMA))
    without_mark = split.left_out.filter(pc.equal(split.left_out["reason"], NO_MARK))
    omitted = without_mark.group_by("item_id").aggregate([([], "count_all")]).rename_columns(OMISSION_SCHEMA.names)
    return UsableAnswers(
        split.usable.cast(OBSERVATION_SCHEMA),
        counted(split.left_out["reason"].to_pylist()),
        split.n_further_topics,
        omitted.cast(OMISSION_SCHEMA),
    )
