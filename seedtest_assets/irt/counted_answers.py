"""Which answers count: of a person's answers to an item the earliest, at the same time the one with the lowest score."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from seedtest_assets.irt.errors import DataError
from seedtest_assets.irt.models import MOST_CATEGORIES
from seedtest_assets.irt.parallel import chunks, kernel, read_only, run


def first_answers(person: ArrayLike, item: ArrayLike, score: ArrayLike, time: ArrayLike | None = None) -> np.ndarray:
    """Mark the answers that count: of a person's answers to an item the earliest, at the same time that of the lowest score.

    Parameters
    ----------
    person, item : integers [n]
        Codes from 0.
    score : integers or bool [n]
        1 for correct, 0 for incorrect, more where an item has partial credit.
    time : numbers or datetime64 [n], optional
        When each answer was given; one without a time counts as the latest.

    Returns
    -------
    bool [n]

    Raises
    ------
    DataError
        As `Responses.from_answers`, which counts the same answers.

    Examples
    --------
    >>> from seedtest_assets import irt
    >>> irt.first_answers(person=[0, 0, 1], item=[4, 4, 4], score=[1, 0, 1], time=[20, 10, 30])
    array([False,  True,  True])
    """
    person, n_persons = codes_of(person, None, "person")
    item, _ = codes_of(item, None, "item")
    given = given_answers(person, item, score, time)
    _, kept = keep_first(person, n_persons, given, counts=np.zeros(len(person), np.bool_))
    return kept.counts


class GivenAnswers(NamedTuple):
    """Answers as they came: item int32 [n], score uint8 [n], time [n] or empty."""

    item: np.ndarray
    score: np.ndarray
    time: np.ndarray


class KeptAnswers(NamedTuple):
    """Answers that count, at the front of each person's range: item, score, order (empty where not wanted) [n].

    counts: bool [n], by row as they came, empty where not wanted; n: int64 [n_persons], how many each person has.
    """

    item: np.ndarray
    score: np.ndarray
    order: np.ndarray
    counts: np.ndarray
    n: np.ndarray


def integers(codes: ArrayLike, name: str) -> np.ndarray:
    """Convert codes to an array of integers [n]. Raises DataError for any others."""
    codes = np.asarray(codes)
    if codes.ndim != 1 or (codes.dtype.kind not in "iu" and codes.size):
        raise DataError(f"{name} codes must be a one-dimensional array of integers")
    return codes


def codes_of(codes: ArrayLike, size: int | None, name: str) -> tuple[np.ndarray, int]:
    """Convert codes to int32 [n], and say how many there may be. Raises DataError for codes out of range."""
    codes = integers(codes, name)
    low, high = (int(codes.min()), int(codes.max())) if codes.size else (0, -1)
    size = high + 1 if size is None else int(size)
    if low < 0 or high >= size or size > np.iinfo(np.int32).max:
        raise DataError(f"{name} codes run from {low} to {high}, but {size} were announced")
    return np.ascontiguousarray(codes, dtype=np.int32), size


def given_answers(person: np.ndarray, item: np.ndarray, score: ArrayLike, time: ArrayLike | None) -> GivenAnswers:
    """Put answers together. Raises DataError for lengths that differ, scores or times that are not possible."""
    score = np.atleast_1d(score)
    if not len(person) == len(item) == len(score):
        raise DataError(f"person, item and score differ in length: {len(person)}, {len(item)}, {len(score)}")
    score = scores(score, lambda row: f"row {row}, item {item[row]}")
    time = np.empty(0, np.int64) if time is None else _comparable(time, len(person))
    return GivenAnswers(*map(read_only, (item, score, time)))


def scores(score: ArrayLike, place: Callable[[int], str]) -> np.ndarray:
    """Convert scores to uint8 [n]. Raises DataError for one that is no integer from 0 to MOST_CATEGORIES - 1.

    place: names the answer of a position, for the message.
    """
    score = np.asarray(score)
    if score.dtype == bool:
        return np.ascontiguousarray(score).view(np.uint8)
    if score.dtype.kind not in "iuf":
        raise DataError(f"scores are {score.dtype}, not numbers. Leave out answers that were not given")
    with np.errstate(invalid="ignore"):
        narrow = score.astype(np.uint8)
    if not np.array_equal(narrow, score) or narrow.max(initial=0) >= MOST_CATEGORIES:
        row = int(np.argmax((narrow != score) | (narrow >= MOST_CATEGORIES)))
        raise DataError(
            f"{place(row)}: the score is {score[row]:g}, but a score is 0 or 1, or an integer up to {MOST_CATEGORIES - 1} where an "
            f"item has partial credit. {_advice(float(score[row]))}"
        )
    return np.ascontiguousarray(narrow)


def _advice(score: float) -> str:
    """Say what to do about a value that is no score."""
    if np.isnan(score) or score < 0:
        return "Leave out answers that were not given"
    if score != np.rint(score):
        return "Number the scores of such an item: 0, 1, 2 for 0, 0.5, 1 point"
    return f"Join scores of such an item, so that there are {MOST_CATEGORIES} at most"


def _comparable(time: ArrayLike, n: int) -> np.ndarray:
    """Convert times to int64 that order the same way, the missing ones last."""
    time = np.asarray(time)
    if len(time) != n:
        raise DataError(f"time has {len(time)} values for {n} answers")
    if time.dtype.kind == "M":
        return np.where(np.isnat(time), np.iinfo(np.int64).max, time.astype(np.int64))
    if time.dtype.kind == "f":
        # As bits, doubles of one sign are in order, the negative ones in reverse; + 0.0 makes -0.0 the same as 0.0.
        bits = (np.where(np.isnan(time), np.inf, time).astype(np.float64) + 0.0).view(np.int64)
        return np.where(bits < 0, bits ^ np.iinfo(np.int64).max, bits)
    if time.dtype.kind not in "iu":
        raise DataError("time must be numbers or datetime64")
    return np.ascontiguousarray(time, dtype=np.int64)


def keep_first(
    person: np.ndarray,
    n_persons: int,
    given: GivenAnswers,
    order: np.ndarray | None = None,
    counts: np.ndarray | None = None,
) -> tuple[np.ndarray, KeptAnswers]:
    """Keep the answers that count, with their order in time, or a mark of each row, where an array is given for it.

    Returns where each person's answers begin, and the answers.
    """
    start, row = _group_by_person(person, n_persons)
    n = len(person)
    kept = KeptAnswers(
        item=np.empty(n, np.int32),
        score=np.empty(n, np.uint8),
        order=np.empty(0, np.uint16) if order is None else order,
        counts=np.empty(0, np.bool_) if counts is None else counts,
        n=np.empty(n_persons, np.int64),
    )
    run(lambda low, high: _keep_first_answers(low, high, start, row, given, kept), chunks(start))
    return start, kept


def _group_by_person(person: np.ndarray, n_persons: int) -> tuple[np.ndarray, np.ndarray]:
    """Group rows by person: where each person's begin, and the row numbers (uint32, so below 2^32 answers)."""
    start = np.zeros(n_persons + 1, np.int64)
    np.cumsum(np.bincount(person, minlength=n_persons), out=start[1:])
    row = np.empty(len(person), np.uint32)
    _scatter(read_only(person), start[:-1].copy(), row)
    return start, row


@kernel
def _scatter(person: np.ndarray, cursor: np.ndarray, row: np.ndarray) -> None:
    for i in range(person.size):
        p = person[i]
        row[cursor[p]] = i
        cursor[p] += 1


@kernel
def _keep_first_answers(
    low: int, high: int, start: np.ndarray, row: np.ndarray, given: GivenAnswers, kept: KeptAnswers
) -> None:
    """Sort each person's answers by item and keep the one of each that counts."""
    item, score, time = given.item, given.score, given.time
    key, when, rank = np.empty((2, 64), np.int64), np.empty((2, 64), np.int64), np.empty((2, 64), np.int64)
    for p in range(low, high):
        first, m = start[p], start[p + 1] - start[p]
        if m > key.shape[1]:
            key, when, rank = (
                np.empty((2, 2 * m), np.int64),
                np.empty((2, 2 * m), np.int64),
                np.empty((2, 2 * m), np.int64),
            )
        ascending = True
        for k in range(m):
            key[0, k] = (np.int64(item[row[first + k]]) << 32) | np.int64(row[first + k])
            ascending = ascending and (k == 0 or key[0, k] > key[0, k - 1])
        if not ascending:
            _sort(key, rank, m)
        n = best = np.int64(0)
        for k in range(m):
            j, i = np.int32(key[0, k] >> 32), key[0, k] & 0xFFFFFFFF
            if n == 0 or j != kept.item[first + n - 1]:
                n += 1
            elif _counts_before(i, best, score, time):
                if kept.counts.size:
                    kept.counts[best] = False
            else:
                continue
            best = i
            kept.item[first + n - 1] = j
            kept.score[first + n - 1] = score[i]
            if kept.counts.size:
                kept.counts[i] = True
            if time.size:
                when[0, n - 1] = time[i]
        kept.n[p] = n
        if kept.order.size:
            for k in range(n):
                rank[0, k] = k
            _sort(when, rank, n)
            earlier = 0
            for k in range(n):
                if when[0, k] != when[0, earlier]:
                    earlier = k
                kept.order[first + rank[0, k]] = min(earlier, 65535)


@kernel
def _sort(key: np.ndarray, rank: np.ndarray, n: int) -> None:
    """Sort keys [2, n or more] by their first row, and the first row of `rank` along with them.

    Runs, of 8 at first, are merged to and fro between the two rows. numba's own sorts take a second each to compile.
    """
    for low in range(0, n, 8):
        for i in range(low + 1, min(low + 8, n)):
            of_key, of_rank, j = key[0, i], rank[0, i], i
            while j > low and key[0, j - 1] > of_key:
                key[0, j], rank[0, j] = key[0, j - 1], rank[0, j - 1]
                j -= 1
            key[0, j], rank[0, j] = of_key, of_rank
    length, row = 8, 0
    while length < n:
        for low in range(0, n, 2 * length):
            i, j = low, min(low + length, n)
            middle, high = j, min(low + 2 * length, n)
            for k in range(low, high):
                if j == high or (i < middle and key[row, i] <= key[row, j]):
                    key[1 - row, k], rank[1 - row, k] = key[row, i], rank[row, i]
                    i += 1
                else:
                    key[1 - row, k], rank[1 - row, k] = key[row, j], rank[row, j]
                    j += 1
        length, row = 2 * length, 1 - row
    if row == 1:
        for k in range(n):
            key[0, k], rank[0, k] = key[1, k], rank[1, k]


@kernel
def _counts_before(i: int, best: int, score: np.ndarray, time: np.ndarray) -> bool:
    if time.size and time[i] != time[best]:
        return time[i] < time[best]
    return score[i] < score[best]


@kernel
def close_gaps(start: np.ndarray, kept: KeptAnswers) -> np.ndarray:
    """Move the answers that count together; returns where each person's begin then."""
    new_start = np.zeros_like(start)
    for p in range(kept.n.size):
        to = new_start[p]
        for k in range(kept.n[p]):
            kept.item[to + k] = kept.item[start[p] + k]
            kept.score[to + k] = kept.score[start[p] + k]
            if kept.order.size:
                kept.order[to + k] = kept.order[start[p] + k]
        new_start[p + 1] = to + kept.n[p]
    return new_start
