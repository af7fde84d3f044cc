"""Abilities of persons whose items are known: EAP, and how reliable they are."""

import numpy as np

from seedtest_assets.irt.errors import DataError
from seedtest_assets.irt.estep import Answers, expect
from seedtest_assets.irt.grid import LIMIT, N_NODES, Grid, normal_grid
from seedtest_assets.irt.parallel import kernel
from seedtest_assets.irt.parameters import ItemParameters, information
from seedtest_assets.irt.responses import Responses
from seedtest_assets.irt.screening import answers_to


def expected_a_posteriori(
    responses: Responses, items: ItemParameters, mean: float = 0.0, sd: float = 1.0, grid: Grid | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """EAP ability and posterior SD of every person under theta ~ N(mean, sd^2), float64 [n_persons] each (Bock &
    Mislevy, 1982).

    Answers to items without parameters are not used; a person with none has the mean and SD of the population. Where
    a test is so long that the posterior is narrower than the grid's steps, it is integrated again on a grid of its own.
    """
    if not (np.isfinite(mean) and np.isfinite(sd) and sd > 0):
        raise DataError(f"the population needs a finite mean and an SD above 0, not {mean} and {sd}")
    answers = answers_to(responses, items.item)
    return score(answers, items.a, items.d, items.c, np.array([mean]), np.array([sd]), grid or normal_grid(mean, sd))[
        :2
    ]


def score(answers: Answers, a, d, c, mean, sd, grid: Grid) -> tuple[np.ndarray, np.ndarray, float]:
    """EAP, posterior SD and the log-likelihood of all answers, at slopes a, intercepts d; mean, sd: float64
    [n_groups]."""
    expected = expect(answers, a, d, c, grid, counts=False, abilities=True)
    theta, theta_se = expected.theta, expected.theta_se
    unseen = np.diff(answers.start) == 0
    theta[unseen], theta_se[unseen] = mean[answers.group[unseen]], sd[answers.group[unseen]]
    narrow = np.flatnonzero(theta_se < 0.8 * (grid.node[1] - grid.node[0]))
    if len(narrow):
        _integrate_again(narrow, answers.start, answers.code, answers.group, a, d, c, mean, sd, theta, theta_se)
    return theta, theta_se, expected.loglik


def reliability(theta: np.ndarray, theta_se: np.ndarray) -> float:
    """Empirical reliability var(theta) / (var(theta) + mean(theta_se^2)); 0 for fewer than 2 persons."""
    if len(theta) < 2:
        return 0.0
    true = float(np.var(theta, ddof=1))
    return true / (true + float(np.mean(theta_se**2)))


def marginal_reliability(items: ItemParameters, mean: float = 0.0, sd: float = 1.0) -> float:
    """Reliability that a test of these items would have in N(mean, sd^2): the mean of I / (I + 1 / sd^2) (Green et
    al., 1984)."""
    grid = normal_grid(mean, sd)
    test_information = information(grid.node, items).sum(axis=0)
    return float(np.exp(grid.log_weight) @ (test_information / (test_information + 1 / sd**2)))


@kernel
def _integrate_again(persons, start, code, group, a, d, c, mean, sd, theta, theta_se):
    """EAP and SD of some persons on a grid of their own, 6 posterior SDs to either side, moved until it holds the
    posterior."""
    logs = np.empty(N_NODES)
    for p in persons:
        middle, half_width = theta[p], LIMIT * max(theta_se[p], 0.05)
        for _ in range(20):
            for q in range(N_NODES):
                x = middle + half_width * (2.0 * q / (N_NODES - 1) - 1)
                logs[q] = -0.5 * ((x - mean[group[p]]) / sd[group[p]]) ** 2
                for k in range(start[p], start[p + 1]):
                    j = code[k] >> 1
                    z = a[j] * x + d[j]
                    tail = np.log1p(np.exp(-abs(z)))
                    if code[k] & 1 == 0:
                        logs[q] += np.log1p(-c[j]) - max(z, 0.0) - tail
                    elif c[j] > 0:
                        logs[q] += np.log(c[j] + (1 - c[j]) * np.exp(min(z, 0.0) - tail))
                    else:
                        logs[q] += min(z, 0.0) - tail
            weight = np.exp(logs - logs.max())
            weight /= weight.sum()
            first, second = 0.0, 0.0
            for q in range(N_NODES):
                first += weight[q] * (middle + half_width * (2.0 * q / (N_NODES - 1) - 1))
            for q in range(N_NODES):
                second += weight[q] * (middle + half_width * (2.0 * q / (N_NODES - 1) - 1) - first) ** 2
            inside = abs(first - middle) < 0.5 * half_width
            theta[p], theta_se[p] = first, np.sqrt(second)
            resolved = theta_se[p] > half_width / LIMIT * 0.5 and theta_se[p] < half_width / LIMIT * 1.5
            if inside and resolved:
                break
            middle = first
            if not resolved:
                half_width = LIMIT * max(theta_se[p], half_width / LIMIT / 4)
