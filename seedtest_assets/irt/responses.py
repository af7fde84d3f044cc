"""Who answered what, and was it right: the sparse list of answers that everything else works on."""

from dataclasses import dataclass

import numpy as np

from seedtest_assets.irt.errors import DataError
from seedtest_assets.irt.parallel import chunks, kernel, spread


@dataclass(frozen=True)
class Responses:
    """Answers sorted by person, then by item, one answer per (person, item).

    person_start: int64 [n_persons + 1], person p's answers are at person_start[p]:person_start[p + 1].
    item: int32 [n], item codes, ascending within a person.
    correct: uint8 [n], 1 right, 0 wrong.
    n_items: size of the bank, codes are 0 .. n_items - 1.
    order: uint16 [n], which of the person's answers it was in time, from 0; empty when no times were given.
    n_set_aside: later answers to an item that the person had answered already.
    """

    person_start: np.ndarray
    item: np.ndarray
    correct: np.ndarray
    n_items: int
    order: np.ndarray
    n_set_aside: int = 0

    @property
    def n_persons(self) -> int:
        return len(self.person_start) - 1

    @property
    def n_answers(self) -> int:
        return len(self.item)

    @classmethod
    def from_answers(cls, person, item, correct, time=None, n_persons=None, n_items=None) -> "Responses":
        """Sort a list of answers, in any order, into Responses.

        person, item: integer codes [n] from 0; correct: [n] of 0/1 or bool; time: [n] numbers or datetime64, or None.
        n_persons, n_items: sizes, by default the largest code plus 1.

        Of several answers of a person to an item the earliest counts, at the same time the wrong one, so the order of
        the rows never matters; an answer without a time (NaT, NaN) counts as the latest.

        Raises DataError for codes out of range, lengths that differ, or `correct` that is neither 0 nor 1.
        """
        person, n_persons = _codes(person, n_persons, "person")
        item, n_items = _codes(item, n_items, "item")
        correct = _right_or_wrong(correct)
        if not len(person) == len(item) == len(correct):
            raise DataError(f"person, item and correct differ in length: {len(person)}, {len(item)}, {len(correct)}")
        time = np.empty(0, np.int64) if time is None else _comparable(time, len(person))

        start, row = _group_by_person(person, n_persons)
        new_item = np.empty(len(row), np.int32)
        new_correct = np.empty(len(row), np.uint8)
        order = np.empty(len(row) if len(time) else 0, np.uint16)
        kept = np.empty(n_persons, np.int64)
        shared = (start, row, item, correct, time, new_item, new_correct, order, kept)
        spread(lambda low, high, _: _sort_each(low, high, *shared), chunks(start), lambda: None)
        del row
        n_kept = int(kept.sum())
        n_set_aside = len(person) - n_kept
        if n_set_aside:
            start = _close_gaps(start, kept, new_item, new_correct, order)
            new_item, new_correct, order = new_item[:n_kept].copy(), new_correct[:n_kept].copy(), order[:n_kept].copy()
        return cls(start, new_item, new_correct, n_items, order, n_set_aside)


def _codes(codes, size, name: str) -> tuple[np.ndarray, int]:
    codes = np.asarray(codes)
    if codes.ndim != 1 or (codes.dtype.kind not in "iu" and codes.size):
        raise DataError(f"{name} codes must be a one-dimensional array of integers")
    low, high = (int(codes.min()), int(codes.max())) if codes.size else (0, -1)
    size = high + 1 if size is None else int(size)
    if low < 0 or high >= size or size > np.iinfo(np.int32).max:
        raise DataError(f"{name} codes run from {low} to {high}, but {size} were announced")
    return np.ascontiguousarray(codes, dtype=np.int32), size


def _right_or_wrong(correct) -> np.ndarray:
    correct = np.asarray(correct)
    if correct.dtype == bool:
        return np.ascontiguousarray(correct).view(np.uint8)
    with np.errstate(invalid="ignore"):
        narrow = correct.astype(np.uint8) if correct.dtype.kind in "iuf" else None
    if narrow is None or not np.array_equal(narrow, correct) or (narrow.size and narrow.max() > 1):
        raise DataError("correct must be 0 or 1 for every answer; leave out the rows of items that were not answered")
    return np.ascontiguousarray(narrow)


def _comparable(time, n: int) -> np.ndarray:
    """Times as numbers that order the same way, the missing ones last."""
    time = np.asarray(time)
    if len(time) != n:
        raise DataError(f"time has {len(time)} values for {n} answers")
    if time.dtype.kind == "M":
        return np.where(np.isnat(time), np.iinfo(np.int64).max, time.astype(np.int64))
    if time.dtype.kind == "f":
        return np.where(np.isnan(time), np.inf, time)
    if time.dtype.kind not in "iu":
        raise DataError("time must be numbers or datetime64")
    return np.ascontiguousarray(time, dtype=np.int64)


def _group_by_person(person: np.ndarray, n_persons: int) -> tuple[np.ndarray, np.ndarray]:
    """Rows of each person, as where they start and the row numbers (uint32, so below 2^32 answers)."""
    start = np.zeros(n_persons + 1, np.int64)
    np.cumsum(np.bincount(person, minlength=n_persons), out=start[1:])
    row = np.empty(len(person), np.uint32)
    _scatter(person, start[:-1].copy(), row)
    return start, row


@kernel
def _scatter(person, cursor, row):
    for i in range(person.size):
        p = person[i]
        row[cursor[p]] = i
        cursor[p] += 1


@kernel
def _sort_each(low, high, start, row, item, correct, time, new_item, new_correct, order, kept):
    """Sort each person's answers by item and keep one of each; the kept ones stand at the front of the person's
    range."""
    key = np.empty(64, np.uint64)
    when = np.empty(64, time.dtype)
    for p in range(low, high):
        first, m = start[p], start[p + 1] - start[p]
        if m > key.size:
            key = np.empty(2 * m, np.uint64)
            when = np.empty(2 * m, time.dtype)
        ascending = True
        for k in range(m):
            key[k] = (np.uint64(item[row[first + k]]) << np.uint64(32)) | np.uint64(row[first + k])
            ascending = ascending and (k == 0 or key[k] > key[k - 1])
        if not ascending:
            key[:m].sort()
        n = 0
        best = np.int64(0)
        for k in range(m):
            j = np.int32(key[k] >> np.uint64(32))
            i = np.int64(key[k] & np.uint64(0xFFFFFFFF))
            if n == 0 or j != new_item[first + n - 1]:
                new_item[first + n] = j
                new_correct[first + n] = correct[i]
                best = i
                if time.size:
                    when[n] = time[i]
                n += 1
            elif time.size and time[i] != time[best]:
                if time[i] < time[best]:
                    new_correct[first + n - 1] = correct[i]
                    when[n - 1] = time[i]
                    best = i
            elif correct[i] < new_correct[first + n - 1]:
                new_correct[first + n - 1] = correct[i]
        kept[p] = n
        if time.size:
            rank = np.argsort(when[:n], kind="mergesort")
            for k in range(n):
                order[first + rank[k]] = min(k, 65535)


@kernel
def _close_gaps(start, kept, item, correct, order):
    new_start = np.zeros_like(start)
    for p in range(kept.size):
        to = new_start[p]
        for k in range(kept[p]):
            item[to + k] = item[start[p] + k]
            correct[to + k] = correct[start[p] + k]
            if order.size:
                order[to + k] = order[start[p] + k]
        new_start[p + 1] = to + kept[p]
    return new_start
