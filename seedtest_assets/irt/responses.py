"""Who answered what, with which score: the sparse list of answers that everything else works on."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike

from seedtest_assets.irt.counted_answers import close_gaps, codes_of, given_answers, keep_first, scores
from seedtest_assets.irt.errors import DataError
from seedtest_assets.irt.models import STEP_NAMES
from seedtest_assets.irt.parallel import kernel
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
    score : uint8 [n_answers]
        1 correct, 0 incorrect; 0..m of an item with partial credit.
    n_items : int
        Size of the bank, codes are 0 .. n_items - 1.
    order : uint16 [n_answers]
        How many of the person's answers came earlier, so that answers at the same time share a number; empty when no
        times were given.
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
    score: np.ndarray
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
    def n_scores(self) -> int:
        """Number of scores from 0 to the highest that was given, at least 2."""
        return max(int(self.score.max(initial=0)), 1) + 1

    @property
    def max_score(self) -> np.ndarray:
        """Highest score given to each item, int64 [n_items]: 1 of one that is only right or wrong."""
        return _highest(self.item, self.score, self.n_items)

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
        score: ArrayLike,
        time: ArrayLike | None = None,
        n_persons: int | None = None,
        n_items: int | None = None,
    ) -> "Responses":
        """Sort a list of answers, in any order, into Responses.

        Of several answers of a person to an item the earliest counts, at the same time that of the lowest score, so the order
        of the rows never matters; an answer without a time (NaT, NaN) counts as the latest.

        Parameters
        ----------
        person, item : integers [n]
            Codes from 0.
        score : integers or bool [n]
            1 for correct, 0 for incorrect, more where an item has partial credit.
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
            Codes out of range, lengths that differ, or a score that is no integer from 0.

        Examples
        --------
        >>> from seedtest_assets import irt
        >>> responses = irt.Responses.from_answers(person=[0, 0, 1], item=[0, 0, 1], score=[0, 1, 1], time=[2, 1, 5])
        >>> responses.score, responses.n_set_aside
        (array([1, 1], dtype=uint8), 1)
        """
        person, n_persons = codes_of(person, n_persons, "person")
        item, n_items = codes_of(item, n_items, "item")
        given = given_answers(person, item, score, time)
        start, kept = keep_first(person, n_persons, given, order=np.empty(len(given.time), np.uint16))
        n_kept = int(kept.n.sum())
        n_set_aside = len(person) - n_kept
        if not n_set_aside:
            return cls(start, kept.item, kept.score, n_items, kept.order)
        start = close_gaps(start, kept)
        return cls(
            start,
            kept.item[:n_kept].copy(),
            kept.score[:n_kept].copy(),
            n_items,
            kept.order[:n_kept].copy(),
            n_set_aside,
        )

    @classmethod
    def joined(cls, parts: "Sequence[Responses]") -> "Responses":
        """Put the persons of several lists into one, in their order.

        Parameters
        ----------
        parts : sequence of Responses
            At least one; without a common person, of the same items, and with times in all of them or in none.

        Returns
        -------
        Responses
            Without the ids of persons.

        Examples
        --------
        >>> from seedtest_assets import irt
        >>> irt.Responses.joined([irt.Responses.from_matrix([[1, 0]]), irt.Responses.from_matrix([[0, 1], [1, 1]])])
        Responses(3 persons, 2 items, 6 answers)
        """
        first = parts[0]
        if len(parts) == 1:
            return first
        lengths = np.concatenate([np.diff(part.person_start) for part in parts])
        return cls(
            person_start=np.concatenate([[0], np.cumsum(lengths)]),
            item=np.concatenate([part.item for part in parts]),
            score=np.concatenate([part.score for part in parts]),
            n_items=first.n_items,
            order=np.concatenate([part.order for part in parts]),
            n_set_aside=sum(part.n_set_aside for part in parts),
            item_ids=first.item_ids,
        )

    @classmethod
    def from_matrix(cls, matrix: "ArrayLike | pd.DataFrame") -> "Responses":
        """Read a table with a row for each person and a column for each item.

        Parameters
        ----------
        matrix : [n_persons, n_items]
            1 for correct, 0 for incorrect, more where an item has partial credit; NaN or None where the person did not
            answer. The index and the columns of a DataFrame become the ids of persons and items.

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
        try:
            cells = np.asarray(matrix, dtype=np.float64)
        except (TypeError, ValueError) as error:
            raise DataError(f"a cell of the matrix is no number: {error}. Keep columns of items only") from error
        if cells.ndim != 2:
            raise DataError(
                f"a matrix of answers has persons as rows and items as columns, not {cells.ndim} dimensions"
            )
        person, item = np.nonzero(~np.isnan(cells))
        n_persons, n_items = cells.shape
        labels = getattr(matrix, "axes", None)  # of a DataFrame
        index, columns = labels or (range(n_persons), range(n_items))
        given = scores(cells[person, item], lambda row: f"row {index[person[row]]}, item {columns[item[row]]}")
        responses = cls.from_answers(person, item, given, n_persons=n_persons, n_items=n_items)
        if labels is None:
            return responses
        return replace(responses, person_ids=np.asarray(index, object), item_ids=np.asarray(columns, object))

    @classmethod
    def from_frame(
        cls,
        frame: "pd.DataFrame",
        *,
        person: str = "student_id",
        item: str = "item_id",
        score: str = "score",
        correct: str = "correct",
        time: str = "answered_at",
    ) -> "Responses":
        """Read a table with a row for each answer, in any order.

        Parameters
        ----------
        frame : pandas.DataFrame
            Rows without a mark or a score are no answers. Ids may be of any type that sorts.
        person, item, score, correct, time : str
            Names of the columns. A row counts with its score where it has one, else by whether it is correct, which is 1 or 0;
            one of the two columns is enough, and that of the time may be missing.

        Returns
        -------
        Responses
            With the ids in ascending order.

        Raises
        ------
        DataError
            A column that is missing, a mark that is neither 0 nor 1, or a score that is no integer from 0.

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

        frame, marks = _marked(frame, (person, item), score, correct)
        person_code, person_ids = pd.factorize(frame[person].to_numpy(object), sort=True)
        item_code, item_ids = pd.factorize(frame[item].to_numpy(object), sort=True)
        if (person_code < 0).any() or (item_code < 0).any():
            raise DataError(f"an answer has no {person} or no {item}. Leave out such rows")
        responses = cls.from_answers(
            person_code,
            item_code,
            scores(marks.to_numpy(np.float64), lambda row: f"row {frame.index[row]}, item {frame[item].iloc[row]}"),
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
            Columns item_id, a, b and, below guessing models, optionally c; of items with partial credit b_1, b_2, ... and model.

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
            raise DataError("these answers have no item ids. Make them with from_frame, or from a DataFrame matrix")
        code_of = {item_id: code for code, item_id in enumerate(self.item_ids)}
        known = frame[frame["item_id"].isin(list(code_of))]
        codes = [code_of[item_id] for item_id in known["item_id"]]
        guessing = known["c"].fillna(0.0) if "c" in known.columns else np.zeros(len(known))
        names = [name for name in STEP_NAMES if name in known.columns]
        if not names:
            return ItemParameters(codes, known["a"], known["b"], guessing)
        if "model" not in known.columns:
            raise DataError(
                "the table has b_1 but no column model. Name the model of items with partial credit: GRM, GPCM or PCM"
            )
        steps = known[names].to_numpy(np.float64)
        model = np.where(np.isfinite(steps).any(axis=1), known["model"].to_numpy(object), "")
        return ItemParameters(codes, known["a"], known["b"], guessing, steps, model)


def _marked(
    frame: "pd.DataFrame", ids: tuple[str, str], score: str, correct: str
) -> tuple["pd.DataFrame", "pd.Series"]:
    """Select the rows that are answers, and give their scores. ids: columns of persons and items. Raises DataError for a missing column."""
    absent = [name for name in ids if name not in frame.columns]
    if score not in frame.columns and correct not in frame.columns:
        absent.append(f"{score} or {correct}")
    if absent:
        raise DataError(f"the table has no column {', '.join(absent)}. Name the columns that hold them")
    marks = _scores(frame, score, correct)
    return frame[marks.notna()], marks[marks.notna()]


def _scores(frame: "pd.DataFrame", score: str, correct: str) -> "pd.Series":
    """Read scores, and marks as scores 1 and 0 where there are none."""
    marks = _numbers(frame, correct) if correct in frame.columns else None
    if marks is not None and not marks.dropna().isin([0, 1]).all():
        raise DataError(f"column {correct} must be 0 or 1. Points belong in a column {score}")
    if score not in frame.columns:
        return marks
    points = _numbers(frame, score)
    return points if marks is None else points.fillna(marks)


def _numbers(frame: "pd.DataFrame", name: str) -> "pd.Series":
    try:
        return frame[name].astype(np.float64)
    except (TypeError, ValueError) as error:
        raise DataError(f"column {name} must hold numbers: {error}") from error


def _times(column: "pd.Series") -> np.ndarray:
    """Convert a column of times with or without a time zone, or of numbers, to an array that numpy orders."""
    import pandas as pd

    if pd.api.types.is_numeric_dtype(column):
        return column.to_numpy(np.float64)
    return pd.to_datetime(column, utc=True).dt.tz_localize(None).to_numpy()


@kernel
def _highest(item: np.ndarray, score: np.ndarray, n_items: int) -> np.ndarray:
    highest = np.ones(n_items, np.int64)
    for k in range(item.size):
        highest[item[k]] = max(highest[item[k]], score[k])
    return highest
