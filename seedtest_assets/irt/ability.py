"""Abilities of persons whose items are known: EAP, and how reliable they are."""

import numpy as np

from seedtest_assets.irt.errors import DataError
from seedtest_assets.irt.estep import Answers, expect
from seedtest_assets.irt.grid import Grid, normal_grid
from seedtest_assets.irt.kernel_arguments import Curves, Moments, Populations
from seedtest_assets.irt.own_grids import FOR_ABILITIES, integrate, unresolved
from seedtest_assets.irt.parameters import ItemParameters, grid_of_test, information
from seedtest_assets.irt.responses import Responses
from seedtest_assets.irt.screening import answers_to


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
        By default `normal_grid(mean, sd)`. A person whom it does not serve is integrated on a grid of their own: where
        the posterior is narrower than the steps or reaches an end, or an item is steeper than the steps.

    Returns
    -------
    theta, theta_se : float64 [n_persons]
        Posterior means and SDs, within 1e-3 of exact integration whatever the items.

    Raises
    ------
    DataError
        A population that is not possible, or an answer with a score that its item does not have.

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
    answers = answers_to(responses, items.item, items.scores)
    populations = Populations(np.array([float(mean)]), np.array([float(sd)]))
    grid = grid or normal_grid(mean, sd)
    curves = items.curves
    moments = expect(answers, curves, grid, counts=False, abilities=True).moments
    poor = unresolved(answers, curves, grid, moments, FOR_ABILITIES)
    return abilities(moments, poor, answers, curves, populations)


def abilities(
    moments: Moments, poor: np.ndarray, answers: Answers, curves: Curves, populations: Populations
) -> tuple[np.ndarray, np.ndarray]:
    """Take EAP abilities and posterior SDs, those of the persons `poor`, int64, from grids of their own.

    A person without answers has the population's mean and SD.
    """
    moments = Moments(*(values.copy() for values in moments))
    integrate(poor, answers.lists, curves, populations, moments)
    mean, sd = populations.mean[answers.group], populations.sd[answers.group]
    return np.where(answers.answered, moments.theta, mean), np.where(answers.answered, moments.theta_se, sd)


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
    grid = grid_of_test(items, mean, sd)
    test_information = information(grid.node, items).sum(axis=0)
    return float(grid.weight @ (test_information / (test_information + 1 / sd**2)))
