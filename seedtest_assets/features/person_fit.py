"""Person fit by name: lz* of the students who are active."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from seedtest_assets import irt
from seedtest_assets.engines.codes import coded, codes_and_names, is_one_of
from seedtest_assets.score_categories import FIRST_ANSWER_COLUMNS, ItemScores, item_scores, known_scores
from seedtest_assets.table_shards import TableShards

ABERRANT = -1.645
"""lz* below which a pattern of answers is aberrant."""
EXPECTED_SHARE = 0.05
"""Of a standard normal variable below ABERRANT."""
COLUMNS = ["student_id", "lz_star", "n_answers"]


def person_fit(
    parts: TableShards, active: pa.Table, items: pd.DataFrame, model_spec: Mapping[str, Any]
) -> pd.DataFrame:
    """Compute COLUMNS of the active students from their answers of the window.

    parts: student_id, item_id, correct, completed_at, perhaps score and max_score of the window, no student in two of them; active:
    student_id of the day's answers; items: PARAMETER_COLUMNS; model_spec: of the fit, for the population.
    """
    scores = item_scores(parts)
    parameters = coded(items, scores.item_ids)
    if parameters is None:
        return pd.DataFrame(columns=COLUMNS)
    _, students = codes_and_names(active["student_id"])
    active = parts.of_students(pa.table({"student_id": students}), "student_id")
    rows = parts.narrowed(FIRST_ANSWER_COLUMNS).each(_person_fit_of_part, active, scores, parameters, model_spec)
    return pd.concat(rows, ignore_index=True)


def _person_fit_of_part(
    answers: pa.Table,
    active: pa.Table,
    scores: ItemScores,
    parameters: irt.ItemParameters,
    model_spec: Mapping[str, Any],
) -> pd.DataFrame:
    item, score, usable = scores.coded(answers)
    known = usable & known_scores(parameters, item, score)
    wanted = known & is_one_of(answers["student_id"], active["student_id"].combine_chunks()).to_numpy(
        zero_copy_only=False
    )
    of_active = answers.filter(pa.array(wanted))
    person, names = codes_and_names(of_active["student_id"])
    responses = irt.Responses.from_answers(
        person,
        item[wanted],
        score[wanted],
        of_active["completed_at"].to_numpy(),
        n_persons=len(names),
        n_items=len(scores.item_ids),
    )
    lz_star = irt.person_fit(responses, parameters, mean=model_spec["group_mean"], sd=model_spec["group_sd"])
    n_answers = np.diff(responses.person_start)
    return pd.DataFrame({"student_id": names.to_pandas().astype(object), "lz_star": lz_star, "n_answers": n_answers})
