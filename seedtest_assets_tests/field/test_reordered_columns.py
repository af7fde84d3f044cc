"""A list of columns in another order must not swap students and items."""

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from seedtest_assets.calibration import ANSWER_SCHEMA, SCORE_SCHEMA, answers_to_calibrate
from seedtest_assets.cli.calibrate_file import calibrate_file, read_log
from seedtest_assets.storage.window import COLUMNS


@pytest.mark.parametrize("names", [COLUMNS, COLUMNS[::-1], [COLUMNS[1], COLUMNS[0], *COLUMNS[2:]]])
def test_columns_are_chosen_by_name(names):
    values = {
        "student_id": ["student"],
        "item_id": ["item"],
        "topic_id": ["topic"],
        "correct": [True],
        "completed_at": pa.array([0], ANSWER_SCHEMA.field("answered_at").type),
        "response_time_ms": [1000],
        "score": [2.0],
        "max_score": [3.0],
    }
    given = answers_to_calibrate(pa.table({name: values[name] for name in names}))
    assert given.column_names == [*ANSWER_SCHEMA.names, *SCORE_SCHEMA.names]
    assert (given["student_id"].to_pylist(), given["item_id"].to_pylist()) == (["student"], ["item"])


def test_a_file_with_items_before_students_is_calibrated_as_with_students_first(tmp_path):
    rng = np.random.default_rng(3)
    person, item = (code.ravel() for code in np.indices((150, 6)))
    log = pd.DataFrame(
        {
            "item_id": [f"q{n}" for n in item],
            "user_id": [f"u{n}" for n in person],
            "is_correct": (rng.normal(size=150)[person] + rng.logistic(size=len(item)) > 0).astype(int),
        }
    )
    log.to_csv(tmp_path / "log.csv", index=False)
    result = calibrate_file(read_log(tmp_path / "log.csv")).result
    assert sorted(result.items["item_id"]) == [f"q{n}" for n in range(6)]
    assert len(result.abilities) == 150
