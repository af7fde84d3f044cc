"""Topic abilities by name: which answers count, who gets a row, names to codes and back."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from seedtest_assets import irt
from seedtest_assets.engines.codes import coded, codes_and_names
from seedtest_assets.errors import InputError
from seedtest_assets.features.topics_of_answers import active_pairs, rows_by_topic
from seedtest_assets.score_categories import scores_of_parameters

TOPIC_THETA_COLUMNS = ["user_id", "topic_id", "theta", "se", "n_responses"]


@dataclass(frozen=True)
class TopicTheta:
    """rows: TOPIC_THETA_COLUMNS; spread: how far topics lie apart within a student, None without any parameters."""

    rows: pd.DataFrame
    spread: irt.TopicSpread | None


def topic_theta(
    answers: pa.Table, active: pa.Table, items: pd.DataFrame, population_mean: float, population_sd: float
) -> TopicTheta:
    """Ability in every topic of the students who are active.

    answers: student_id, item_id, topic_id, correct, perhaps score and max_score of the window, oldest first: the first of a student
        to an item counts. Scores that an item's parameters do not have are left out.
    active: student_id, topic_id of the day's answers; a topic without answers to fitted items gets a row, too, unless
        the window (which MIRT_MAX_OBS may cut short) has nothing of the student or the topic.
    items: PARAMETER_COLUMNS. population_mean, population_sd: the calibrated group on the same scale.

    Raises InputError for a population that cannot be.
    """
    person, students = codes_and_names(answers["student_id"])
    item, item_names = codes_and_names(answers["item_id"])
    parameters = coded(items, item_names)
    if parameters is None or not len(active):
        return TopicTheta(pd.DataFrame(columns=TOPIC_THETA_COLUMNS), None)
    score, known = scores_of_parameters(answers, item, parameters)
    first = irt.first_answers(person, item, score, time=np.arange(len(person))) & known
    rows = rows_by_topic(answers["topic_id"])
    columns = [rows.of_rows(person), rows.topic, rows.of_rows(item), rows.of_rows(score)]
    if rows.n_topics is not None:
        columns.append(rows.n_topics)
    counted = [column[rows.of_rows(first)] for column in columns]
    try:
        spread = irt.topic_spread(
            irt.TopicAnswers(*counted), parameters, population_mean=population_mean, population_sd=population_sd
        )
    except irt.DataError as error:
        raise InputError(str(error)) from None

    of_active = np.isin(counted[0], _codes_in(active["student_id"], students))
    pairs = active_pairs(active)
    of_day = _codes_in(pairs["user_id"], students), _codes_in(pairs["topic_id"], rows.names)
    placed = (of_day[0] >= 0) & (of_day[1] >= 0)
    abilities = irt.topic_abilities(
        irt.TopicAnswers(*(column[of_active] for column in counted)),
        parameters,
        population_mean=population_mean,
        population_sd=population_sd,
        tau=spread,
        pairs=(of_day[0][placed], of_day[1][placed]),
    )
    frame = pd.DataFrame(
        {
            "user_id": np.asarray(students, object)[abilities.person],
            "topic_id": np.asarray(rows.names, object)[abilities.topic],
            "theta": abilities.theta,
            "se": abilities.se,
            "n_responses": abilities.n_responses,
        }
    )
    return TopicTheta(frame, spread)


def _codes_in(ids: pa.ChunkedArray, names: pa.Array) -> np.ndarray:
    codes, names_of_day = codes_and_names(ids)
    place = pc.index_in(names_of_day, names).fill_null(-1).to_numpy()
    return np.where(codes >= 0, place[codes], -1) if len(place) else codes
