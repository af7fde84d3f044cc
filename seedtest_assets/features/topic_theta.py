"""Topic abilities by name: which answers count, who gets a row, names to codes and back."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import NamedTuple

import numpy as np
import pandas as pd
import pyarrow as pa

from seedtest_assets import irt
from seedtest_assets.engines.codes import coded, codes_and_names, in_order, is_one_of, places_among, sorted_names
from seedtest_assets.errors import InputError
from seedtest_assets.features.topics_of_answers import active_pairs, rows_by_topic
from seedtest_assets.irt.shards import Shards, ShardsHere
from seedtest_assets.irt.topic_answers import GroupedAnswers, group_by_student_and_topic, join_groups
from seedtest_assets.irt.topic_tau import MAX_PAIRS
from seedtest_assets.score_categories import SCORED_COLUMNS, ItemScores, item_scores, known_scores
from seedtest_assets.student_sample import hashes_of
from seedtest_assets.table_shards import TableShards

ANSWER_COLUMNS = ("student_id", "topic_id", "completed_at", *SCORED_COLUMNS)
TOPIC_ROW_SCHEMA = pa.schema(
    [
        ("user_id", pa.string()),
        ("topic_id", pa.string()),
        ("theta", pa.float64()),
        ("se", pa.float64()),
        ("n_responses", pa.int64()),
    ]
)


@dataclass(frozen=True)
class TopicTheta:
    """rows: TOPIC_ROW_SCHEMA; spread: how far topics lie apart within a student, None without any parameters."""

    rows: pa.Table
    spread: irt.TopicSpread | None

    def of_fit(self, model: str, fitted_at: datetime) -> pa.Table:
        """Give the rows with the model of the parameters, and when they were computed, as they are written."""
        n = len(self.rows)
        return self.rows.append_column("model", pa.repeat(model, n)).append_column("fitted_at", pa.repeat(fitted_at, n))


def topic_theta(
    parts: TableShards, active: pa.Table, items: pd.DataFrame, population_mean: float, population_sd: float
) -> TopicTheta:
    """Ability in every topic of the students who are active.

    parts: student_id, item_id, topic_id, correct, perhaps score and max_score of the window, oldest first, no student in two of
        them: the first answer of a student to an item counts. Scores that an item's parameters do not have are left out.
        How many there are makes no difference.
    active: student_id, topic_id of the day's answers; a topic without answers to fitted items gets a row, too, unless
        the window (which MIRT_MAX_OBS may cut short) has nothing of the student or the topic.
    items: PARAMETER_COLUMNS. population_mean, population_sd: the calibrated group on the same scale.

    The rows of a part are in the order of users, then topics.

    Raises InputError for a population that cannot be.
    """
    scores = item_scores(parts)
    parameters = coded(items, scores.item_ids)
    if parameters is None or not len(active):
        return TopicTheta(TOPIC_ROW_SCHEMA.empty_table(), None)
    students = pa.table({"user_id": codes_and_names(active["student_id"])[1]})
    of_day = (parts.of_students(rows, "user_id") for rows in (students, active_pairs(active)))
    groups = parts.narrowed(ANSWER_COLUMNS).derive(_group_part, scores, parameters, *of_day)
    topics, codes = _topics_of_window(groups.each(_topics_of_part))
    sample = groups.total(_sample_of_part, codes, add=_Sample.plus).within(MAX_PAIRS)
    groups = groups.derive(_without_sample)
    try:
        spread = irt.topic_spread(
            sample.answers, parameters, population_mean=population_mean, population_sd=population_sd
        )
    except irt.DataError as error:
        raise InputError(str(error)) from None
    rows = groups.each(_rows_of_part, codes, topics, parameters, spread, population_mean, population_sd)
    return TopicTheta(pa.concat_tables(rows), spread)


class _Topics(NamedTuple):
    """Topics by code, sorted by name. names: text; in_window: whether an answer has the topic, bool."""

    names: pa.Array
    in_window: np.ndarray


class _Sample(NamedTuple):
    """Students whose answers tau is estimated from: those with the lowest hashes of their ids, so that parts make no difference.

    answers: in two topics or more each, by hash; hashes: uint64 [n_students].
    """

    answers: GroupedAnswers
    hashes: np.ndarray

    @classmethod
    def of(cls, grouped: GroupedAnswers, names: pa.Array) -> "_Sample":
        """Choose among the students of a part. names: of their codes."""
        several = np.flatnonzero(grouped.n_topics >= 2)
        of_several = names.take(pa.array(grouped.student[several]))
        return cls(grouped.take(several), hashes_of(of_several))._lowest()

    def plus(self, other: "_Sample") -> "_Sample":
        """Choose among the students of both."""
        answers, hashes = join_groups([self.answers, other.answers]), np.concatenate([self.hashes, other.hashes])
        return _Sample(answers, hashes)._lowest()

    def _lowest(self) -> "_Sample":
        """Keep the first students who together have MAX_PAIRS pairs or more, whoever is chosen among all parts."""
        order = np.argsort(self.hashes, kind="stable")
        size = self.answers.n_topics[order]
        kept = order[np.cumsum(size) - size < MAX_PAIRS]
        return _Sample(self.answers.take(kept), self.hashes[kept])

    def within(self, most: int) -> "_Sample":
        """Keep the first students who together have at most `most` pairs."""
        kept = np.flatnonzero(np.cumsum(self.answers.n_topics) <= most)
        return _Sample(self.answers.take(kept), self.hashes[kept])


class _Group(NamedTuple):
    """A part by student and topic. answers: of the active students, with codes of `topics`; students: names of their codes; sample:
    None when it was summed."""

    answers: GroupedAnswers
    students: pa.Array
    sample: _Sample | None
    topics: _Topics


def _group_part(
    answers: pa.Table, scores: ItemScores, parameters: irt.ItemParameters, active: pa.Table, pairs: pa.Table
) -> _Group:
    """Group the answers that count. active: user_id of the day's students; pairs: user_id, topic_id that get a row anyway."""
    # In the order of their ids, and so are the rows that come of them: PostgreSQL adds such rows to an index faster.
    person, students = in_order(*codes_and_names(answers["student_id"]))
    rows = rows_by_topic(answers["topic_id"])
    topics = sorted_names([rows.names, pairs["topic_id"]])
    topic = np.append(places_among(rows.names, topics), np.int32(-1))[rows.topic]
    item, score, usable = scores.coded(answers)
    # Of an answer that cannot be used the first one counts, too: no later answer to the item does.
    counts = irt.first_answers(person, item, score, time=np.arange(len(item)))
    counts &= usable & known_scores(parameters, item, score)
    counted = rows.of_rows(counts)
    columns = [rows.of_rows(person), topic, rows.of_rows(item), rows.of_rows(score)]
    if rows.n_topics is not None:
        columns.append(rows.n_topics)
    pair = places_among(pairs["user_id"], students), places_among(pairs["topic_id"], topics)
    known = pair[0] >= 0
    grouped = group_by_student_and_topic(
        irt.TopicAnswers(*(column[counted] for column in columns)), parameters, (pair[0][known], pair[1][known])
    )
    is_active = is_one_of(students, active["user_id"].combine_chunks()).to_numpy(zero_copy_only=False)
    return _Group(
        answers=grouped.take(np.flatnonzero(is_active[grouped.student])),
        students=students,
        sample=_Sample.of(grouped, students),
        topics=_Topics(topics, is_one_of(topics, rows.names).to_numpy(zero_copy_only=False)),
    )


def _topics_of_part(group: _Group) -> _Topics:
    return group.topics


def _topics_of_window(of_parts: Sequence[_Topics]) -> tuple[_Topics, Shards[np.ndarray]]:
    """Give the topics of all parts, and for each part the codes there of its own codes, int32 [n + 1], of -1 in the last place."""
    names = sorted_names([topics.names for topics in of_parts])
    in_window, codes = np.zeros(len(names), bool), []
    for topics in of_parts:
        places = places_among(topics.names, names)
        in_window[places[topics.in_window]] = True
        codes.append(np.append(places, np.int32(-1)))
    return _Topics(names, in_window), ShardsHere(codes)


def _sample_of_part(group: _Group, codes: np.ndarray) -> _Sample:
    assert group.sample is not None
    return group.sample._replace(answers=_with_codes(group.sample.answers, codes))


def _without_sample(group: _Group) -> _Group:
    return group._replace(sample=None)


def _with_codes(answers: GroupedAnswers, codes: np.ndarray) -> GroupedAnswers:
    return replace(answers, topic=codes[answers.topic])


def _rows_of_part(
    group: _Group,
    codes: np.ndarray,
    topics: _Topics,
    parameters: irt.ItemParameters,
    spread: irt.TopicSpread,
    population_mean: float,
    population_sd: float,
) -> pa.Table:
    """Compute rows of TOPIC_ROW_SCHEMA of the active students of a part."""
    abilities = irt.topic_abilities(
        _with_codes(group.answers, codes),
        parameters,
        population_mean=population_mean,
        population_sd=population_sd,
        tau=spread,
    )
    known = topics.in_window[abilities.topic]
    return pa.table(
        {
            "user_id": group.students.take(pa.array(abilities.person[known])),
            "topic_id": topics.names.take(pa.array(abilities.topic[known])),
            "theta": abilities.theta[known],
            "se": abilities.se[known],
            "n_responses": abilities.n_responses[known],
        }
    ).cast(TOPIC_ROW_SCHEMA)
