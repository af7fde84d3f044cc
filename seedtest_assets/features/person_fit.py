"""Person fit by name: lz* of the students who are active."""

from collections.abc import Mapping
from typing import Any

import pandas as pd
import pyarrow as pa

from seedtest_assets import irt
from seedtest_assets.engines.codes import coded, codes_and_names, is_one_of
from seedtest_assets.score_categories import scores_of_parameters

ABERRANT = -1.645
"""lz* below which a pattern of answers is aberrant."""
EXPECTED_SHARE = 0.05
"""Of a standard normal variable below ABERRANT."""
COLUMNS = ["student_id", "lz_star", "n_answers"]


def person_fit(answers: pa.Table, active: pa.Table, items: pd.DataFrame, model_spec: Mapping[str, Any]) -> pd.DataFrame:
    """Compute COLUMNS of the active students from their answers of the window.

    answers: student_id, item_id, correct, completed_at, perhaps score and max_score of the window; active: student_id of the day's answers; items:
    PARAMETER_COLUMNS; model_spec: of the fit, for the population.
    """
    _, students = codes_and_names(active["student_id"])
    item, item_names = codes_and_names(answers["item_id"])
    parameters = coded(items, item_names)
    if parameters is None:
        return pd.DataFrame(columns=COLUMNS)
    score, known = scores_of_parameters(answers, item, parameters)
    wanted = known & is_one_of(answers["student_id"], students).to_numpy(zero_copy_only=False)
    of_active = answers.filter(pa.array(wanted))
    person, names = codes_and_names(of_active["student_id"])
    responses = irt.Responses.from_answers(
        person,
        item[wanted],
        score[wanted],
        of_active["completed_at"].to_numpy(),
        n_persons=len(names),
        n_items=len(item_names),
    )
    lz_star = irt.person_fit(responses, parameters, mean=model_spec["group_mean"], sd=model_spec["group_sd"])
    n_answers = pd.Series(responses.person_start).diff().iloc[1:].to_numpy(int)
    return pd.DataFrame({"student_id": names.to_pandas().astype(object), "lz_star": lz_star, "n_answers": n_answers})
