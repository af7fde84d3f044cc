"""Does the model fit items: infit, outfit, a chi-square for sparse data."""

from dataclasses import dataclass
from functools import partial
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import chdtrc

from seedtest_assets.irt.curves import code_tables, log_categories, logistic
from seedtest_assets.irt.estep import Answers, padded
from seedtest_assets.irt.grid import normal_grid
from seedtest_assets.irt.item_scores import RIGHT_OR_WRONG
from seedtest_assets.irt.kernel_arguments import AnswerLists, Curves, ItemScores, Nodes, Populations
from seedtest_assets.irt.models import MOST_CATEGORIES
from seedtest_assets.irt.own_grids import resolved
from seedtest_assets.irt.parallel import chunks, kernel, read_only, spread
from seedtest_assets.irt.parameters import ItemParameters, free_parameters
from seedtest_assets.irt.responses import Responses
from seedtest_assets.irt.screening import answers_to

N_GROUPS = 10
# Variance of an answer in infit and outfit, as in mirt: one error on a near-certain item must not dominate outfit.
LEAST_RESIDUAL_VARIANCE = np.sqrt(1e-5)
# Expected variance of right answers, or of scores as shares of the highest, that an ability group needs to count.
LEAST_VARIANCE = 1.0
# Answers that an ability group needs to count in the root mean squared deviation.
LEAST_GROUP = 5
# Where 1 / P is at most exp(460), what underflows in a posterior does not count when it is multiplied by it.
LEAST_LOG_P = -460.0


@dataclass(frozen=True)
class ItemFit:
    """Fit of each item, in the order of the parameters; NaN for an item without answers.

    Parameters
    ----------
    infit, outfit : float64 [n_items]
        Mean squares, 1 when the model fits.
    z_infit, z_outfit : float64 [n_items]
        The same as normal deviates.
    chi_square, df, p : float64 [n_items]
        Chi-square on ability groups, its degrees of freedom and p; see `item_fit`.
    group_observed, group_expected : float64 [n_items, n_groups]
        Shares of right answers in each ability group, observed and expected, for residual plots; with partial credit mean
        scores as shares of the highest one.
    group_variance : float64 [n_items, n_groups]
        Expected variance of an answer in each ability group, where a score counts as a share of the highest one.
    group_n : float64 [n_items, n_groups]
        Answers in each ability group.
    group_limit : float64 [n_groups - 1]
        Abilities between the groups.

    Examples
    --------
    >>> import numpy as np
    >>> from seedtest_assets import irt
    >>> items = irt.ItemParameters(np.arange(8), np.ones(8), np.linspace(-1, 1, 8), np.zeros(8))
    >>> responses = irt.Responses.from_matrix(irt.simulate(np.random.default_rng(0).normal(size=500), items))
    >>> theta, _ = irt.expected_a_posteriori(responses, items)
    >>> irt.item_fit(responses, items, theta).group_observed.shape
    (8, 10)
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
    group_variance: np.ndarray
    group_n: np.ndarray
    group_limit: np.ndarray

    @property
    def rmsd(self) -> np.ndarray:
        """Root mean squared deviation of observed from expected shares over an item's answers, float64 [n_items].

        That of the PISA technical reports [1]_, less its sampling variance [2]_, so that an item with few answers does not
        look bad for having few. NaN where no ability group has enough answers.

        References
        ----------
        .. [1] Khorramdel, L., Shin, H. J., & von Davier, M. (2019). GDM software mdltm including parallel EM algorithm. In
           Handbook of diagnostic classification models (pp. 603-628). Springer.
        .. [2] Köhler, C., Robitzsch, A., & Hartig, J. (2020). A bias-corrected RMSD item fit statistic. Journal of
           Educational and Behavioral Statistics, 45(3), 251-273.
        """
        enough = self.group_n >= LEAST_GROUP
        n = np.where(enough, self.group_n, 0)
        with np.errstate(invalid="ignore", divide="ignore"):
            sampling_variance = self.group_variance / n
            squared = (self.group_observed - self.group_expected) ** 2
            deviation = np.where(enough, n * (squared - sampling_variance), 0).sum(axis=1)
            return np.sqrt(np.maximum(deviation, 0) / n.sum(axis=1))

    def __repr__(self) -> str:
        return f"ItemFit({len(self.p):,} items, {int(np.sum(self.p < 0.01)):,} of them with p below 0.01)"


def item_fit(
    responses: Responses,
    items: ItemParameters,
    theta: np.ndarray,
    *,
    n_parameters: int | ArrayLike | None = None,
    mean: float = 0.0,
    sd: float = 1.0,
) -> ItemFit:
    """Compute the fit of items to answers, which may be as sparse as they like.

    Parameters
    ----------
    responses : Responses
    items : ItemParameters
    theta : float64 [n_persons]
        EAP abilities.
    n_parameters : int or int [n_items], optional
        Parameters estimated for each item, taken from the degrees of freedom; by default `free_parameters(items)`.
    mean, sd : float
        The population; all on the scale of `items`.

    Returns
    -------
    ItemFit

    Raises
    ------
    DataError
        An answer with a score that its item does not have.

    Notes
    -----
    infit and outfit compare squared residuals of the scores at theta with their expectation [1]_. The chi-square is Yen's
    Q1 [2]_ with each answer left out of its own ability group and expected score: it sums, over groups of persons of like
    ability, (score - expected)^2 / variance, where ability and expectation of an answer come from the person's other
    answers only. Right is score 1, wrong 0.

    References
    ----------
    .. [1] Wright, B. D., & Masters, G. N. (1982). Rating scale analysis. MESA Press.
    .. [2] Yen, W. M. (1981). Using simulation results to choose a latent trait model. Applied Psychological
       Measurement, 5(2), 245-262.

    Examples
    --------
    >>> import numpy as np
    >>> from seedtest_assets import irt
    >>> items = irt.ItemParameters(np.arange(8), np.ones(8), np.linspace(-1, 1, 8), np.zeros(8))
    >>> responses = irt.Responses.from_matrix(irt.simulate(np.random.default_rng(0).normal(size=2000), items))
    >>> theta, _ = irt.expected_a_posteriori(responses, items)
    >>> irt.item_fit(responses, items, theta, n_parameters=0)
    ItemFit(8 items, 0 of them with p below 0.01)
    """
    limit = group_limits(theta[answered_by(responses, items)])
    sums = fit_sums(responses, items, theta, limit, mean=mean, sd=sd)
    return item_fit_of(sums, limit, free_parameters(items) if n_parameters is None else n_parameters)


class FitSums(NamedTuple):
    """What the fit of items rests on; the sums of persons who are apart add up.

    residuals: float64 [n_items, 6], as of `_residual_sums`; groups: float64 [n_items, n_groups, 5], as of `_left_one_out`.
    """

    residuals: np.ndarray
    groups: np.ndarray

    def plus(self, other: "FitSums") -> "FitSums":
        """Add the sums of other persons."""
        return FitSums(self.residuals + other.residuals, self.groups + other.groups)


def answered_by(responses: Responses, items: ItemParameters) -> np.ndarray:
    """Tell which persons have answers to the items, bool [n_persons]."""
    of_items = np.concatenate([[0], np.cumsum(np.isin(responses.item, items.item))])[responses.person_start]
    return np.diff(of_items) > 0


def fit_sums(
    responses: Responses, items: ItemParameters, theta: np.ndarray, limit: np.ndarray, *, mean: float, sd: float
) -> FitSums:
    """Sum up persons for `item_fit_of`.

    theta, mean, sd: as of `item_fit`; limit: abilities between the groups, as of `group_limits`, the same for all persons.
    """
    answers, curves = answers_to(responses, items.item, items.scores), items.curves
    populations = Populations(np.array([float(mean)]), np.array([float(sd)]))
    return FitSums(_residual_sums(answers, curves, theta), _left_one_out(answers, curves, populations, limit))


def item_fit_of(sums: FitSums, limit: np.ndarray, n_parameters: ArrayLike) -> ItemFit:
    """Compute the fit of items from sums over persons. n_parameters: as of `item_fit`."""
    mean_squares = _mean_squares(sums.residuals)
    count, observed, expected, variance, square = np.moveaxis(sums.groups, 2, 0)
    chi_square, df = _chi_square(observed - expected, variance, np.asarray(n_parameters))
    with np.errstate(divide="ignore", invalid="ignore"):
        return ItemFit(
            *mean_squares, chi_square, df, np.where(df > 0, chdtrc(df, chi_square), np.nan),
            observed / count, expected / count, square / count - (expected / count) ** 2, count, limit,
        )  # fmt: skip


def group_limits(theta: np.ndarray) -> np.ndarray:
    """Divide abilities of persons with answers into groups of equal size, float64 [N_GROUPS - 1]."""
    return np.quantile(theta, np.arange(1, N_GROUPS) / N_GROUPS) if theta.size else np.zeros(N_GROUPS - 1)


def _chi_square(residual: np.ndarray, variance: np.ndarray, n_parameters: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Sum squared standardised residuals [n_items, N_GROUPS] over the groups with enough answers; also gives df."""
    used = variance >= LEAST_VARIANCE
    chi_square = np.sum(np.where(used, residual**2 / np.maximum(variance, 1e-12), 0), axis=1)
    return chi_square, np.maximum(used.sum(axis=1) - n_parameters, 0).astype(np.float64)


def _mean_squares(residual_sums: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Compute infit, its normal deviate, outfit and its normal deviate, by the cube root of Wilson & Hilferty."""
    n, z2, r2, w, c_over_w2, c_less_w2 = residual_sums.T
    with np.errstate(divide="ignore", invalid="ignore"):
        outfit, infit = z2 / n, r2 / w
        q_outfit = np.sqrt(np.maximum(c_over_w2 / n**2 - 1 / n, 0))
        q_infit = np.sqrt(np.maximum(c_less_w2, 0)) / w
        z_outfit = (np.cbrt(outfit) - 1) * 3 / q_outfit + q_outfit / 3
        z_infit = (np.cbrt(infit) - 1) * 3 / q_infit + q_infit / 3
    return infit, z_infit, outfit, z_outfit


def _residual_sums(answers: Answers, curves: Curves, theta: np.ndarray) -> np.ndarray:
    """Sum over an item's answers, float64 [n_items, 6]: answers, z^2, residual^2, W, C / W^2, C - W^2.

    W is the variance of an answer, C its fourth central moment.
    """
    parts = spread(
        lambda low, high, out: _residuals(low, high, answers.lists, curves, read_only(theta), out),
        chunks(answers.start),
        lambda: np.zeros((answers.n_items, 6)),
    )
    return np.sum(parts, axis=0)


class _ScoreTables(NamedTuple):
    """What is known of answers at each node. A score counts as a share of the item's highest one.

    log_p, inverse: of each code, log P and 1 / P, float64 [n_codes, width]; bounded: whether a code's 1 / P are, bool [n_codes];
    mean, square: expected score and its square, float64 [n_items, width]; share: of each code, float64 [n_codes].
    """

    scores: ItemScores
    log_p: np.ndarray
    inverse: np.ndarray
    bounded: np.ndarray
    mean: np.ndarray
    square: np.ndarray
    share: np.ndarray

    @classmethod
    def of(cls, curves: Curves, node: np.ndarray) -> "_ScoreTables":
        scores, log_p = curves.scores, code_tables(curves, node)
        share = scores.score / scores.score[scores.first[1:] - 1][scores.item]
        p = np.exp(log_p)
        mean, square = (
            np.add.reduceat(values[:, None] * p, scores.first[:-1], axis=0) if len(p) else p
            for values in (share, share**2)
        )
        bounded = log_p.min(axis=1, initial=0.0) > LEAST_LOG_P
        inverse = np.exp(-np.maximum(log_p, LEAST_LOG_P))
        return cls(scores, log_p, inverse, bounded, mean, square, share)


def _left_one_out(answers: Answers, curves: Curves, populations: Populations, limit: np.ndarray) -> np.ndarray:
    """Sum answers, scores, expected scores, their variance and expected squares by ability group: float64 [n_items, n_groups, 5].

    A score counts as a share of the item's highest one.
    """
    sums = [np.zeros((answers.n_items, len(limit) + 1, 5))]
    for part, grid in resolved(answers, curves, populations, normal_grid(populations.mean[0], populations.sd[0])):
        nodes, lists = padded(grid, np.float64), part.answers.lists
        work = partial(_leave_out, lists, _ScoreTables.of(curves, nodes.node), nodes, limit)
        sums += spread(work, chunks(lists.start), partial(np.zeros_like, sums[0]))
    return np.sum(sums, axis=0)


@kernel
def chance(curves: Curves, j: int, theta: float) -> float:
    """Compute the chance of a right answer to an item, short of 0 and 1."""
    p = curves.c[j] + (1 - curves.c[j]) * logistic(curves.a[j] * theta + curves.d[j])
    return min(max(p, 1e-12), 1 - 1e-12)


@kernel
def _score_moments(curves: Curves, j: int, theta: float, p: np.ndarray) -> tuple[float, float, float]:
    """Compute expectation, variance and fourth central moment of an item's score. p: where its probabilities are kept."""
    first = curves.scores.first[j]
    n = curves.scores.first[j + 1] - first
    log_categories(curves, j, theta, p)
    mean = 0.0
    for k in range(n):
        p[k] = np.exp(p[k])
        mean += p[k] * curves.scores.score[first + k]
    variance, fourth = 0.0, 0.0
    for k in range(n):
        square = (curves.scores.score[first + k] - mean) ** 2
        variance += p[k] * square
        fourth += p[k] * square**2
    return mean, variance, fourth


@kernel
def _residuals(low: int, high: int, answers: AnswerLists, curves: Curves, theta: np.ndarray, out: np.ndarray) -> None:
    scores, of_scores = curves.scores, np.empty(MOST_CATEGORIES)
    for i in range(low, high):
        for k in range(answers.start[i], answers.start[i + 1]):
            j = answers.item[answers.code[k]]
            if scores.kind[j] == RIGHT_OR_WRONG:
                p = chance(curves, j, theta[i])
                w = p * (1 - p)
                fourth = w * ((1 - p) ** 3 + p**3)
            else:
                p, w, fourth = _score_moments(curves, j, theta[i], of_scores)
            w = max(w, LEAST_RESIDUAL_VARIANCE)
            square = (scores.score[answers.code[k]] - p) ** 2
            out[j, 0] += 1
            out[j, 1] += square / w
            out[j, 2] += square
            out[j, 3] += w
            out[j, 4] += fourth / w**2
            out[j, 5] += fourth - w**2


@kernel(fastmath=True)
def _exponentials(logs: np.ndarray, out: np.ndarray) -> None:
    """Write the exponentials of logs, the largest of which counts as 0."""
    top = -1e300
    for q in range(logs.size):
        top = max(top, logs[q])
    for q in range(logs.size):
        out[q] = np.exp(logs[q] - top)


@kernel(fastmath=True)
def _leave_out(
    answers: AnswerLists, tables: _ScoreTables, nodes: Nodes, limit: np.ndarray, low: int, high: int, out: np.ndarray
) -> None:
    """Add each answer to its item and to the ability group that the person's other answers give.

    The posterior without an answer is that of all answers times 1 / P of the answer, which saves its exponentials.
    """
    code, node, log_weight = answers.code, nodes.node, nodes.log_weight[0]
    width = node.size
    logs, posterior, weight = np.empty(width), np.empty(width), np.empty(width)
    for i in range(low, high):
        for q in range(width):
            logs[q] = log_weight[q]
        for k in range(answers.start[i], answers.start[i + 1]):
            row = tables.log_p[code[k]]
            for q in range(width):
                logs[q] += row[q]
        _exponentials(logs, posterior)
        for k in range(answers.start[i], answers.start[i + 1]):
            j = answers.item[code[k]]
            of_item = tables.mean[j]
            if tables.bounded[code[k]]:
                row = tables.inverse[code[k]]
                for q in range(width):
                    weight[q] = posterior[q] * row[q]
            else:
                _exponentials(logs - tables.log_p[code[k]], weight)
            total, mean, expected = 0.0, 0.0, 0.0
            for q in range(width):
                w = weight[q]
                total += w
                mean += w * node[q]
                expected += w * of_item[q]
            expected /= total
            square, variance = expected, expected * (1 - expected)
            if tables.scores.kind[j] != RIGHT_OR_WRONG:
                square = 0.0
                for q in range(width):
                    square += weight[q] * tables.square[j, q]
                square /= total
                variance = square - expected**2
            cell = out[j, np.searchsorted(limit, mean / total)]
            cell[0] += 1
            cell[1] += tables.share[code[k]]
            cell[2] += expected
            cell[3] += variance
            cell[4] += square
