"""S-X2: fit of items to complete data, by the score in the test."""

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import chdtrc

from seedtest_assets.irt.errors import DataError
from seedtest_assets.irt.estep import Answers
from seedtest_assets.irt.grid import Grid
from seedtest_assets.irt.parallel import kernel, run
from seedtest_assets.irt.parameters import ItemParameters, category_probabilities, free_parameters, grid_of_test
from seedtest_assets.irt.responses import Responses
from seedtest_assets.irt.screening import answers_to

# Persons that each cell of the table is expected to have.
LEAST_EXPECTED = 1.0


def s_x2(
    responses: Responses,
    items: ItemParameters,
    *,
    n_parameters: int | ArrayLike | None = None,
    grid: Grid | None = None,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Compute S-X2 of each item ([1]_, with partial credit [2]_); complete data only.

    Parameters
    ----------
    responses : Responses
    items : ItemParameters
    n_parameters : int or int [n_items], optional
        Parameters estimated for each item, taken from the degrees of freedom; by default `free_parameters(items)`.
    grid : Grid, optional
        The population; by default N(0, 1), over as many nodes as the test needs.

    Returns
    -------
    statistic, df, p : float64 [n_items]
        NaN where no degree of freedom is left.

    Raises
    ------
    DataError
        A person did not answer every item.

    Notes
    -----
    Persons with the same score in the whole test make a row, those with the same score on the item a cell of it. Scores in the test
    at which the item cannot have every score are merged with the nearest one at which it can. Where fewer than 1 person is
    expected, a cell is merged with the neighbour in its row that expects fewer, while the row has more than two; then a row with
    the neighbouring row that has fewer persons. That gives the statistic and df of R's mirt.

    References
    ----------
    .. [1] Orlando, M., & Thissen, D. (2000). Likelihood-based item-fit indices for dichotomous item response theory
       models. Applied Psychological Measurement, 24(1), 50-64.
    .. [2] Kang, T., & Chen, T. T. (2008). Performance of the generalized S-X2 item fit index for polytomous IRT models.
       Journal of Educational Measurement, 45(4), 391-406.

    Examples
    --------
    >>> import numpy as np
    >>> from seedtest_assets import irt
    >>> items = irt.ItemParameters(np.arange(8), np.ones(8), np.linspace(-1, 1, 8), np.zeros(8))
    >>> responses = irt.Responses.from_matrix(irt.simulate(np.random.default_rng(0).normal(size=2000), items))
    >>> statistic, df, p = irt.s_x2(responses, items, n_parameters=0)
    >>> df
    array([7., 7., 7., 7., 7., 7., 7., 7.])
    """
    statistic, cells = _chi_squares(answers_to(responses, items.item, items.scores), items, grid or grid_of_test(items))
    df = cells - (free_parameters(items) if n_parameters is None else np.asarray(n_parameters))
    statistic = np.where(df > 0, statistic, np.nan)
    return statistic, df, chdtrc(df, statistic)


def _chi_squares(answers: Answers, items: ItemParameters, grid: Grid) -> tuple[np.ndarray, np.ndarray]:
    """Compute the statistic of each item and how many of its cells are free, float64 [n_items] each."""
    score = _complete(answers)
    highest = items.max_score
    lowest = answers.scores.score[answers.scores.first[:-1]].astype(np.int64)
    shares = expected_shares(items, highest, grid)
    total = score.sum(axis=1)
    between = slice(int(lowest.sum()) + 1, int(highest.sum()))  # the lowest and highest total tell nothing of an item
    statistic, cells = np.empty(len(items)), np.empty(len(items))
    for j in range(len(items)):
        used = answers.scores.score[answers.scores.item == j].astype(np.int64)
        counts = [np.bincount(total[score[:, j] == k], minlength=shares.shape[1])[between] for k in used]
        observed, expected = merged_cells(np.stack(counts, axis=1).astype(np.float64), shares[j, between][:, used])
        statistic[j] = np.sum((observed - expected) ** 2 / np.where(expected > 0, expected, np.inf))
        cells[j] = np.count_nonzero(expected) - len(expected)
    return statistic, cells


def _complete(answers: Answers) -> np.ndarray:
    """Tabulate scores, int64 [n_persons who answered, n_items]. Raises DataError when one is missing."""
    lengths = np.diff(answers.start)
    if not np.isin(lengths, [0, answers.n_items]).all():
        raise DataError(
            "a person did not answer every item, and S-X2 needs complete data. The chi-square of item_fit does not"
        )
    codes = answers.code.reshape(-1, answers.n_items)
    score = np.empty(codes.shape, np.int64)
    np.put_along_axis(score, answers.scores.item[codes], answers.scores.score[codes].astype(np.int64), axis=1)
    return score


def expected_shares(items: ItemParameters, highest: np.ndarray, grid: Grid) -> np.ndarray:
    """Compute how those with each score in the test divide into scores on an item, float64 [n_items, n_totals, n_scores].

    0 for a score in the test that nobody can have.
    """
    p = category_probabilities(grid.node, items)
    out = np.zeros((len(items), int(highest.sum()) + 1, p.shape[1]))
    run(lambda j, _: _divide(p, highest, grid.weight, j, out[j]), [(j, j + 1) for j in range(len(items))])
    everyone = out.sum(axis=2, keepdims=True)
    return np.divide(out, everyone, out=out, where=everyone > 0)


@kernel
def _divide(p: np.ndarray, highest: np.ndarray, weight: np.ndarray, j: int, out: np.ndarray) -> None:
    """Compute the chance of each score in the test with each score on item j, float64 [n_totals, n_scores].

    The score in the test without item j is distributed by the recursion of Lord & Wingersky (1984) for any scores (Thissen, Pommerich,
    Billeaud & Williams, 1995), at each node.
    """
    width = weight.size
    without = np.zeros((out.shape[0], width))
    without[0] = 1.0
    top = 0
    for i in range(p.shape[0]):
        if i == j:
            continue
        top += highest[i]
        for total in range(top, -1, -1):
            row, of_item = without[total], p[i, 0]
            for q in range(width):
                row[q] *= of_item[q]
            for k in range(1, min(highest[i], total) + 1):
                lower, of_item = without[total - k], p[i, k]
                for q in range(width):
                    row[q] += lower[q] * of_item[q]
    for total in range(top + 1):
        for k in range(highest[j] + 1):
            chance = 0.0
            for q in range(width):
                chance += without[total, q] * p[j, k, q] * weight[q]
            out[total + k, k] = chance


def merged_cells(observed: np.ndarray, share: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Merge cells of persons with each score in the test and on the item, until enough are expected in each.

    share: of the persons with a score in the test, float64 [n_totals, n_scores], 0 where a score on the item is impossible. Gives
    observed and expected persons; a cell that is merged with its neighbour leaves a 0 at the end of the row.
    """
    expected = observed.sum(axis=1, keepdims=True) * share
    possible = np.flatnonzero((share > 0).all(axis=1))
    if not len(possible):
        return observed[:0], expected[:0]
    start = np.concatenate([[0], np.arange(possible[0] + 1, possible[-1] + 1)])
    observed, expected = (np.add.reduceat(cells, start, axis=0) for cells in (observed, expected))
    answered = expected.any(axis=1)
    observed, expected = observed[answered], expected[answered]
    for row in range(len(expected)):
        _merge_scores(observed[row], expected[row])
    return _merge_totals(observed, expected)


def _merge_scores(observed: np.ndarray, expected: np.ndarray) -> None:
    """Merge the cells of a row that expect too few with their neighbours, in place, while there are more than two."""
    n = len(expected)
    while n > 2 and expected[:n].min() < LEAST_EXPECTED:
        cell = n - 1 - int(np.argmin(expected[:n][::-1]))
        if cell == 0:
            into = 1
        elif cell == n - 1:
            into = cell - 1
        else:
            into = cell - 1 if expected[cell - 1] <= expected[cell + 1] else cell + 1
        for row in (observed, expected):
            row[into] += row[cell]
            row[cell : n - 1] = row[cell + 1 : n]
            row[n - 1] = 0
        n -= 1


def _merge_totals(observed: np.ndarray, expected: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Merge rows in which a cell expects too few with the neighbour that has fewer persons."""
    while len(expected) > 1:
        sparse = np.flatnonzero(((expected < LEAST_EXPECTED) & (expected != 0)).any(axis=1))
        if not len(sparse):
            break
        row = sparse[0]
        if row == 0:
            into = 1
        elif row == len(expected) - 1:
            into = row - 1
        else:
            into = row - 1 if observed[row - 1].sum() <= observed[row + 1].sum() else row + 1
        observed[into] += observed[row]
        expected[into] += expected[row]
        observed, expected = np.delete(observed, row, axis=0), np.delete(expected, row, axis=0)
    return observed, expected
