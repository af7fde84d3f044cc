"""Does the model fit: items (infit, outfit, S-X2, a chi-square for sparse data) and persons (lz)."""

from dataclasses import dataclass

import numpy as np
from scipy.stats import chi2

from seedtest_assets.irt.errors import DataError
from seedtest_assets.irt.estep import Answers, code_tables, padded
from seedtest_assets.irt.grid import Grid, normal_grid
from seedtest_assets.irt.parallel import chunks, kernel, spread
from seedtest_assets.irt.parameters import ItemParameters, probability
from seedtest_assets.irt.responses import Responses
from seedtest_assets.irt.screening import answers_to

N_GROUPS = 10
LEAST_RESIDUAL_VARIANCE = np.sqrt(
    1e-5
)  # of an answer in infit and outfit, as in mirt: one slip on a sure item must not be everything
LEAST_VARIANCE = 1.0  # expected variance of right answers that an ability group needs to count


@dataclass(frozen=True)
class ItemFit:
    """Fit of each item, float64 [n_items] in the order of the parameters; NaN for an item without answers.

    infit, outfit: mean squares, 1 when the model fits; z_infit, z_outfit: the same as normal deviates.
    chi_square, df, p: on ability groups, see item_fit. chi_square_observed, _expected: right answers in each ability
    group as
    shares, _n: answers, float64 [n_items, n_groups], for residual plots; group_limit: abilities between the groups,
    [n_groups - 1].
    """

    infit: np.ndarray
    z_infit: np.ndarray
    outfit: np.ndarray
    z_outfit: np.ndarray
    chi_square: np.ndarray
    df: np.ndarray
    p: np.ndarray
    group_observed: np.ndarray
    group_expected: np.ndarray
    group_n: np.ndarray
    group_limit: np.ndarray


def item_fit(
    responses: Responses,
    items: ItemParameters,
    theta: np.ndarray,
    *,
    n_parameters: int = 2,
    mean: float = 0.0,
    sd: float = 1.0,
) -> ItemFit:
    """Fit of the items to answers that may be as sparse as they like.

    theta: float64 [n_persons], EAP abilities; n_parameters: estimated for each item, taken from the degrees of
    freedom; mean, sd: of the population. All on the scale of `items`.

    infit and outfit compare squared residuals at theta with their expectation (Wright & Masters, 1982). The
    chi-square sums, over groups of persons of like ability, (right - expected)^2 / variance; ability and expectation
    of an answer come from the person's other answers only, so that an answer does not vote on its own group and
    chance (Yen's Q1, 1981, left-one-out).
    """
    answers = answers_to(responses, items.item)
    grid = normal_grid(mean, sd)
    residual = _residual_sums(answers, items, theta)
    n, z2, r2, w, c_over_w2, c_less_w2 = residual.T
    with np.errstate(divide="ignore", invalid="ignore"):
        outfit, infit = z2 / n, r2 / w
        q_outfit = np.sqrt(np.maximum(c_over_w2 / n**2 - 1 / n, 0))
        q_infit = np.sqrt(np.maximum(c_less_w2, 0)) / w
        z_outfit = (np.cbrt(outfit) - 1) * 3 / q_outfit + q_outfit / 3
        z_infit = (np.cbrt(infit) - 1) * 3 / q_infit + q_infit / 3
    answered = np.diff(answers.start) > 0
    limit = (
        np.quantile(theta[answered], np.arange(1, N_GROUPS) / N_GROUPS) if answered.any() else np.zeros(N_GROUPS - 1)
    )
    groups = _left_one_out(answers, items, grid, limit)
    count, right, expected, variance = np.moveaxis(groups, 2, 0)
    used = variance >= LEAST_VARIANCE
    chi_square = np.sum(np.where(used, (right - expected) ** 2 / np.maximum(variance, 1e-12), 0), axis=1)
    df = np.maximum(used.sum(axis=1) - n_parameters, 0).astype(np.float64)
    with np.errstate(divide="ignore", invalid="ignore"):
        return ItemFit(
            infit, z_infit, outfit, z_outfit, chi_square, df, np.where(df > 0, chi2.sf(chi_square, df), np.nan),
            right / count, expected / count, count, limit,
        )  # fmt: skip


def s_x2(responses: Responses, items: ItemParameters, *, n_parameters: int = 2, grid: Grid | None = None):
    """S-X2 of each item, its degrees of freedom and p (Orlando & Thissen, 2000), float64 [n_items] each; complete
    data only.

    Scores whose expected right or wrong answers are below 1 are merged with the neighbour that has fewer persons.

    Raises DataError when a person did not answer every item.
    """
    answers = answers_to(responses, items.item)
    n_items = len(items)
    lengths = np.diff(answers.start)
    if not np.isin(lengths, (0, n_items)).all():
        raise DataError("S-X2 needs complete data: a person did not answer every item; item_fit's chi-square does not")
    grid = grid or normal_grid()
    persons = np.flatnonzero(lengths)
    correct = np.empty((len(persons), n_items))
    codes = answers.code.reshape(len(persons), n_items)
    np.put_along_axis(correct, codes >> 1, codes & 1, axis=1)
    total = correct.sum(axis=1).astype(np.int64)
    n_score = np.bincount(total, minlength=n_items + 1)[1:n_items]
    p = probability(grid.node, items)
    weight = np.exp(grid.log_weight)
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
    return statistic, df, chi2.sf(statistic, df)


def person_fit(responses: Responses, items: ItemParameters, theta: np.ndarray) -> np.ndarray:
    """lz of every person at theta, float64 [n_persons] (Drasgow, Levine & Williams, 1985); far below 0 is an unlikely
    pattern.

    NaN for a person without answers to these items.
    """
    answers = answers_to(responses, items.item)
    out = np.full(len(theta), np.nan)
    spread(
        lambda low, high, _: _lz(low, high, answers.start, answers.code, items.a, items.d, items.c, theta, out),
        chunks(answers.start),
        lambda: None,
    )
    return out


def _score_distribution(p: np.ndarray) -> np.ndarray:
    """Chance of each number right at each node, float64 [n_items + 1, n_nodes] (Lord & Wingersky, 1984)."""
    scores = np.zeros((len(p) + 1, p.shape[1]))
    scores[0] = 1
    for n, row in enumerate(p):
        scores[1 : n + 2] = scores[1 : n + 2] * (1 - row) + scores[: n + 1] * row
        scores[0] *= 1 - row
    return scores


def _merge(observed: np.ndarray, expected: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
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


def _residual_sums(answers: Answers, items: ItemParameters, theta: np.ndarray) -> np.ndarray:
    """Sums over an item's answers, float64 [n_items, 6]: answers, z^2, residual^2, W, C / W^2, C - W^2 (W variance, C
    fourth moment)."""
    parts = spread(
        lambda low, high, out: _residuals(
            low, high, answers.start, answers.code, items.a, items.d, items.c, theta, out
        ),
        chunks(answers.start),
        lambda: np.zeros((len(items), 6)),
    )
    return np.sum(parts, axis=0)


def _left_one_out(answers: Answers, items: ItemParameters, grid: Grid, limit: np.ndarray) -> np.ndarray:
    """Answers, right ones, expected right ones and their variance in each ability group, float64 [n_items, n_groups,
    4]."""
    node, log_weight = padded(grid, np.float64)
    table = code_tables(items.a, items.d, items.c, node)
    parts = spread(
        lambda low, high, out: _leave_out(
            low, high, answers.start, answers.code, table, node, log_weight[0], limit, out
        ),
        chunks(answers.start),
        lambda: np.zeros((len(items), len(limit) + 1, 4)),
    )
    return np.sum(parts, axis=0)


@kernel
def _chance(a, d, c, theta):
    z = a * theta + d
    logistic = 1 / (1 + np.exp(-z)) if z > 0 else np.exp(z) / (1 + np.exp(z))
    return min(max(c + (1 - c) * logistic, 1e-12), 1 - 1e-12)


@kernel
def _residuals(low, high, start, code, a, d, c, theta, out):
    for i in range(low, high):
        for k in range(start[i], start[i + 1]):
            j = code[k] >> 1
            p = _chance(a[j], d[j], c[j], theta[i])
            w = p * (1 - p)
            fourth = w * ((1 - p) ** 3 + p**3)
            w = max(w, LEAST_RESIDUAL_VARIANCE)
            square = ((code[k] & 1) - p) ** 2
            out[j, 0] += 1
            out[j, 1] += square / w
            out[j, 2] += square
            out[j, 3] += w
            out[j, 4] += fourth / w**2
            out[j, 5] += fourth - w**2


@kernel
def _lz(low, high, start, code, a, d, c, theta, out):
    for i in range(low, high):
        observed, expected, variance = 0.0, 0.0, 0.0
        for k in range(start[i], start[i + 1]):
            j = code[k] >> 1
            p = _chance(a[j], d[j], c[j], theta[i])
            log_p, log_q = np.log(p), np.log1p(-p)
            observed += log_p if code[k] & 1 else log_q
            expected += p * log_p + (1 - p) * log_q
            variance += p * (1 - p) * (log_p - log_q) ** 2
        if variance > 0:
            out[i] = (observed - expected) / np.sqrt(variance)


@kernel(fastmath=True)
def _leave_out(low, high, start, code, table, node, log_weight, limit, out):
    width = node.size
    logs = np.empty(width)
    for i in range(low, high):
        for q in range(width):
            logs[q] = log_weight[q]
        for k in range(start[i], start[i + 1]):
            row = table[code[k]]
            for q in range(width):
                logs[q] += row[q]
        for k in range(start[i], start[i + 1]):
            own, right = table[code[k]], table[code[k] | 1]
            top = -1e300
            for q in range(width):
                top = max(top, logs[q] - own[q])
            total, mean, p = 0.0, 0.0, 0.0
            for q in range(width):
                w = np.exp(logs[q] - own[q] - top)
                total += w
                mean += w * node[q]
                p += w * np.exp(right[q])
            p /= total
            cell = out[code[k] >> 1, np.searchsorted(limit, mean / total)]
            cell[0] += 1
            cell[1] += code[k] & 1
            cell[2] += p
            cell[3] += p * (1 - p)
