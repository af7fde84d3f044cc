"""Answers with topics: as they come, and grouped by student, then by topic."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from seedtest_assets.irt.counted_answers import integers, scores
from seedtest_assets.irt.errors import DataError
from seedtest_assets.irt.parallel import chunks, kernel, run
from seedtest_assets.irt.parameters import ItemParameters
from seedtest_assets.irt.screening import NO_SUCH_SCORE, NOT_CHOSEN

MOST_TOPICS = 65_535
"""Topics that one answer may belong to."""
ASKED_FOR = -1
"""Code of a row that only gives a pair its place."""


@dataclass(frozen=True, init=False)
class TopicAnswers:
    """Answers that count (the first of a person to an item, see `first_answers`), in any order.

    Parameters
    ----------
    person, topic, item : integers [n]
        Codes from 0; topic -1 is an answer without a topic, which informs the student's ability but gets no row.
    score : integers or bool [n]
        1 for correct, 0 for incorrect, more where an item has partial credit.
    n_topics : integers [n], optional
        Topics that an answer belongs to, 1 by default. An answer to several has a row for each of them, and each row counts
        as the share 1 / n_topics of an answer.

    Raises
    ------
    DataError
        Arrays of different length, codes or n_topics out of range, or a score that is no integer from 0.

    Examples
    --------
    >>> from seedtest_assets import irt
    >>> irt.TopicAnswers(person=[0, 0, 1], topic=[0, 1, 1], item=[3, 5, 5], score=[1, 0, 1])
    TopicAnswers(2 persons, 2 topics, 3 answers)
    """

    person: np.ndarray
    topic: np.ndarray
    item: np.ndarray
    score: np.ndarray
    n_topics: np.ndarray

    def __init__(
        self,
        person: ArrayLike,
        topic: ArrayLike,
        item: ArrayLike,
        score: ArrayLike,
        n_topics: ArrayLike | None = None,
    ) -> None:
        for name, codes in (("person", person), ("topic", topic), ("item", item)):
            object.__setattr__(self, name, np.ascontiguousarray(integers(codes, name), np.int32))
        n_topics = np.ones(len(self.item), np.uint16) if n_topics is None else integers(n_topics, "n_topics")
        if len(n_topics) and not (n_topics.min() >= 1 and n_topics.max() <= MOST_TOPICS):
            raise DataError(
                f"an answer belongs to 1 to {MOST_TOPICS:,} topics, but n_topics goes from {n_topics.min()} to {n_topics.max()}"
            )
        object.__setattr__(self, "n_topics", np.ascontiguousarray(n_topics, np.uint16))
        object.__setattr__(self, "score", np.asarray(score))
        columns = (self.person, self.topic, self.item, self.score, self.n_topics)
        if len({len(column) for column in columns}) > 1:
            lengths = ", ".join(str(len(column)) for column in columns)
            raise DataError(f"person, topic, item, score and n_topics differ in length: {lengths}")
        object.__setattr__(self, "score", _scores(self) if len(self.score) else np.empty(0, np.uint8))
        if self.person.min(initial=0) < 0 or self.item.min(initial=0) < 0 or self.topic.min(initial=0) < -1:
            raise DataError("person and item codes start at 0, topic codes at 0 or -1 for an answer without a topic")

    def __len__(self) -> int:
        return len(self.item)

    def __repr__(self) -> str:
        n_topics = len(np.unique(self.topic[self.topic >= 0]))
        return f"TopicAnswers({len(np.unique(self.person)):,} persons, {n_topics:,} topics, {len(self):,} answers)"


def _scores(answers: TopicAnswers) -> np.ndarray:
    return scores(answers.score, lambda row: f"row {row}, item {answers.item[row]}")


@dataclass(frozen=True)
class GroupedAnswers:
    """Answers sorted by student, then topic.

    student: int32 [n_students], ascending codes.
    student_start: int64 [n_students + 1], student s has the pairs student_start[s]:student_start[s + 1].
    topic: int32 [n_pairs], ascending within a student; -1 for answers without a topic.
    pair_start: int64 [n_pairs + 1], pair p has the answers pair_start[p]:pair_start[p + 1], none if only asked for.
    code: int32 [n], of item and score as in ItemParameters.scores, plus the number of codes for each further topic of the
    answer: see `code_and_share`.
    """

    student: np.ndarray
    student_start: np.ndarray
    topic: np.ndarray
    pair_start: np.ndarray
    code: np.ndarray

    @property
    def answered(self) -> np.ndarray:
        """Whether each pair has answers, bool [n_pairs]."""
        return np.diff(self.pair_start) > 0

    @property
    def n_topics(self) -> np.ndarray:
        """The number of topics with a name in which each student has answers, int64 [n_students]."""
        before = np.concatenate([[0], np.cumsum((self.topic >= 0) & self.answered)])
        return np.diff(before[self.student_start])

    def between(self, low: int, high: int) -> "GroupedAnswers":
        """Select the students at the positions low .. high - 1, without a copy of their answers."""
        pairs = slice(self.student_start[low], self.student_start[high])
        pair_start = self.pair_start[pairs.start : pairs.stop + 1]
        return GroupedAnswers(
            self.student[low:high],
            self.student_start[low : high + 1] - pairs.start,
            self.topic[pairs],
            pair_start - pair_start[0],
            self.code[pair_start[0] : pair_start[-1]],
        )

    def take(self, students: np.ndarray) -> "GroupedAnswers":
        """Select students, by position."""
        student_start, pairs = _gather(self.student_start, students)
        pair_start, rows = _gather(self.pair_start, pairs)
        return GroupedAnswers(
            self.student[students],
            student_start,
            self.topic[pairs],
            pair_start,
            self.code[rows],
        )


def group_by_student_and_topic(
    answers: TopicAnswers, items: ItemParameters, pairs: tuple[ArrayLike, ArrayLike] | None = None
) -> GroupedAnswers:
    """Sort answers in any order, leaving out those to items without parameters.

    pairs: (person codes, topic codes) that get a place even without answers.
    """
    person, topic, code = _to_known_items(answers, items)
    if pairs is not None:
        asked_person, asked_topic = (np.ascontiguousarray(integers(codes, "pairs"), np.int32) for codes in pairs)
        if len(asked_person) != len(asked_topic) or asked_person.min(initial=0) < 0 or asked_topic.min(initial=0) < 0:
            raise DataError("pairs must be as many person codes as topic codes, all from 0")
        person, topic = np.concatenate([person, asked_person]), np.concatenate([topic, asked_topic])

        code = np.concatenate([code, np.full(len(asked_person), ASKED_FOR, np.int32)])

    start = np.concatenate([[0], np.cumsum(np.bincount(person))])
    topic, code = _by_person(person, topic, code, start)
    run(lambda low, high: _sort_by_topic(low, high, start, topic, code), chunks(start))
    new_pair = np.ones(len(topic), bool)
    new_pair[1:] = topic[1:] != topic[:-1]
    student = np.flatnonzero(np.diff(start))
    new_pair[start[student]] = True
    first_of_pair = np.append(np.flatnonzero(new_pair), len(topic))
    topic = topic[first_of_pair[:-1]]
    student_start = np.searchsorted(first_of_pair, np.append(start[student], len(new_pair)))
    pair_start = first_of_pair
    if pairs is not None:
        is_answer = code != ASKED_FOR
        pair_start = np.concatenate([[0], np.cumsum(is_answer)])[first_of_pair]
        code = code[is_answer]
    return GroupedAnswers(
        student=student.astype(np.int32),
        student_start=student_start.astype(np.int64),
        topic=topic,
        pair_start=pair_start.astype(np.int64),
        code=code,
    )


def join_groups(parts: Sequence[GroupedAnswers]) -> GroupedAnswers:
    """Put groups of answers of different students one after the other, as they are numbered."""
    return GroupedAnswers(
        np.concatenate([part.student for part in parts]),
        _joined_starts([part.student_start for part in parts]),
        np.concatenate([part.topic for part in parts]),
        _joined_starts([part.pair_start for part in parts]),
        np.concatenate([part.code for part in parts]),
    )


def _joined_starts(starts: Sequence[np.ndarray]) -> np.ndarray:
    sizes = np.concatenate([np.diff(start) for start in starts])
    return np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64)


def _to_known_items(answers: TopicAnswers, items: ItemParameters) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Select person, topic and code of the answers to items with parameters. Raises DataError for a score that an item has not."""
    scores = items.scores
    size = max(int(answers.item.max(initial=-1)), int(items.item.max(initial=-1))) + 1
    n_scores = max(int(answers.score.max(initial=0)), int(scores.score.max(initial=0))) + 1
    code_of = np.full((size, n_scores), NOT_CHOSEN, np.int32)
    code_of[items.item] = NO_SUCH_SCORE
    code_of[items.item[scores.item], scores.score.astype(np.int64)] = np.arange(len(scores.item))
    code = code_of[answers.item, answers.score]
    if (code == NO_SUCH_SCORE).any():
        at = int(np.argmax(code == NO_SUCH_SCORE))
        raise DataError(
            f"an answer to item {answers.item[at]} has the score {answers.score[at]}, which its parameters do not have"
        )
    known = code >= 0
    code += np.int32(len(scores.item)) * (answers.n_topics.astype(np.int32) - 1)
    if known.all():
        return answers.person, answers.topic, code
    return answers.person[known], answers.topic[known], code[known]


def code_and_share(code: np.ndarray, n_codes: int) -> tuple[np.ndarray, np.ndarray]:
    """Give the code of item and score of a row of GroupedAnswers, and the share of an answer that the row counts as."""
    return code % n_codes, 1.0 / (1 + code // n_codes)


def _gather(start: np.ndarray, chosen: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Put the ranges of some groups one after the other: where each starts then, and the places they are taken from."""
    size = start[chosen + 1] - start[chosen]
    new_start = np.concatenate([[0], np.cumsum(size)])
    return new_start, np.arange(new_start[-1]) + np.repeat(start[chosen] - new_start[:-1], size)


def _by_person(
    person: np.ndarray, topic: np.ndarray, code: np.ndarray, start: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Sort topics and codes by person, keeping their order, in time linear in their number."""
    sorted_topic, sorted_code = np.empty(len(topic), np.int32), np.empty(len(code), np.int32)
    _place(person, topic, code, start[:-1].copy(), sorted_topic, sorted_code)
    return sorted_topic, sorted_code


@kernel
def _place(
    person: np.ndarray,
    topic: np.ndarray,
    code: np.ndarray,
    cursor: np.ndarray,
    sorted_topic: np.ndarray,
    sorted_code: np.ndarray,
) -> None:
    for row in range(person.size):
        at = cursor[person[row]]
        sorted_topic[at], sorted_code[at] = topic[row], code[row]
        cursor[person[row]] = at + 1


@kernel
def _sort_by_topic(low: int, high: int, start: np.ndarray, topic: np.ndarray, code: np.ndarray) -> None:
    """Sort the answers of the persons low .. high - 1 by topic, keeping their order, in place."""
    for p in range(low, high):
        of_person, codes = topic[start[p] : start[p + 1]], code[start[p] : start[p + 1]]
        key = np.empty(of_person.size, np.int64)  # topic, then place
        in_order = True
        for k in range(key.size):
            key[k] = ((np.int64(of_person[k]) + 1) << 32) + k
            in_order &= k == 0 or of_person[k] >= of_person[k - 1]
        if not in_order:
            _sort(key)
            before = codes.copy()
            for k in range(key.size):
                of_person[k], codes[k] = (key[k] >> 32) - 1, before[key[k] & 0xFFFFFFFF]


@kernel
def _sort(key: np.ndarray) -> None:
    """Sort in place, by Shell's method: numpy's takes numba seconds to compile."""
    gap = key.size
    while gap > 1:
        gap = max(int(gap / 2.25), 1)
        for k in range(gap, key.size):
            value, at = key[k], k
            while at >= gap and key[at - gap] > value:
                key[at] = key[at - gap]
                at -= gap
            key[at] = value
