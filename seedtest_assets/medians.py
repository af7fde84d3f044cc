"""Medians of whole numbers by group, from parts of the data, in memory that grows with the groups and not with the values."""

from collections.abc import Iterable

import numpy as np

# A bin is a sixteenth of a power of 2: the exponent of a float64, and the first 4 bits of its fraction.
_BIN_BITS = 4
_SHIFT = 52 - _BIN_BITS
_BIN_OF_ONE = 1023 << _BIN_BITS
_VALUE_BITS = 32
_N_BINS = _VALUE_BITS << _BIN_BITS


def grouped_medians(parts: Iterable[tuple[np.ndarray, np.ndarray]]) -> tuple[np.ndarray, np.ndarray]:
    """Compute the median of the values in each group.

    parts: group, int64 from 0, and value, int64 from 1 to 2^32 - 1, of some of the values each; gone through twice. Groups that
        are numbered as they come have the same numbers the second time.

    Gives the medians, float64 [n_groups], NaN for a group without values, and the numbers of values, int64 [n_groups].
    """
    counts = np.zeros((0, _N_BINS), np.int64)
    for group, value in parts:
        n_groups = max(len(counts), int(group.max(initial=-1)) + 1)
        added = np.bincount(group * _N_BINS + _bins(value), minlength=n_groups * _N_BINS).reshape(n_groups, _N_BINS)
        added[: len(counts)] += counts
        counts = added
    n, up_to, groups = counts.sum(axis=1), counts.cumsum(axis=1), np.arange(len(counts))
    ranks = np.stack([(n - 1) // 2, n // 2])  # of the two in the middle, the same one where n is odd
    bins = np.minimum((up_to <= ranks[:, :, None]).sum(axis=2), _N_BINS - 1)
    values, n_values = _values_in(parts, bins)
    if not len(values):
        return np.full(len(n), np.nan), n
    before = np.concatenate([[0], np.cumsum(n_values)])
    # Between the bins of the two in the middle there is no value.
    left = ranks - (up_to - counts)[groups, bins[0]] + before[np.searchsorted(values, groups << _VALUE_BITS)]
    at = np.minimum(np.searchsorted(before[1:], left, side="right"), len(values) - 1)
    middle = values[at] & (1 << _VALUE_BITS) - 1
    return np.where(n > 0, middle.mean(axis=0), np.nan), n


def _bins(value: np.ndarray) -> np.ndarray:
    bins: np.ndarray = (value.astype(np.float64).view(np.int64) >> _SHIFT) - _BIN_OF_ONE
    return bins


def _values_in(parts: Iterable[tuple[np.ndarray, np.ndarray]], bins: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Gather the values in two bins of each group, int64 [n], each once, behind its group; and how often each comes.

    bins: int [2, n_groups].
    """
    found, counts = [np.empty(0, np.int64)], [np.empty(0, np.int64)]
    for group, value in parts:
        of_value = _bins(value)
        here = (of_value == bins[0, group]) | (of_value == bins[1, group])
        distinct, n = np.unique(group[here] << _VALUE_BITS | value[here], return_counts=True)
        found.append(distinct)
        counts.append(n)
    values, place = np.unique(np.concatenate(found), return_inverse=True)
    return values, np.bincount(place, np.concatenate(counts), minlength=len(values)).astype(np.int64)
