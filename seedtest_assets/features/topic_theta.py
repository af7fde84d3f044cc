"""Topic abilities by name: which answers count, who gets a row, names to codes and back."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from seedtest_assets import irt
from seedtest_assets.engines.codes import coded, codes_and_names
from seedtest_assets.errors import InputError
from seedtest_assets.features.topics_of_answers import active_pairs, rows_by_topic
from seedtest_assets.irt.topic_answers import NO_GROUPS, GroupedAnswers, group_by_student_and_topic, join_groups
from seedtest_assets.irt.topic_tau import MAX_PAIRS
from seedtest_assets.score_categories import SCORED_COLUMNS, ItemScores, item_scores, known_scores
from seedtest_assets.tables_on_demand import narrowed

ANSWER_COLUMNS = ("student_id", "topic_id", "completed_at", *SCORED_COLUMNS)
TOPIC_THETA_COLUMNS = ["user_id", "topic_id", "theta", "se", "n_responses"]


@dataclass(frozen=True)
class TopicTheta:
    """rows: TOPIC_THETA_COLUMNS; spread: how far topics lie apart within a student, None without any parameters."""

    rows: pd.DataFrame
    spread: irt.TopicSpread | None


def topic_theta(
    buckets: Sequence[pa.Table], active: pa.Table, items: pd.DataFrame, population_mean: float, population_sd: float
) -> TopicTheta:
    """Ability in every topic of the students who are active.

    buckets: student_id, item_id, topic_id, correct, perhaps score and max_score of the window, oldest first, no student in two of
        them: the first answer of a student to an item counts. Scores that an item's parameters do not have are left out.
        How many there are makes no difference.
    active: student_id, topic_id of the day's answers; a topic without answers to fitted items gets a row, too, unless
        the window (which MIRT_MAX_OBS may cut short) has nothing of the student or the topic.
    items: PARAMETER_COLUMNS. population_mean, population_sd: the calibrated group on the same scale.

    Raises InputError for a population that cannot be.
    """
    scores = item_scores(narrowed(buckets, SCORED_COLUMNS))
    parameters = coded(items, scores.item_ids)
    if parameters is None or not len(active):
        return TopicTheta(pd.DataFrame(columns=TOPIC_THETA_COLUMNS), None)
    topics, sample = _Topics(), _Sample()
    day = _Day.of(active, topics)
    groups, students = [], []
    for answers in narrowed(buckets, ANSWER_COLUMNS):
        person, names = codes_and_names(answers["student_id"])
        grouped = _grouped(answers, person, scores, parameters, topics, day.pairs_of(names))
        sample.add(grouped, names)
        groups.append(grouped.take(np.flatnonzero(day.is_active(names)[grouped.student])))
        students.append(names)
    try:
        spread = irt.topic_spread(
            sample.answers, parameters, population_mean=population_mean, population_sd=population_sd
        )
    except irt.DataError as error:
        raise InputError(str(error)) from None
    frames = []
    for group, names in zip(groups, students, strict=True):
        abilities = irt.topic_abilities(
            group, parameters, population_mean=population_mean, population_sd=population_sd, tau=spread
        )
        frames.append(_rows(abilities, names, topics))
    return TopicTheta(pd.concat(frames, ignore_index=True), spread)


def _grouped(
    answers: pa.Table,
    person: np.ndarray,
    scores: ItemScores,
    parameters: irt.ItemParameters,
    topics: "_Topics",
    pairs: tuple[np.ndarray, np.ndarray],
) -> GroupedAnswers:
    """Group the answers that count; person: codes of the students; pairs: persons and topics that get a row anyway."""
    rows = rows_by_topic(answers["topic_id"])
    topic = np.append(topics.codes(rows.names, in_window=True), np.int32(-1))[rows.topic]
    item, score, usable = scores.coded(answers)
    # Of an answer that cannot be used the first one counts, too: no later answer to the item does.
    counts = irt.first_answers(person, item, score, time=np.arange(len(item)))
    counts &= usable & known_scores(parameters, item, score)
    counted = rows.of_rows(counts)
    columns = [rows.of_rows(person), topic, rows.of_rows(item), rows.of_rows(score)]
    if rows.n_topics is not None:
        columns.append(rows.n_topics)
    return group_by_student_and_topic(irt.TopicAnswers(*(column[counted] for column in columns)), parameters, pairs)


class _Topics:
    """Codes of topics that are the same in every bucket, and which topics the window has."""

    def __init__(self) -> None:
        self._code: dict[str, int] = {}
        self._in_window: set[int] = set()

    def codes(self, names: pa.Array, *, in_window: bool) -> np.ndarray:
        """Give the codes of topics, int32 [n], to new ones the next."""
        codes = [self._code.setdefault(name, len(self._code)) for name in names.to_pylist()]
        if in_window:
            self._in_window.update(codes)
        return np.array(codes, np.int32)

    @property
    def names(self) -> np.ndarray:
        """The name of each code, objects."""
        return np.array(list(self._code), object)

    @property
    def in_window(self) -> np.ndarray:
        """Whether the window has the topic of each code, bool."""
        return np.isin(np.arange(len(self._code)), list(self._in_window))


@dataclass(frozen=True, kw_only=True)
class _Day:
    """The students who are active on the day, and each of their (student, topic) pairs once, as codes."""

    students: pa.Array
    pair_students: pa.Array
    student: np.ndarray
    topic: np.ndarray

    @classmethod
    def of(cls, active: pa.Table, topics: _Topics) -> "_Day":
        pairs = active_pairs(active)
        student, names = codes_and_names(pairs["user_id"])
        topic, topic_names = codes_and_names(pairs["topic_id"])
        of_names = topics.codes(topic_names, in_window=False)
        return cls(
            students=codes_and_names(active["student_id"])[1],
            pair_students=names,
            student=student,
            topic=of_names[topic] if len(of_names) else topic,
        )

    def is_active(self, names: pa.Array) -> np.ndarray:
        """Tell which students of a bucket are active, bool [n]."""
        return pc.is_in(names, self.students).to_numpy(zero_copy_only=False)

    def pairs_of(self, names: pa.Array) -> tuple[np.ndarray, np.ndarray]:
        """Select the pairs of the students of a bucket: their places in it, and topics."""
        place = pc.index_in(self.pair_students, names).fill_null(-1).to_numpy()
        student = place[self.student] if len(place) else self.student
        return student[student >= 0], self.topic[student >= 0]


class _Sample:
    """The students whose answers tau is estimated from: chosen by a hash of their id, so that buckets make no difference."""

    def __init__(self) -> None:
        self.answers: GroupedAnswers = NO_GROUPS
        self._hash = np.empty(0, np.uint64)

    def add(self, grouped: GroupedAnswers, names: pa.Array) -> None:
        """Add the students of a bucket with answers in two topics or more, and keep those of MAX_PAIRS pairs."""
        several = np.flatnonzero(grouped.n_topics >= 2)
        of_several = names.take(pa.array(grouped.student[several])).to_numpy(zero_copy_only=False)
        hashes = np.concatenate([self._hash, pd.util.hash_array(of_several, categorize=False)])
        size = np.concatenate([self.answers.n_topics, grouped.n_topics[several]])
        order = np.argsort(hashes, kind="stable")
        kept = np.sort(order[np.cumsum(size[order]) <= MAX_PAIRS])
        n_before = len(self._hash)
        old, new = kept[kept < n_before], several[kept[kept >= n_before] - n_before]
        joined = join_groups([self.answers.take(old), grouped.take(new)])
        by_hash = np.argsort(hashes[kept], kind="stable")
        self.answers, self._hash = joined.take(by_hash), hashes[kept][by_hash]


def _rows(abilities: irt.TopicAbilities, names: pa.Array, topics: _Topics) -> pd.DataFrame:
    """Lay out TOPIC_THETA_COLUMNS of the students of a bucket."""
    known = topics.in_window[abilities.topic]
    return pd.DataFrame(
        {
            "user_id": np.asarray(names, object)[abilities.person[known]],
            "topic_id": topics.names[abilities.topic[known]],
            "theta": abilities.theta[known],
            "se": abilities.se[known],
            "n_responses": abilities.n_responses[known],
        }
    )
