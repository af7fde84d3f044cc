"""Who answered what, and was it correct: the sparse list of answers that everything else works on."""

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from seedtest_assets.irt.errors import DataError
from seedtest_assets.irt.parallel import chunks, kernel, run
from seedtest_assets.irt.parameters import ItemParameters

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class Responses:
    """Answers sorted by person, then by item, one answer per person and item.

    Make them with `from_frame`, `from_matrix` or `from_answers`.

    Parameters
    ----------
    person_start : int64 [n_persons + 1]
        Person p's answers are at person_start[p]:person_start[p + 1].
    item : int32 [n_answers]
        Item codes, ascending within a person.
    correct : uint8 [n_answers]
        1 correct, 0 incorrect.
    n_items : int
        Size of the bank, codes are 0 .. n_items - 1.
    order : uint16 [n_answers]
        Which of the person's answers it was in time, from 0; empty when no times were given.
    n_set_aside : int
        Later answers to an item that the person had answered already.
    person_ids, item_ids : object [n_persons], [n_items], optional
        The id of each code.

    Examples
    --------
    >>> from seedtest_assets import irt
    >>> irt.Responses.from_matrix([[1, 0, None], [1, 1, 0]])
    Responses(2 persons, 3 items, 5 answers)
    """

    person_start: np.ndarray
    item: np.ndarray
    correct: np.ndarray
    n_items: int
    order: np.ndarray
    n_set_aside: int = 0
    person_ids: np.ndarray | None = None
    item_ids: np.ndarray | None = None

    @property
    def n_persons(self) -> int:
        """Number of persons, those without answers included."""
        return len(self.person_start) - 1

    @property
    def n_answers(self) -> int:
        """Number of answers that count."""
        return len(self.item)

    def __repr__(self) -> str:
        return f"Responses({self.n_persons:,} persons, {self.n_items:,} items, {self.n_answers:,} answers)"

    @classmethod
    def from_answers(
        cls,
        person: ArrayLike,
        item: ArrayLike,
        correct: ArrayLike,
        time: ArrayLike | None = None,
        n_persons: int | None = None,
        n_items: int | None = None,
    ) -> "Responses":
        """Sort a list of answers, in any order, into Responses.

        Of several answers of a person to an item the earliest counts, at the same time the incorrect one, so the order
        of the rows never matters; an answer without a time (NaT, NaN) counts as the latest.

        Parameters
        ----------
        person, item : integers [n]
            Codes from 0.
        correct : 0/1 or bool [n]
        time : numbers or datetime64 [n], optional
            When each answer was given.
        n_persons, n_items : int, optional
            Sizes; by default the largest code plus 1.

        Returns
        -------
        Responses

        Raises
        ------
        DataError
            Codes out of range, lengths that differ, or `correct` that is neither 0 nor 1.

        Examples
        --------
        >>> from seedtest_assets import irt
        >>> responses = irt.Responses.from_answers(person=[0, 0, 1], item=[0, 0, 1], correct=[0, 1, 1], time=[2, 1, 5])
        >>> responses.correct, responses.n_set_aside
        (array([1, 1], dtype=uint8), 1)
        """
        person, n_persons = _codes(person, n_persons, "person")
        item, n_items = _codes(item, n_items, "item")
        given = _checked(person, item, correct, time)
        start, kept = _keep(person, n_persons, given, order=np.empty(len(given.time), np.uint16))
        n_kept = int(kept.n.sum())
        n_set_aside = len(person) - n_kept
        if not n_set_aside:
            return cls(start, kept.item, kept.correct, n_items, kept.order)
        start = _close_gaps(start, kept)
        return cls(
            start,
            kept.item[:n_kept].copy(),
            kept.correct[:n_kept].copy(),
            n_items,
            kept.order[:n_kept].copy(),
            n_set_aside,
        )

    @classmethod
    def from_matrix(cls, matrix: "ArrayLike | pd.DataFrame") -> "Responses":
        """Read a table with a row for each person and a column for each item.

        Parameters
        ----------
        matrix : [n_persons, n_items]
            1 for correct, 0 for incorrect, NaN or None where the person did not answer. The index and the columns of a
            DataFrame become the ids of persons and items.

        Returns
        -------
        Responses

        Raises
        ------
        DataError
            A cell that is none of these, or a matrix that has not two dimensions.

        Examples
        --------
        >>> import pandas as pd
        >>> from seedtest_assets import irt
        >>> table = pd.DataFrame([[1, 0], [1, None]], index=["ann", "bo"], columns=["q1", "q2"])
        >>> irt.Responses.from_matrix(table).item_ids
        array(['q1', 'q2'], dtype=object)
        """
        cells = np.asarray(matrix, dtype=np.float64)
        if cells.ndim != 2:
            raise DataError(
                f"a matrix of answers has persons as rows and items as columns, not {cells.ndim} dimensions"
            )
        person, item = np.nonzero(~np.isnan(cells))
        n_persons, n_items = cells.shape
        responses = cls.from_answers(person, item, cells[person, item], n_persons=n_persons, n_items=n_items)
        index, columns = getattr(matrix, "index", None), getattr(matrix, "columns", None)
        if columns is None:
            return responses
        return replace(responses, person_ids=np.asarray(index, object), item_ids=np.asarray(columns, object))

    @classmethod
    def from_frame(
        cls,
        frame: "pd.DataFrame",
        *,
        person: str = "student_id",
        item: str = "item_id",
        correct: str = "correct",
        time: str = "answered_at",
    ) -> "Responses":
        """Read a table with a row for each answer, in any order.

        Parameters
        ----------
        frame : pandas.DataFrame
            Rows without a mark are no answers. Ids may be of any type that sorts.
        person, item, correct, time : str
            Names of the columns; that of the time may be missing from the frame.

        Returns
        -------
        Responses
            With the ids in ascending order.

        Raises
        ------
        DataError
            A column that is missing, or a mark that is neither 0 nor 1.

        Examples
        --------
        >>> import pandas as pd
        >>> from seedtest_assets import irt
        >>> answers = pd.DataFrame({
        ...     "student_id": ["bo", "ann", "bo"], "item_id": ["q2", "q1", "q1"], "correct": [True, False, True],
        ... })
        >>> responses = irt.Responses.from_frame(answers)
        >>> responses
        Responses(2 persons, 2 items, 3 answers)
        >>> responses.person_ids
        array(['ann', 'bo'], dtype=object)
        """
        import pandas as pd

        absent = [name for name in (person, item, correct) if name not in frame.columns]
        if absent:
            raise DataError(f"the table has no column {', '.join(absent)}; name the columns that hold them")
        frame = frame[frame[correct].notna()]
        person_code, person_ids = pd.factorize(frame[person].to_numpy(object), sort=True)
        item_code, item_ids = pd.factorize(frame[item].to_numpy(object), sort=True)
        if (person_code < 0).any() or (item_code < 0).any():
            raise DataError(f"an answer has no {person} or no {item}; leave out such rows")
        responses = cls.from_answers(
            person_code,
            item_code,
            frame[correct].to_numpy(np.float64),
            _times(frame[time]) if time in frame.columns else None,
            len(person_ids),
            len(item_ids),
        )
        return replace(responses, person_ids=np.asarray(person_ids), item_ids=np.asarray(item_ids))

    def item_parameters(self, frame: "pd.DataFrame") -> ItemParameters:
        """Read the parameters of a bank in the codes of these answers; items without answers are left out.

        Parameters
        ----------
        frame : pandas.DataFrame
            Columns item_id, a, b and, below guessing models, optionally c.

        Returns
        -------
        ItemParameters

        Raises
        ------
        DataError
            The answers have no item ids, or the parameters are not possible.

        Examples
        --------
        >>> import pandas as pd
        >>> from seedtest_assets import irt
        >>> responses = irt.Responses.from_matrix(pd.DataFrame([[1, 0]], columns=["q1", "q2"]))
        >>> bank = pd.DataFrame({"item_id": ["q2", "q9"], "a": [1.2, 0.8], "b": [0.3, 0.0]})
        >>> responses.item_parameters(bank).item
        array([1], dtype=int32)
        """
        if self.item_ids is None:
            raise DataError("these answers have no item ids; make them with from_frame, or from a DataFrame matrix")
        code_of = {item_id: code for code, item_id in enumerate(self.item_ids)}
        known = frame[frame["item_id"].isin(list(code_of))]
        codes = [code_of[item_id] for item_id in known["item_id"]]
        guessing = known["c"].fillna(0.0) if "c" in known.columns else np.zeros(len(known))
        return ItemParameters(codes, known["a"], known["b"], guessing)


def first_answers(person: ArrayLike, item: ArrayLike, correct: ArrayLike, time: ArrayLike | None = None) -> np.ndarray:
    """Mark the answers that count: of a person's answers to an item the earliest, at the same time the incorrect one.

    Parameters
    ----------
    person, item : integers [n]
        Codes from 0.
    correct : 0/1 or bool [n]
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
    >>> irt.first_answers(person=[0, 0, 1], item=[4, 4, 4], correct=[1, 0, 1], time=[20, 10, 30])
    array([False,  True,  True])
    """
    person, n_persons = _codes(person, None, "person")
    item, _ = _codes(item, None, "item")
    given = _checked(person, item, correct, time)
    _, kept = _keep(person, n_persons, given, counts=np.zeros(len(person), np.bool_))
    return kept.counts


class _Given(NamedTuple):
    """Answers as they came: item int32 [n], correct uint8 [n], time [n] or empty."""

    item: np.ndarray
    correct: np.ndarray
    time: np.ndarray


class _Kept(NamedTuple):
    """Answers that count, at the front of each person's range: item, correct, order (empty where not wanted) [n].

    counts: bool [n], by row as they came, empty where not wanted; n: int64 [n_persons], how many each person has.
    """

    item: np.ndarray
    correct: np.ndarray
    order: np.ndarray
    counts: np.ndarray
    n: np.ndarray


def _codes(codes: ArrayLike, size: int | None, name: str) -> tuple[np.ndarray, int]:
    codes = np.asarray(codes)
    if codes.ndim != 1 or (codes.dtype.kind not in "iu" and codes.size):
        raise DataError(f"{name} codes must be a one-dimensional array of integers")
    low, high = (int(codes.min()), int(codes.max())) if codes.size else (0, -1)
    size = high + 1 if size is None else int(size)
    if low < 0 or high >= size or size > np.iinfo(np.int32).max:
        raise DataError(f"{name} codes run from {low} to {high}, but {size} were announced")
    return np.ascontiguousarray(codes, dtype=np.int32), size


def _checked(person: np.ndarray, item: np.ndarray, correct: ArrayLike, time: ArrayLike | None) -> _Given:
    correct = marks(correct)
    if not len(person) == len(item) == len(correct):
        raise DataError(f"person, item and correct differ in length: {len(person)}, {len(item)}, {len(correct)}")
    return _Given(item, correct, np.empty(0, np.int64) if time is None else _comparable(time, len(person)))


def marks(correct: ArrayLike) -> np.ndarray:
    """Convert marks to uint8 [n]. Raises DataError for one that is neither 0 nor 1."""
    correct = np.asarray(correct)
    if correct.dtype == bool:
        return np.ascontiguousarray(correct).view(np.uint8)
    with np.errstate(invalid="ignore"):
        narrow = correct.astype(np.uint8) if correct.dtype.kind in "iuf" else None
    if narrow is None or not np.array_equal(narrow, correct) or (narrow.size and narrow.max() > 1):
        raise DataError("correct must be 0 or 1 for every answer; leave out the rows of items that were not answered")
    return np.ascontiguousarray(narrow)


def _comparable(time: ArrayLike, n: int) -> np.ndarray:
    """Convert times to numbers that order the same way, the missing ones last."""
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


def _times(column: "pd.Series") -> np.ndarray:
    """Convert a column of times with or without a time zone, or of numbers, to an array that numpy orders."""
    import pandas as pd

    if pd.api.types.is_numeric_dtype(column):
        return column.to_numpy(np.float64)
    return pd.to_datetime(column, utc=True).dt.tz_localize(None).to_numpy()


def _keep(
    person: np.ndarray,
    n_persons: int,
    given: _Given,
    order: np.ndarray | None = None,
    counts: np.ndarray | None = None,
) -> tuple[np.ndarray, _Kept]:
    """Keep the answers that count, with their order in time, or a mark of each row, where an array is given for it.

    Returns where each person's answers begin, and the answers.
    """
    start, row = _group_by_person(person, n_persons)
    n = len(person)
    kept = _Kept(
        item=np.empty(n, np.int32),
        correct=np.empty(n, np.uint8),
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
    _scatter(person, start[:-1].copy(), row)
    return start, row


@kernel
def _scatter(person: np.ndarray, cursor: np.ndarray, row: np.ndarray) -> None:
    for i in range(person.size):
        p = person[i]
        row[cursor[p]] = i
        cursor[p] += 1


@kernel
def _keep_first_answers(low: int, high: int, start: np.ndarray, row: np.ndarray, given: _Given, kept: _Kept) -> None:
    """Sort each person's answers by item and keep the one of each that counts."""
    item, correct, time = given.item, given.correct, given.time
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
            if n == 0 or j != kept.item[first + n - 1]:
                n += 1
            elif _counts_before(i, best, correct, time):
                if kept.counts.size:
                    kept.counts[best] = False
            else:
                continue
            best = i
            kept.item[first + n - 1] = j
            kept.correct[first + n - 1] = correct[i]
            if kept.counts.size:
                kept.counts[i] = True
            if time.size:
                when[n - 1] = time[i]
        kept.n[p] = n
        if kept.order.size:
            rank = np.argsort(when[:n], kind="mergesort")
            for k in range(n):
                kept.order[first + rank[k]] = min(k, 65535)


@kernel
def _counts_before(i: int, best: int, correct: np.ndarray, time: np.ndarray) -> bool:
    if time.size and time[i] != time[best]:
        return time[i] < time[best]
    return correct[i] < correct[best]


@kernel
def _close_gaps(start: np.ndarray, kept: _Kept) -> np.ndarray:
    new_start = np.zeros_like(start)
    for p in range(kept.n.size):
        to = new_start[p]
        for k in range(kept.n[p]):
            kept.item[to + k] = kept.item[start[p] + k]
            kept.correct[to + k] = kept.correct[start[p] + k]
            if kept.order.size:
                kept.order[to + k] = kept.order[start[p] + k]
        new_start[p + 1] = to + kept.n[p]
    return new_start
