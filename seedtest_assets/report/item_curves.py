"""How well each item's curve describes its answers, for a sparse design in which hardly two students answer the same items."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
import pyarrow as pa
from scipy.sparse import csr_array

from seedtest_assets import irt

NODES_PER_BIN, N_BINS = 3, 10
REACH = 3.0
"""The bins go from -3 to 3 SD of the calibrated group; almost nobody is beyond, and they count in the last bins."""
MIN_ANSWERS_IN_BIN = 3.0


@dataclass(frozen=True)
class ItemCurves:
    """Observed and expected shares correct by ability, float64 [n_items, N_BINS]; NaN where a bin has too few answers.

    theta: mean ability of the answers in the bin; observed, expected: shares correct; standard_error: of observed;
    misfit: float64 [n_items], root mean squared deviation of observed from expected over the item's answers, freed of
    what chance alone adds; n_answers, share_correct: of the first answers, [n_items].
    """

    theta: np.ndarray
    observed: np.ndarray
    expected: np.ndarray
    standard_error: np.ndarray
    misfit: np.ndarray
    n_answers: np.ndarray
    share_correct: np.ndarray


def item_curves(
    answers: pa.Table, items: pd.DataFrame, abilities: pd.DataFrame, mean: float = 0.0, sd: float = 1.0
) -> ItemCurves:
    """Compare the curves of items with the answers of students whose abilities are known with an error.

    answers: student_id, item_id, correct, oldest first: a student's first answer to an item counts.
    items: item_id, a, b, c; abilities: user_id, theta, se; mean, sd: of the calibrated group.

    Every answer is spread over the abilities that its student may have, N(theta, se^2), as in the expected counts of Bock &
    Aitkin (1981). If the model holds, these counts have the model's curve as their expectation at every ability, also with
    few answers a student; groups by estimated ability do not. The deviation is the RMSD of the PISA technical reports
    (Khorramdel, Shin & von Davier, 2019), weighted by the item's own answers, less its sampling variance (as in Koehler,
    Robitzsch & Hartig, 2020).
    """
    item, person, correct = _coded(answers, items["item_id"], abilities["user_id"])
    shape = (len(items), len(abilities))
    given = csr_array((np.ones(len(item)), (item, person)), shape)
    right = csr_array((correct.astype(float), (item, person)), shape)

    node = mean + sd * np.linspace(-REACH, REACH, NODES_PER_BIN * N_BINS)
    weight = _posterior(node, abilities["theta"].to_numpy(float), abilities["se"].to_numpy(float))
    in_bin = np.repeat(np.eye(N_BINS), NODES_PER_BIN, axis=0)
    parameters = irt.ItemParameters(np.arange(len(items)), *(items[name].to_numpy(float) for name in "abc"))

    at_node = given @ weight
    n, r = at_node @ in_bin, (right @ weight) @ in_bin
    with np.errstate(invalid="ignore", divide="ignore"):
        expected = (at_node * irt.probability(node, parameters)) @ in_bin / n
        squared = (weight @ in_bin) ** 2
        variance = (right @ squared) * (1 - 2 * expected) + (given @ squared) * expected**2
        enough = n >= MIN_ANSWERS_IN_BIN
        theta, observed, expected, standard_error = (
            np.where(enough, values, np.nan)
            for values in (at_node @ (in_bin * node[:, None]) / n, r / n, expected, np.sqrt(variance) / n)
        )
        deviation = np.where(enough, n * ((observed - expected) ** 2 - standard_error**2), 0).sum(axis=1)
        misfit = np.sqrt(np.maximum(deviation, 0) / np.where(enough, n, 0).sum(axis=1))
        n_answers, n_right = given.sum(axis=1), right.sum(axis=1)
        return ItemCurves(theta, observed, expected, standard_error, misfit, n_answers, n_right / n_answers)


def _coded(answers: pa.Table, item_ids: pd.Series, user_ids: pd.Series) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    item, person = places(answers["item_id"], item_ids), places(answers["student_id"], user_ids)
    correct = answers["correct"].to_numpy()
    known = (item >= 0) & (person >= 0)
    item, person, correct = item[known], person[known], correct[known]
    first = ~pd.Series(person.astype(np.int64) * max(1, len(item_ids)) + item).duplicated().to_numpy()
    return item[first], person[first], correct[first]


def places(ids: pa.ChunkedArray, names: pd.Series) -> np.ndarray:
    """Where each id stands among the names, -1 where it does not."""
    column = ids.to_pandas().astype("category")
    return np.append(pd.Index(names).get_indexer(column.cat.categories), -1)[column.cat.codes]


def _posterior(node: np.ndarray, theta: np.ndarray, se: np.ndarray) -> np.ndarray:
    """N(theta, se^2) on the nodes, float64 [n_persons, n_nodes], rows sum to 1."""
    # Nobody is surer than the nodes can show, and who is beyond the last node counts there.
    step = node[1] - node[0]
    distance = (node - np.clip(theta, node[0], node[-1])[:, None]) / np.maximum(se, step / 2)[:, None]
    density = np.exp(-0.5 * distance**2)
    return density / density.sum(axis=1, keepdims=True)
