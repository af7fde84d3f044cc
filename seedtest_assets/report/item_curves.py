"""How well each item's curve describes its answers, for the pictures and the table."""

from dataclasses import dataclass
from typing import cast

import numpy as np
import pandas as pd
import pyarrow as pa

from seedtest_assets import irt
from seedtest_assets.encoded_columns import dictionary_of
from seedtest_assets.irt.fit_statistics import LEAST_GROUP
from seedtest_assets.item_steps import parameters_by_position
from seedtest_assets.score_categories import scores_of_fitted


@dataclass(frozen=True)
class ItemCurves:
    """Shares correct, with partial credit of the points, in groups of students of like ability, float64 [n_items, n_groups], NaN where
    a group has too few answers.

    theta: float64 [n_groups], the groups' middle abilities; observed, expected: shares correct; standard_error: of observed.
    misfit: float64 [n_items], the RMSD; it, infit and outfit: see irt.item_fit; share_correct: of the first answers.
    """

    theta: np.ndarray
    observed: np.ndarray
    expected: np.ndarray
    standard_error: np.ndarray
    misfit: np.ndarray
    infit: np.ndarray
    outfit: np.ndarray
    share_correct: np.ndarray


def item_curves(
    answers: pa.Table,
    items: pd.DataFrame,
    abilities: pd.DataFrame,
    model: str = "2PL",
    mean: float = 0.0,
    sd: float = 1.0,
) -> ItemCurves:
    """Compare the items' curves with the answers of the window.

    answers: student_id, item_id, correct, completed_at, perhaps score and max_score; items: PARAMETER_COLUMNS; abilities: user_id,
    theta;
    mean, sd: of the calibrated group.

    Groups and expectations are those of irt.item_fit, in which an answer is left out of its own ability group and expectation.
    """
    item, person = places(answers["item_id"], items["item_id"]), places(answers["student_id"], abilities["user_id"])
    parameters = parameters_by_position(items)
    score, possible = scores_of_fitted(answers, item, parameters)
    known = possible & (person >= 0)
    responses = irt.Responses.from_answers(
        person[known],
        item[known],
        score[known],
        answers["completed_at"].to_numpy()[known],
        len(abilities),
        len(items),
    )
    theta = abilities["theta"].to_numpy(float)
    fit = irt.item_fit(
        responses,
        parameters,
        theta,
        n_parameters=irt.free_parameters(parameters, cast(irt.Model, model)),
        mean=mean,
        sd=sd,
    )

    n_groups = fit.group_n.shape[1]
    middle = np.quantile(theta[np.diff(responses.person_start) > 0], (np.arange(n_groups) + 0.5) / n_groups)
    enough = fit.group_n >= LEAST_GROUP
    n = np.where(enough, fit.group_n, 0)
    observed, expected = (np.where(enough, share, np.nan) for share in (fit.group_observed, fit.group_expected))
    with np.errstate(invalid="ignore", divide="ignore"):
        standard_error = np.sqrt(np.where(enough, fit.group_variance, np.nan) / n)
        right = np.bincount(responses.item, weights=responses.score, minlength=len(items))
        share_correct = right / np.bincount(responses.item, minlength=len(items)) / parameters.max_score
    return ItemCurves(middle, observed, expected, standard_error, fit.rmsd, fit.infit, fit.outfit, share_correct)


def places(ids: pa.ChunkedArray, names: pd.Series) -> np.ndarray:
    """Where each id stands among the names, int32, -1 where it does not."""
    encoded = dictionary_of(ids)
    place = pd.Index(names).get_indexer(encoded.dictionary.to_pandas())
    return np.append(place, -1)[encoded.indices.fill_null(-1).to_numpy()].astype(np.int32)
