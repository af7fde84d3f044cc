"""Rapid guesses: answers given faster than the item can be read, known by their response times.

The threshold of an item is the normative one of Wise and Ma (2012): a tenth of its usual response time, at most 10 s. The usual
time is the median, which the few who leave a page open do not move. An answer in less than the threshold is a rapid guess.

References
----------
Wise, S. L., & Kong, X. (2005). Response time effort: A new measure of examinee motivation in computer-based tests. Applied
Measurement in Education, 18(2), 163-183.
Wise, S. L., & Ma, L. (2012). Setting response time thresholds for a CAT item pool: The normative threshold method. Annual
meeting of the National Council on Measurement in Education, Vancouver.
"""

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

# A threshold is this part of the item's median time: "NT10" of Wise and Ma.
PARTS_OF_THE_MEDIAN = 10
# No answer of 10 s or more is a guess without reading, however long the item.
MOST_MILLISECONDS = 10_000
# With log-normal times of SD 0.6 the median of 30 answers, and so the threshold, has a standard error of 14%. With fewer
# answers, some of which may be guesses themselves, a threshold says more about these answers than about the item.
LEAST_TIMED_ANSWERS = 30

_BITS_OF_A_TIME = 32


def rapid_thresholds(item: np.ndarray, response_time_ms: np.ndarray | pa.ChunkedArray, n_items: int) -> np.ndarray:
    """Compute the time below which an answer to an item is a rapid guess, in milliseconds, float64 [n_items].

    item: integer code of each answer's item, -1 for none. response_time_ms: whole milliseconds, at most 2^31; null, NaN, 0 or less
    is no time, since platforms write 0 where none was recorded.
    NaN for an item with fewer than LEAST_TIMED_ANSWERS answers with a time.
    """
    milliseconds = times_of(response_time_ms)
    timed = (milliseconds > 0) & (item >= 0)
    # One sort of whole numbers, by item and then by time, is several times faster than a grouped median.
    ordered = np.sort(item[timed].astype(np.int64) << _BITS_OF_A_TIME | milliseconds[timed])
    n = np.bincount(ordered >> _BITS_OF_A_TIME, minlength=n_items)
    known = np.flatnonzero(n >= LEAST_TIMED_ANSWERS)
    first = (np.cumsum(n) - n)[known]
    middle = ordered[[first + (n[known] - 1) // 2, first + n[known] // 2]] & (1 << _BITS_OF_A_TIME) - 1
    thresholds = np.full(n_items, np.nan)
    # Divided, not multiplied by 0.1: the threshold of a median of 70 ms is 7 ms exactly.
    thresholds[known] = np.minimum(middle.mean(axis=0) / PARTS_OF_THE_MEDIAN, MOST_MILLISECONDS)
    return thresholds


def is_rapid(item: np.ndarray, response_time_ms: np.ndarray | pa.ChunkedArray, thresholds: np.ndarray) -> np.ndarray:
    """Tell which answers are rapid guesses, bool [n]; an answer without a time, or to an item without a threshold, is none.

    item, response_time_ms: as for rapid_thresholds. thresholds: its result.
    """
    milliseconds = times_of(response_time_ms)
    return (milliseconds > 0) & (milliseconds < np.append(thresholds, np.nan)[item])


def times_of(response_time_ms: np.ndarray | pa.ChunkedArray) -> np.ndarray:
    """Read response times as whole milliseconds, int64 [n]; 0 for no time."""
    if isinstance(response_time_ms, pa.Array | pa.ChunkedArray):
        return pc.fill_null(response_time_ms.cast(pa.int64()), 0).to_numpy()
    return np.nan_to_num(response_time_ms).astype(np.int64)
