"""Arrays that kernels take together: named tuples, which numba compiles."""

from typing import NamedTuple

import numpy as np


class AnswerLists(NamedTuple):
    """Answers sorted by person.

    start: int64 [n_persons + 1], person p's answers are at start[p]:start[p + 1]; code: int32 [n], 2 item + correct;
    group: int32 [n_persons], the population of each person.
    """

    start: np.ndarray
    code: np.ndarray
    group: np.ndarray


class Curves(NamedTuple):
    """Item characteristic curves c + (1 - c) logistic(a theta + d): slope a, intercept d, guessing c, float64 [n_items]."""

    a: np.ndarray
    d: np.ndarray
    c: np.ndarray


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
