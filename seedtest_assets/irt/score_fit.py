"""S-X2: fit of items to complete data, by number-right score."""

import numpy as np
from scipy.special import chdtrc

from seedtest_assets.irt.errors import DataError
from seedtest_assets.irt.estep import Answers
from seedtest_assets.irt.grid import Grid
from seedtest_assets.irt.parameters import ItemParameters, grid_of_test, probability
from seedtest_assets.irt.responses import Responses
from seedtest_assets.irt.screening import answers_to


def s_x2(
    responses: Responses, items: ItemParameters, *, n_parameters: int = 2, grid: Grid | None = None
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Compute S-X2 of each item [1]_; complete data only.

    Parameters
    ----------
    responses : Responses
    items : ItemParameters
    n_parameters : int
        Parameters estimated for each item, taken from the degrees of freedom.
    grid : Grid, optional
        The population; by default N(0, 1), over as many nodes as the test needs.

    Returns
    -------
    statistic, df, p : float64 [n_items]
        Scores whose expected right or wrong answers are below 1 are merged with the neighbour that has fewer persons.

    Raises
    ------
    DataError
        A person did not answer every item.

    References
    ----------
    .. [1] Orlando, M., & Thissen, D. (2000). Likelihood-based item-fit indices for dichotomous item response theory
       models. Applied Psychological Measurement, 24(1), 50-64.

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
    answers = answers_to(responses, items.item)
    n_items = len(items)
    correct = _complete(answers)
    grid = grid or grid_of_test(items)
    weight = grid.weight
    p = probability(grid.node, items)
    total = correct.sum(axis=1).astype(np.int64)
    n_score = np.bincount(total, minlength=n_items + 1)[1:n_items]
    everyone = _score_distribution(p) @ weight
    statistic, df = np.empty(n_items), np.empty(n_items)
    for j in range(n_items):
        without = _score_distribution(np.delete(p, j, axis=0))
        share = (without[: n_items - 1] * p[j]) @ weight / everyone[1:n_items]
        right = np.bincount(total[correct[:, j] > 0], minlength=n_items + 1)[1:n_items]
        observed = np.stack([n_score - right, right], axis=1).astype(np.float64)
        expected = n_score[:, None] * np.stack([1 - share, share], axis=1)
        observed, expected = _merge(observed, expected)
        statistic[j] = np.sum((observed - expected) ** 2 / np.where(expected > 0, expected, np.inf))
        df[j] = len(expected) - n_parameters
    statistic = np.where(df > 0, statistic, np.nan)
    return statistic, df, chdtrc(df, statistic)


def _complete(answers: Answers) -> np.ndarray:
    """Tabulate answers 1 and 0, float64 [n_persons who answered, n_items]. Raises DataError when one is missing."""
    lengths = np.diff(answers.start)
    if not np.isin(lengths, [0, answers.n_items]).all():
        raise DataError(
            "a person did not answer every item, and S-X2 needs complete data. The chi-square of item_fit does not"
        )
    codes = answers.code.reshape(-1, answers.n_items)
    correct = np.empty(codes.shape)
    np.put_along_axis(correct, codes >> 1, codes & 1, axis=1)
    return correct


def _score_distribution(p: np.ndarray) -> np.ndarray:
    """Compute the chance of each number right at each node, float64 [n_items + 1, n_nodes] (Lord & Wingersky, 1984)."""
    scores = np.zeros((len(p) + 1, p.shape[1]))
    scores[0] = 1
    for n, row in enumerate(p):
        scores[1 : n + 2] = scores[1 : n + 2] * (1 - row) + scores[: n + 1] * row
        scores[0] *= 1 - row
    return scores


def _merge(observed: np.ndarray, expected: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Merge scores with too few expected answers into their neighbours."""
    while len(expected) > 1:
        sparse = np.flatnonzero(((expected < 1) & (expected != 0)).any(axis=1))
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
