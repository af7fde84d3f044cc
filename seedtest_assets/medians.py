"""Medians of whole numbers by group, from parts of the data, in memory that grows with the groups and not with the values."""

from collections.abc import Callable, Iterable

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
    medians, n, _, _ = medians_and_counts_below(parts, lambda medians, n: np.full(len(n), np.nan))
    return medians, n


def medians_and_counts_below(
    parts: Iterable[tuple[np.ndarray, np.ndarray]], limit_of: Callable[[np.ndarray, np.ndarray], np.ndarray]
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Compute the median of the values in each group, and how many of them are below a limit that follows from the median.

    parts: as of grouped_medians. limit_of: gives the limits for medians and numbers of values, float64 [n_groups], NaN for none;
        no limit falls when its median grows.

    Gives the medians, the numbers of values, the limits, and the numbers of values below these, int64 [n_groups].
    """
    counts = _counts_in_bins(parts)
    n, up_to, groups = counts.sum(axis=1), counts.cumsum(axis=1), np.arange(len(counts))
    before = up_to - counts
    ranks = np.stack([(n - 1) // 2, n // 2])  # of the two in the middle, the same one where n is odd
    bins = np.minimum((up_to <= ranks[:, :, None]).sum(axis=2), _N_BINS - 1)
    # The limit is in one of these bins, whatever the median is in its bin.
    ends = (limit_of(values.astype(float), n) for values in (_least_of(bins[0]), _least_of(bins[1] + 1)))
    low, high = (_bins(np.clip(np.nan_to_num(end, nan=1.0), 1, (1 << _VALUE_BITS) - 1)) for end in ends)
    values, n_values = _values_in(parts, bins, low, high)
    n_before = np.concatenate([[0], np.cumsum(n_values)])

    def n_gathered_below(value: np.ndarray) -> np.ndarray:
        below: np.ndarray = n_before[np.searchsorted(values, (groups << _VALUE_BITS) + value)]
        return below

    medians = np.full(len(n), np.nan)
    if len(values):
        # Those in lower bins are left out of the ranks, but for the ones that were gathered.
        left = ranks - before[groups, bins] + n_gathered_below(_least_of(bins))
        at = np.minimum(np.searchsorted(n_before[1:], left, side="right"), len(values) - 1)
        medians[n > 0] = (values[at] & (1 << _VALUE_BITS) - 1).mean(axis=0)[n > 0]
    limits = limit_of(medians, n)
    whole = np.ceil(np.clip(np.nan_to_num(limits, nan=1.0), 1, 1 << _VALUE_BITS)).astype(np.int64)
    n_below = before[groups, low] + n_gathered_below(whole) - n_gathered_below(_least_of(low))
    return medians, n, limits, np.where(np.isnan(limits), 0, n_below)


def _counts_in_bins(parts: Iterable[tuple[np.ndarray, np.ndarray]]) -> np.ndarray:
    """Count the values of each group in each bin, int64 [n_groups, _N_BINS]."""
    counts = np.zeros((0, _N_BINS), np.int64)
    for group, value in parts:
        n_groups = max(len(counts), int(group.max(initial=-1)) + 1)
        added = np.bincount(group * _N_BINS + _bins(value), minlength=n_groups * _N_BINS).reshape(n_groups, _N_BINS)
        added[: len(counts)] += counts
        counts = added
    return counts


def _bins(value: np.ndarray) -> np.ndarray:
    bins: np.ndarray = (value.astype(np.float64).view(np.int64) >> _SHIFT) - _BIN_OF_ONE
    return bins


def _least_of(bins: np.ndarray) -> np.ndarray:
    """Give the least whole number in each bin, int64; where a bin has none, the next one."""
    edges = (bins.astype(np.int64) + _BIN_OF_ONE << _SHIFT).view(np.float64)
    return np.ceil(edges).astype(np.int64)


def _values_in(
    parts: Iterable[tuple[np.ndarray, np.ndarray]], bins: np.ndarray, low: np.ndarray, high: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Gather the values in two bins of each group, and in those from a lowest to a highest one, int64 [n], each once, behind
    its group; and how often each comes.

    bins: int [2, n_groups]; low, high: int [n_groups].
    """
    found, counts = [np.empty(0, np.int64)], [np.empty(0, np.int64)]
    for group, value in parts:
        of_value = _bins(value)
        here = (of_value == bins[0, group]) | (of_value == bins[1, group])
        here |= (of_value >= low[group]) & (of_value <= high[group])
        distinct, n = np.unique(group[here] << _VALUE_BITS | value[here], return_counts=True)
        found.append(distinct)
        counts.append(n)
    values, place = np.unique(np.concatenate(found), return_inverse=True)
    return values, np.bincount(place, np.concatenate(counts), minlength=len(values)).astype(np.int64)
