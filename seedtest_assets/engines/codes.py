"""Translate ids to the integer codes of irt/, which works on arrays."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from seedtest_assets import irt
from seedtest_assets.calibration import ITEM_PRIOR_COLUMNS
from seedtest_assets.encoded_columns import dictionary_of
from seedtest_assets.irt.parameters import Line
from seedtest_assets.item_steps import steps_matrix
from seedtest_assets.usable_answers import trimmed


def codes_and_names(ids: pa.ChunkedArray) -> tuple[np.ndarray, pa.Array]:
    """Number the ids of a column: int32 codes [n], -1 where the id is null, and the id of each code.

    Only ids that occur in the rows get a code.
    """
    encoded = dictionary_of(ids)
    codes = encoded.indices.fill_null(-1).to_numpy()
    # The dictionary of a slice or a filtered table still lists the ids of the rows that were dropped.
    used = np.zeros(len(encoded.dictionary) + 1, bool)
    used[codes] = True  # the last one is for -1
    used = used[:-1]
    new_code = np.append(np.cumsum(used, dtype=np.int32) - 1, np.int32(-1))
    return new_code[codes], encoded.dictionary.filter(pa.array(used))


def in_order(codes: np.ndarray, names: pa.Array) -> tuple[np.ndarray, pa.Array]:
    """Number ids in their order, so that codes do not depend on which id comes first. codes: int32 [n], none of them -1."""
    order = pc.sort_indices(names).to_numpy()
    new_code = np.empty(len(order), np.int32)
    new_code[order] = np.arange(len(order), dtype=np.int32)
    return new_code[codes], names.take(pa.array(order))


def sorted_names(names: Sequence[pa.Array | pa.ChunkedArray]) -> pa.Array:
    """List the names of several columns, each once, sorted, so that their places do not depend on the columns."""
    chunks = [chunk for each in names for chunk in (each.chunks if isinstance(each, pa.ChunkedArray) else [each])]
    different = pc.unique(pa.chunked_array(chunks, None if chunks else pa.string()))
    return different.take(pc.sort_indices(different))


def places_among(names: pa.Array | pa.ChunkedArray, among: pa.Array) -> np.ndarray:
    """Give the place of each name among others, int32 [n], -1 for one that is not there."""
    return pc.index_in(names, among).fill_null(-1).to_numpy().astype(np.int32)


def coded(parameters: pd.DataFrame, item_ids: pa.Array) -> irt.ItemParameters | None:
    """Select the parameters (item_id, a, b, c) of the items that have a code; None when there are none."""
    codes, known = _known(parameters, item_ids)
    if known.empty:
        return None
    a, b, c = (known[name].to_numpy(float) for name in "abc")
    if "steps" not in known.columns or known["steps"].isna().all():
        return irt.ItemParameters(codes, a, b, np.nan_to_num(c))
    steps = steps_matrix(known["steps"])
    model = np.where(np.isfinite(steps).any(axis=1), known["model"].to_numpy(object), "")
    return irt.ItemParameters(codes, a, b, np.nan_to_num(c), steps, model)


def coded_priors(priors: pd.DataFrame, item_ids: pa.Array, population: tuple[float, float]) -> irt.PriorsByItem | None:
    """Select the priors (ITEM_PRIOR_COLUMNS) of the items that have a code; None when there are none.

    population: mean and SD of ability on the scale of the priors.
    """
    codes, known = _known(priors, item_ids)
    if known.empty:
        return None
    mean, sd = population
    log_a_mean, log_a_sd, b_mean, b_sd = (known[name].to_numpy(float) for name in ITEM_PRIOR_COLUMNS[1:])
    return irt.PriorsByItem(codes, log_a_mean, log_a_sd, b_mean, b_sd, population=Line(sd, mean))


def _known(rows: pd.DataFrame, item_ids: pa.Array) -> tuple[np.ndarray, pd.DataFrame]:
    """Select the rows of items that have a code, and give their codes, int32."""
    codes = pc.index_in(trimmed(pa.array(rows["item_id"], pa.string())), item_ids)
    known = rows[codes.is_valid().to_numpy(zero_copy_only=False)]
    return codes.drop_null().to_numpy().astype(np.int32), known


def is_one_of(ids: pa.ChunkedArray, wanted: pa.Array) -> pa.Array:
    """Tell which rows of a column of ids have one of the wanted ids; only the distinct ids are compared."""
    codes, names = codes_and_names(ids)
    return pa.array(np.append(pc.is_in(names, wanted).to_numpy(zero_copy_only=False), False)[codes])
