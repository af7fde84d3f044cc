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

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from seedtest_assets import irt
from seedtest_assets.encoded_columns import dictionary_of
from seedtest_assets.errors import number_of
from seedtest_assets.medians import grouped_medians, medians_and_counts_below
from seedtest_assets.tables_on_demand import cached_by_rows

Policy = Literal["keep", "wrong", "ignore"]
"""What a rapid guess counts as: the answer it is, an incorrect one, or none."""

# A threshold is this part of the item's median time: "NT10" of Wise and Ma.
PARTS_OF_THE_MEDIAN = 10
# No answer of 10 s or more is a guess without reading, however long the item.
MOST_MILLISECONDS = 10_000
# With log-normal times of SD 0.6 the median of 30 answers, and so the threshold, has a standard error of 14%. With fewer
# answers, some of which may be guesses themselves, a threshold says more about these answers than about the item.
LEAST_TIMED_ANSWERS = 30


POLICY_COLUMNS = ("student_id", "item_id", "correct", "completed_at", "response_time_ms")
"""What `apply_policy` needs of answers."""


@dataclass(frozen=True, kw_only=True)
class RapidGuesses:
    """What makes an answer a rapid guess, and how many are.

    item_ids: of the items; medians: of their times, and thresholds: milliseconds, float64 [n_items], NaN for none.
    n_timed, n_rapid: answers with a time, and rapid ones, int64 [n_items].
    """

    item_ids: pa.Array
    medians: np.ndarray
    thresholds: np.ndarray
    n_timed: np.ndarray
    n_rapid: np.ndarray

    def among(self, answers: pa.Table) -> np.ndarray:
        """Tell which answers are rapid guesses, bool [n]. answers: item_id, response_time_ms."""
        item, names = _codes(answers["item_id"])
        known = pc.index_in(names, self.item_ids).fill_null(-1).to_numpy()
        return is_rapid(np.append(known, -1)[item], answers["response_time_ms"], self.thresholds)


@dataclass(frozen=True, kw_only=True)
class RapidCount:
    """How many answers are rapid guesses, and what was done with them.

    n_timed: answers with a time. n: rapid guesses. n_left_out: answers that "ignore" left out; n_students_left_out: students of
    whom it left none.
    """

    policy: Policy
    n_timed: int
    n: int
    n_left_out: int = 0
    n_students_left_out: int = 0

    @property
    def share(self) -> float | None:
        """Share of rapid guesses among the answers with a time, None without any."""
        return self.n / self.n_timed if self.n_timed else None

    @property
    def facts(self) -> dict[str, Any]:
        """What the metadata of a fit keeps; nothing where no answer has a time and none would be treated."""
        if not self.n_timed and self.policy == "keep":
            return {}
        left_out = {"answers_left_out": self.n_left_out, "students_left_out": self.n_students_left_out}
        return {
            "rapid_guesses": {"policy": self.policy, "n": self.n, "share": self.share, "n_timed": self.n_timed}
            | (left_out if self.policy == "ignore" else {})
        }

    @property
    def warnings(self) -> tuple[str, ...]:
        """Say that a policy has no effect where no answer has a time."""
        if self.n_timed or self.policy == "keep":
            return ()
        return (f"SEEDTEST_RAPID_GUESSES={self.policy} has no effect: no answer of the window has a response time",)

    @property
    def summary(self) -> str:
        """Describe the count in a line."""
        if not self.n_timed:
            return "no answer has a response time"
        done = {
            "keep": "kept",
            "wrong": "counted as incorrect",
            "ignore": f"{number_of(self.n_left_out, 'answer')} left out",
        }
        line = f"{self.n:,} of {number_of(self.n_timed, 'answer')} with a time ({self.share:.2%}), {done[self.policy]}"
        if self.n_students_left_out:
            line += f", of {number_of(self.n_students_left_out, 'student')} all of them"
        return line


def sum_of_counts(policy: Policy, counts: Iterable[RapidCount]) -> RapidCount:
    """Add up the counts of parts that no two students share."""
    numbers = [(count.n_timed, count.n, count.n_left_out, count.n_students_left_out) for count in counts]
    n_timed, n, n_left_out, n_students_left_out = map(sum, zip(*numbers, strict=True))
    return RapidCount(
        policy=policy, n_timed=n_timed, n=n, n_left_out=n_left_out, n_students_left_out=n_students_left_out
    )


NOTHING_COUNTED = RapidCount(policy="keep", n_timed=0, n=0)


@cached_by_rows(2)  # the window, and the 60 days of the exposures where these are others
def find_rapid_guesses(parts: Sequence[pa.Table]) -> RapidGuesses:
    """Find what is a rapid guess among answers by the times of the same answers.

    parts: item_id, response_time_ms of some of the answers each; read twice, one after the other.
    """
    answers = TimedAnswers(parts)
    found = [_filled(values, len(answers.item_ids)) for values in medians_and_counts_below(answers, _thresholds_of)]
    medians, n_timed, thresholds, n_rapid = found
    return RapidGuesses(
        item_ids=answers.item_ids, medians=medians, thresholds=thresholds, n_timed=n_timed, n_rapid=n_rapid
    )


def _filled(values: np.ndarray, size: int) -> np.ndarray:
    """Lengthen by NaN, or zeros of whole numbers, for items that come after the last one with a time."""
    out = np.full(size, np.nan if values.dtype.kind == "f" else 0, values.dtype)
    out[: len(values)] = values
    return out


def apply_policy(answers: pa.Table, rapid: RapidGuesses, policy: Policy) -> tuple[pa.Table, RapidCount]:
    """Count rapid guesses as the policy says, before anything else counts answers.

    answers: POLICY_COLUMNS, none of them null but response_time_ms, and perhaps score; all answers of a student.

    "ignore" decides by a student's first answer to an item, which is the one that counts: where it is a rapid guess, all the
    student's answers to the item are left out. A second answer, given after the item was seen and often its solution, does not
    take its place. A rapid repetition changes nothing.
    """
    guessed = rapid.among(answers)
    n_timed = int((times_of(answers["response_time_ms"]) > 0).sum())
    count = RapidCount(policy=policy, n_timed=n_timed, n=int(guessed.sum()))
    if policy == "keep" or not count.n:
        return answers, count
    if policy == "wrong":
        correct = answers["correct"].to_numpy(zero_copy_only=False) & ~guessed
        place = answers.column_names.index("correct")
        return _without_points(
            answers.set_column(place, answers.schema.field(place), pa.array(correct)), guessed
        ), count
    student, students = _codes(answers["student_id"])
    kept = ~_of_pairs_begun_rapidly(answers, student, guessed)
    gone = np.bincount(student, minlength=len(students)).astype(bool)
    gone[student[kept]] = False
    count = replace(count, n_left_out=int(len(kept) - kept.sum()), n_students_left_out=int(gone.sum()))
    return answers.filter(pa.array(kept)), count


def _without_points(answers: pa.Table, rapid: np.ndarray) -> pa.Table:
    """Give rapid guesses that have a score the score 0."""
    if "score" not in answers.column_names or answers["score"].null_count == len(answers):
        return answers
    guessed = pa.array(rapid & answers["score"].is_valid().to_numpy(zero_copy_only=False))
    place = answers.column_names.index("score")
    return answers.set_column(place, "score", pc.if_else(guessed, 0.0, answers["score"]))


def _of_pairs_begun_rapidly(answers: pa.Table, student: np.ndarray, rapid: np.ndarray) -> np.ndarray:
    """Tell which answers are of a student and an item whose first answer is rapid, bool [n]."""
    item, item_ids = _codes(answers["item_id"])
    correct = answers["correct"].to_numpy(zero_copy_only=False)
    first = irt.first_answers(student, item, correct, answers["completed_at"].cast(pa.int64()).to_numpy())
    pair = student.astype(np.int64) * len(item_ids) + item
    out = first & rapid
    again = np.flatnonzero(~first)
    out[again] = np.isin(pair[again], pair[out])
    return out


def rapid_thresholds(item: np.ndarray, response_time_ms: np.ndarray | pa.ChunkedArray, n_items: int) -> np.ndarray:
    """Compute the time below which an answer to an item is a rapid guess, in milliseconds, float64 [n_items].

    item: integer code of each answer's item, -1 for none. response_time_ms: whole milliseconds, at most 2^31; null, NaN, 0 or less
    is no time, since platforms write 0 where none was recorded.
    NaN for an item with fewer than LEAST_TIMED_ANSWERS answers with a time.
    """
    milliseconds = times_of(response_time_ms)
    timed = (milliseconds > 0) & (item >= 0)
    medians, n = grouped_medians([(item[timed].astype(np.int64), milliseconds[timed])])
    return _filled(_thresholds_of(medians, n), n_items)


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


class TimedAnswers:
    """Item and milliseconds of the answers that have a time, part by part; items are numbered as they come.

    A time of 0 is none: platforms write it where they recorded none.
    """

    def __init__(self, parts: Sequence[pa.Table]) -> None:
        self.item_ids = pa.array([], pa.string())
        self._parts = parts

    def __iter__(self) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        for part in self._parts:
            item, names = _codes(part["item_id"])
            new = names.filter(pc.invert(pc.is_in(names, self.item_ids)))
            self.item_ids = pa.concat_arrays([self.item_ids, new.cast(pa.string())])
            milliseconds = times_of(part["response_time_ms"])
            timed = (milliseconds > 0) & (item >= 0)
            number = pc.index_in(names, self.item_ids).to_numpy().astype(np.int64)
            yield number[item[timed]], milliseconds[timed]


def _thresholds_of(medians: np.ndarray, n: np.ndarray) -> np.ndarray:
    """Compute the thresholds of items, float64 [n_items], from the medians and numbers of their times."""
    # Divided, not multiplied by 0.1: the threshold of a median of 70 ms is 7 ms exactly.
    thresholds = np.minimum(medians / PARTS_OF_THE_MEDIAN, MOST_MILLISECONDS)
    return np.where(n >= LEAST_TIMED_ANSWERS, thresholds, np.nan)


def _codes(ids: pa.ChunkedArray) -> tuple[np.ndarray, pa.Array]:
    """Number the ids of a column; the lake's have numbers already, some perhaps of no row."""
    encoded = dictionary_of(ids)
    return encoded.indices.fill_null(-1).to_numpy(), encoded.dictionary
