"""What persons of two groups are matched on before their answers to an item are compared.

Where everybody answered every item it is the rest score: the number of right answers to the other items [1]. Otherwise
numbers of right answers to different items cannot be compared, and it is the ability expected from the answers to the
other items, in the person's group. An expectation in the own group is what makes the match fair where the groups
differ in ability: of two persons with the same few answers the one from the abler group is likely to be abler, and by
as much as the answers are unreliable. (Shealy & Stout's, 1993, correction of the rest score has the same aim.)
"""

from dataclasses import dataclass

import numpy as np

from seedtest_assets.irt.curves import code_tables
from seedtest_assets.irt.dif_answers import GroupedAnswers
from seedtest_assets.irt.grid import Grid
from seedtest_assets.irt.item_scores import right_or_wrong
from seedtest_assets.irt.kernel_arguments import AnswerLists, Curves
from seedtest_assets.irt.parallel import chunks, exponential, kernel, run

# Strata of ability: thin ones leave less difference of ability within, and Mantel-Haenszel estimates stay consistent
# however few persons a stratum has (Breslow, 1981), but a stratum of one group only is lost.
MOST_STRATA = 50
FOCAL_PERSONS_A_STRATUM = 6


@dataclass(frozen=True, kw_only=True)
class Matching:
    """What each answer's person is matched on, float64 [n_answers]: the rest score, or the ability (by_score false)."""

    value: np.ndarray
    by_score: bool

    def strata(self, answers: np.ndarray, n_focal: int) -> np.ndarray:
        """Number the strata of some answers to an item, int64 [n]: scores, or quantiles of the ability."""
        value = self.value[answers]
        if self.by_score:
            return value.astype(np.int64)
        n_strata = int(np.clip(min(n_focal, len(value) - n_focal) // FOCAL_PERSONS_A_STRATUM, 5, MOST_STRATA))
        # Persons with the same ability share a stratum, whatever rounding makes of it: the middle rank of all of them.
        _, place, count = np.unique(np.round(value, 9), return_inverse=True, return_counts=True)
        middle = np.cumsum(count) - (count + 1) // 2
        return middle[place] * n_strata // len(value)


def rest_scores(answers: GroupedAnswers, clean: np.ndarray) -> Matching:
    """Count each person's right answers to the other clean items, bool [n_items]."""
    right = answers.correct * clean[answers.item]
    score = np.bincount(answers.person, weights=right, minlength=len(answers.focal))
    return Matching(value=score[answers.person] - right, by_score=True)


def rest_abilities(answers: GroupedAnswers, clean: np.ndarray, curves: Curves, grid: Grid) -> Matching:
    """Estimate each person's ability from the answers to the other clean items (EAP), in the person's group.

    curves: of the items; grid: with the weights of the reference and the focal group.
    """
    table = code_tables(curves, grid.node)
    code, scores = 2 * answers.item + answers.correct, right_or_wrong(answers.n_items)
    lists = AnswerLists(answers.start, code, answers.focal.astype(np.int32), scores.item, scores.score)
    value = np.empty(len(answers.item))
    run(
        lambda low, high: _rest_abilities(low, high, lists, clean, table, grid.log_weight, grid.node, value),
        chunks(answers.start),
    )
    return Matching(value=value, by_score=False)


@kernel(fastmath=True)
def _rest_abilities(
    low: int,
    high: int,
    answers: AnswerLists,
    clean: np.ndarray,
    table: np.ndarray,
    log_weight: np.ndarray,
    node: np.ndarray,
    value: np.ndarray,
) -> None:
    logs, rest = np.empty(node.size), np.empty(node.size)
    for p in range(low, high):
        first, last = answers.start[p], answers.start[p + 1]
        logs[:] = log_weight[answers.group[p]]
        for k in range(first, last):
            if clean[answers.item[answers.code[k]]]:
                logs += table[answers.code[k]]
        for k in range(first, last):
            rest[:] = logs
            if clean[answers.item[answers.code[k]]]:
                rest -= table[answers.code[k]]
            rest -= rest.max()
            total, moment = 0.0, 0.0
            for q in range(node.size):
                weight = exponential(rest[q])
                total += weight
                moment += weight * node[q]
            value[k] = moment / total
