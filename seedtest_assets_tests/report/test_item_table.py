"""The report's table of items."""

import numpy as np
import pandas as pd

from seedtest_assets.report.item_table import change_since


def test_the_change_of_b_is_that_of_items_with_the_same_scores_and_model():
    before = pd.DataFrame(
        {
            "item_id": ["same", "scores", "model", "marks", "gone"],
            "model": ["GRM", "GRM", "GRM", "2PL", "2PL"],
            "b": [0.5, 0.5, 0.5, 0.5, 0.5],
            "steps": [[0.0, 1.0], [0.0, 1.0], [0.0, 1.0], None, None],
        }
    )
    items = pd.DataFrame(
        {
            "item_id": ["same", "scores", "model", "marks", "new"],
            "model": ["GRM", "GRM", "GPCM", "2PL", "2PL"],
            "b": [0.75, 0.75, 0.75, 0.75, 0.75],
            "steps": [[0.25, 1.25], [0.25, None, 1.25], [0.25, 1.25], None, None],
        }
    )
    np.testing.assert_array_equal(change_since(items, before), [0.25, np.nan, np.nan, 0.25, np.nan])
    assert np.isnan(change_since(items, before.head(0))).all()
