"""Arrays that kernels take together: named tuples, which numba compiles."""

from typing import NamedTuple

import numpy as np


class ItemScores(NamedTuple):
    """The scores that items have, and the code of an answer with each: first[item] + the place of its score among them.

    first: int32 [n_items + 1], code of an item's lowest score; item: int32 [n_codes]; score: float64 [n_codes]; weight:
    float64 [n_codes], how many times the step that leads to the score counts the ability: by how many scores it goes up in
    a GPCM, 1 in a GRM and for a right answer, 0 for the lowest score; kind: int8 [n_items], see item_scores.py.

    In a bank without partial credit the code is 2 item + correct.
    """

    first: np.ndarray
    item: np.ndarray
    score: np.ndarray
    weight: np.ndarray
    kind: np.ndarray


class AnswerLists(NamedTuple):
    """Answers sorted by person.

    start: int64 [n_persons + 1], person p's answers are at start[p]:start[p + 1]; code: int32 [n], of item and score;
    group: int32 [n_persons], the population of each person; item: int32 [n_codes], the item of each code; share: float64
    [n_codes], its score as a share of the way from the lowest to the highest: 1 for right, 0 for wrong.
    """

    start: np.ndarray
    code: np.ndarray
    group: np.ndarray
    item: np.ndarray
    share: np.ndarray


class Curves(NamedTuple):
    """Item characteristic curves c + (1 - c) logistic(a theta + d): slope a, intercept d, guessing c, float64 [n_items].

    Of items with partial credit a step k has the logit weight[k] a theta + intercept[k], float64 [n_codes], and d is the
    mean of their intercepts a unit of weight.
    """

    a: np.ndarray
    d: np.ndarray
    c: np.ndarray
    scores: ItemScores
    intercept: np.ndarray


class Nodes(NamedTuple):
    """Abilities [width] and the log weight of each in every population [n_groups, width], padded to whole cache lines;
    the number of those before the padding."""

    node: np.ndarray
    log_weight: np.ndarray
    n_nodes: int


class Populations(NamedTuple):
    """Mean and SD of each population, float64 [n_groups]."""

    mean: np.ndarray
    sd: np.ndarray


class Moments(NamedTuple):
    """Posterior mean, SD and weight of the first and last node of each person, float64 [n_persons], written by kernels;
    of length 0 where not wanted."""

    theta: np.ndarray
    theta_se: np.ndarray
    at_ends: np.ndarray

    def take(self, persons: np.ndarray) -> "Moments":
        """Select persons."""
        return Moments(*(values[persons] for values in self))
