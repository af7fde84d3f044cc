"""Answers grouped by student, then by topic."""

from dataclasses import dataclass

import numpy as np

from seedtest_assets.irt.errors import DataError
from seedtest_assets.irt.parallel import kernel
from seedtest_assets.irt.parameters import ItemParameters


@dataclass(frozen=True)
class TopicAnswers:
    """Answers sorted by student, then topic.

    student: int32 [n_students], ascending codes.
    student_start: int64 [n_students + 1], student s has the pairs student_start[s]:student_start[s + 1].
    topic: int32 [n_pairs], ascending within a student; -1 for answers without a topic.
    pair_start: int64 [n_pairs + 1], pair p has the answers pair_start[p]:pair_start[p + 1], none if only asked for.
    item_row: int32 [n], place of the item in its ItemParameters; correct: uint8 [n].
    """

    student: np.ndarray
    student_start: np.ndarray
    topic: np.ndarray
    pair_start: np.ndarray
    item_row: np.ndarray
    correct: np.ndarray

    def take(self, students: np.ndarray) -> "TopicAnswers":
        """The same for some students, by position."""
        student_start, pairs = _gather(self.student_start, students)
        pair_start, rows = _gather(self.pair_start, pairs)
        return TopicAnswers(
            self.student[students],
            student_start,
            self.topic[pairs],
            pair_start,
            self.item_row[rows],
            self.correct[rows],
        )


def group_by_student_and_topic(person, topic, item, correct, items: ItemParameters, pairs) -> TopicAnswers:
    """Sort answers in any order, leaving out those to items without parameters.

    pairs: (person codes, topic codes) that get a place even without answers, or None.
    """
    person, topic, item = (
        _codes(codes, name) for codes, name in ((person, "person"), (topic, "topic"), (item, "item"))
    )
    correct = np.asarray(correct)
    if not len(person) == len(topic) == len(item) == len(correct):
        sizes = ", ".join(str(len(one)) for one in (person, topic, item, correct))
        raise DataError(f"person, topic, item and correct differ in length: {sizes}")
    if correct.size and not np.isin(correct, (0, 1)).all():
        raise DataError("correct must be 0 or 1 for every answer; leave out the rows of items that were not answered")
    if person.min(initial=0) < 0 or item.min(initial=0) < 0 or topic.min(initial=0) < -1:
        raise DataError("person and item codes start at 0, topic codes at 0 or -1 for an answer without a topic")

    row_of_item = np.full(max(int(item.max(initial=-1)), int(items.item.max(initial=-1))) + 1, -1, np.int32)
    row_of_item[items.item] = np.arange(len(items), dtype=np.int32)
    item_row = row_of_item[item]
    counted = item_row >= 0
    if not counted.all():
        person, topic, item_row, correct = person[counted], topic[counted], item_row[counted], correct[counted]
    n_answers = len(person)
    if pairs is not None:
        asked_person, asked_topic = (_codes(codes, "pairs") for codes in pairs)
        if len(asked_person) != len(asked_topic) or asked_person.min(initial=0) < 0 or asked_topic.min(initial=0) < 0:
            raise DataError("pairs must be as many person codes as topic codes, all from 0")
        person, topic = np.concatenate([person, asked_person]), np.concatenate([topic, asked_topic])

    # rows that come last, the pairs only asked for, mark a place and hold no answer
    order = _stable_order(person, _stable_order(topic + 1, None))
    person, topic, is_answer = person[order], topic[order], order < n_answers
    new_pair = np.ones(len(order), bool)
    new_pair[1:] = (person[1:] != person[:-1]) | (topic[1:] != topic[:-1])
    first_of_pair = np.flatnonzero(new_pair)
    answers_before = np.concatenate([[0], np.cumsum(is_answer)])
    pair_start = answers_before[np.append(first_of_pair, len(order))]
    pair_person = person[first_of_pair]
    first_of_student = np.flatnonzero(np.append(True, pair_person[1:] != pair_person[:-1])[: len(pair_person)])
    rows = order[is_answer]
    return TopicAnswers(
        student=pair_person[first_of_student],
        student_start=np.append(first_of_student, len(pair_person)).astype(np.int64),
        topic=topic[first_of_pair],
        pair_start=pair_start.astype(np.int64),
        item_row=item_row[rows],
        correct=correct[rows].astype(np.uint8),
    )


def _codes(codes, name: str) -> np.ndarray:
    codes = np.asarray(codes)
    if codes.ndim != 1 or (codes.dtype.kind not in "iu" and codes.size):
        raise DataError(f"{name} codes must be a one-dimensional array of integers")
    return np.ascontiguousarray(codes, dtype=np.int32)


def _gather(start: np.ndarray, chosen: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The ranges of some groups, one after the other: where each starts then, and the places they are taken from."""
    size = start[chosen + 1] - start[chosen]
    new_start = np.concatenate([[0], np.cumsum(size)])
    return new_start, np.arange(new_start[-1]) + np.repeat(start[chosen] - new_start[:-1], size)


def _stable_order(key: np.ndarray, order: np.ndarray | None) -> np.ndarray:
    """Counting sort of non-negative keys that keeps the order given so far, in time linear in their number."""
    cursor = np.concatenate([[0], np.cumsum(np.bincount(key))])
    sorted_rows = np.empty(len(key), np.int64)
    _place(key, np.arange(len(key)) if order is None else order, cursor, sorted_rows)
    return sorted_rows


@kernel
def _place(key, order, cursor, sorted_rows):
    for row in order:
        k = key[row]
        sorted_rows[cursor[k]] = row
        cursor[k] += 1
