"""What the platform's `question` table knows of its items: anchors and starting values."""

import numpy as np
import pandas as pd

from seedtest_assets.engines.protocol import PARAMETER_COLUMNS, no_parameters
from seedtest_assets.storage.database import bulk_transaction, transaction
from seedtest_assets.storage.sources import columns_of

_QUERY = """
SELECT id::text AS item_id,
       meta #>> '{irt,a}' AS a, meta #>> '{irt,b}' AS b, meta #>> '{irt,c}' AS c,
       coalesce(meta -> 'tags' ? 'anchor', false) AS is_anchor
FROM question
WHERE meta #>> '{irt,a}' IS NOT NULL AND meta #>> '{irt,b}' IS NOT NULL
ORDER BY id
"""


def anchors_and_starts(url: str) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The trusted bank parameters, and those that only start the estimation; PARAMETER_COLUMNS each.

    An anchor is tagged `anchor` and has finite a and b; both are empty where there is no `question` table.
    """
    with transaction(url) as connection:
        if not columns_of(connection, "question"):
            return no_parameters(), no_parameters()
    with bulk_transaction(url) as cursor:
        cursor.execute(_QUERY)
        known = cursor.fetch_arrow_table().to_pandas()
    for name in "abc":
        known[name] = pd.to_numeric(known[name], errors="coerce").astype(float)
    known["c"] = known["c"].fillna(0.0)
    known = known[np.isfinite(known[["a", "b", "c"]]).all(axis=1)]
    is_anchor = known.pop("is_anchor").astype(bool)
    return known.loc[is_anchor, PARAMETER_COLUMNS], known.loc[~is_anchor, PARAMETER_COLUMNS]
