"""Translate ids to the integer codes of irt/, which works on arrays."""

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from seedtest_assets import irt
from seedtest_assets.usable_answers import trimmed


def codes_and_names(ids: pa.ChunkedArray) -> tuple[np.ndarray, pa.Array]:
    """Number the ids of a column: int32 codes [n], -1 where the id is null, and the id of each code.

    Only ids that occur in the rows get a code.
    """
    if not pa.types.is_dictionary(ids.type):
        ids = ids.dictionary_encode()
    if not ids.num_chunks:
        return np.empty(0, np.int32), pa.array([], pa.string())
    combined = ids.unify_dictionaries().combine_chunks()
    codes = combined.indices.fill_null(-1).to_numpy()
    # The dictionary of a slice or a filtered table still lists the ids of the rows that were dropped.
    used = np.bincount(codes[codes >= 0], minlength=len(combined.dictionary)) > 0
    new_code = np.append(np.cumsum(used, dtype=np.int32) - 1, np.int32(-1))
    return new_code[codes], combined.dictionary.filter(pa.array(used))


def coded(parameters: pd.DataFrame, item_ids: pa.Array) -> irt.ItemParameters | None:
    """Select the parameters (item_id, a, b, c) of the items that have a code; None when there are none."""
    codes = pc.index_in(trimmed(pa.array(parameters["item_id"], pa.string())), item_ids)
    known = parameters[codes.is_valid().to_numpy(zero_copy_only=False)]
    if known.empty:
        return None
    a, b, c = (known[name].to_numpy(float) for name in "abc")
    return irt.ItemParameters(codes.drop_null().to_numpy().astype(np.int32), a, b, np.nan_to_num(c))
