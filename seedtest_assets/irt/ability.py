"""Abilities of persons whose items are known: EAP, and how reliable they are."""

import numpy as np

from seedtest_assets.irt.curves import log_wrong_and_right
from seedtest_assets.irt.errors import DataError
from seedtest_assets.irt.estep import Answers, expect
from seedtest_assets.irt.grid import LIMIT, N_NODES, Grid, normal_grid
from seedtest_assets.irt.kernel_arguments import AnswerLists, Curves, Moments, Populations
from seedtest_assets.irt.parallel import kernel
from seedtest_assets.irt.parameters import ItemParameters, information
from seedtest_assets.irt.responses import Responses
from seedtest_assets.irt.screening import answers_to

# A posterior SD below this share of the grid's step is integrated again on finer nodes.
NARROW = 0.8
# Times that such nodes are moved until they hold the posterior.
MOVES = 20


def expected_a_posteriori(
    responses: Responses, items: ItemParameters, mean: float = 0.0, sd: float = 1.0, grid: Grid | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Estimate the ability of every person whose items are known (EAP [1]_).

    Parameters
    ----------
    responses : Responses
        Answers to items without parameters are not used.
    items : ItemParameters
    mean, sd : float
        The population, theta ~ N(mean, sd^2); a person without answers has its mean and SD.
    grid : Grid, optional
        By default `normal_grid(mean, sd)`. Where a test is so long that the posterior is narrower than the grid's
        steps, it is integrated again on finer nodes.

    Returns
    -------
    theta, theta_se : float64 [n_persons]
        Posterior means and SDs.

    Raises
    ------
    DataError
        A population that is not possible.

    References
    ----------
    .. [1] Bock, R. D., & Mislevy, R. J. (1982). Adaptive EAP estimation of ability in a microcomputer environment.
       Applied Psychological Measurement, 6(4), 431-444.

    Examples
    --------
    >>> import numpy as np
    >>> from seedtest_assets import irt
    >>> items = irt.ItemParameters([0, 1], a=[1.0, 1.5], b=[-0.5, 0.5], c=[0.0, 0.0])
    >>> theta, se = irt.expected_a_posteriori(irt.Responses.from_matrix([[1, 1], [1, 0]]), items)
    >>> np.round(theta, 2), np.round(se, 2)
    (array([ 0.84, -0.09]), array([0.8 , 0.79]))
    """
    if not (np.isfinite(mean) and np.isfinite(sd) and sd > 0):
        raise DataError(f"the population needs a finite mean and an SD above 0, not {mean} and {sd}")
    answers = answers_to(responses, items.item)
    populations = Populations(np.array([float(mean)]), np.array([float(sd)]))
    theta, theta_se, _ = score(answers, items.curves, populations, grid or normal_grid(mean, sd))
    return theta, theta_se


def score(
    answers: Answers, curves: Curves, populations: Populations, grid: Grid
) -> tuple[np.ndarray, np.ndarray, float]:
    """Compute EAP abilities, posterior SDs and the log-likelihood of all answers."""
    expected = expect(answers, curves, grid, counts=False, abilities=True)
    theta, theta_se = expected.theta, expected.theta_se
    group = answers.group[~answers.answered]
    theta[~answers.answered], theta_se[~answers.answered] = populations.mean[group], populations.sd[group]
    narrow = np.flatnonzero(theta_se < NARROW * (grid.node[1] - grid.node[0]))
    if len(narrow):
        _integrate_again(narrow, answers.lists, curves, populations, Moments(theta, theta_se))
    return theta, theta_se, expected.loglik


def reliability(theta: np.ndarray, theta_se: np.ndarray) -> float:
    """Compute the empirical reliability var(theta) / (var(theta) + mean(theta_se^2)).

    Parameters
    ----------
    theta, theta_se : float64 [n_persons]
        EAP abilities and posterior SDs.

    Returns
    -------
    float
        0 for fewer than 2 persons.

    Examples
    --------
    >>> import numpy as np
    >>> from seedtest_assets import irt
    >>> round(irt.reliability(np.array([-1.0, 0.0, 1.0]), np.array([0.5, 0.5, 0.5])), 2)
    0.8
    """
    if len(theta) < 2:
        return 0.0
    true = float(np.var(theta, ddof=1))
    return true / (true + float(np.mean(theta_se**2)))


def marginal_reliability(items: ItemParameters, mean: float = 0.0, sd: float = 1.0) -> float:
    """Compute the reliability that a test of these items would have in N(mean, sd^2): the mean of I / (I + 1 / sd^2).

    Parameters
    ----------
    items : ItemParameters
    mean, sd : float
        The population.

    Returns
    -------
    float

    References
    ----------
    .. [1] Green, B. F., Bock, R. D., Humphreys, L. G., Linn, R. L., & Reckase, M. D. (1984). Technical guidelines for
       assessing computerized adaptive tests. Journal of Educational Measurement, 21(4), 347-360.

    Examples
    --------
    >>> import numpy as np
    >>> from seedtest_assets import irt
    >>> items = irt.ItemParameters(np.arange(20), a=np.full(20, 1.2), b=np.linspace(-2, 2, 20), c=np.zeros(20))
    >>> round(irt.marginal_reliability(items), 2)
    0.81
    """
    grid = normal_grid(mean, sd)
    test_information = information(grid.node, items).sum(axis=0)
    return float(grid.weight @ (test_information / (test_information + 1 / sd**2)))


@kernel
def _integrate_again(
    persons: np.ndarray, answers: AnswerLists, curves: Curves, populations: Populations, moments: Moments
) -> None:
    """Integrate some persons on nodes 6 posterior SDs to either side, moved until they hold the posterior."""
    theta, theta_se = moments.theta, moments.theta_se
    logs, node = np.empty(N_NODES), np.empty(N_NODES)
    for p in persons:
        middle, half_width = theta[p], LIMIT * max(theta_se[p], 0.05)
        for _ in range(MOVES):
            for q in range(N_NODES):
                node[q] = middle + half_width * (2.0 * q / (N_NODES - 1) - 1)
            _log_posterior(p, answers, curves, populations, node, logs)
            weight = np.exp(logs - logs.max())
            weight /= weight.sum()
            first, second = 0.0, 0.0
            for q in range(N_NODES):
                first += weight[q] * node[q]
            for q in range(N_NODES):
                second += weight[q] * (node[q] - first) ** 2
            inside = abs(first - middle) < 0.5 * half_width
            theta[p], theta_se[p] = first, np.sqrt(second)
            resolved = theta_se[p] > half_width / LIMIT * 0.5 and theta_se[p] < half_width / LIMIT * 1.5
            if inside and resolved:
                break
            middle = first
            if not resolved:
                half_width = LIMIT * max(theta_se[p], half_width / LIMIT / 4)


@kernel
def _log_posterior(
    p: int, answers: AnswerLists, curves: Curves, populations: Populations, node: np.ndarray, logs: np.ndarray
) -> None:
    """Write a person's log posterior at the nodes, up to a constant."""
    mean, sd = populations.mean[answers.group[p]], populations.sd[answers.group[p]]
    for q in range(node.size):
        logs[q] = -0.5 * ((node[q] - mean) / sd) ** 2
        for k in range(answers.start[p], answers.start[p + 1]):
            j = answers.code[k] >> 1
            log_wrong, log_right = log_wrong_and_right(curves.a[j] * node[q] + curves.d[j], curves.c[j])
            logs[q] += log_right if answers.code[k] & 1 else log_wrong
