"""Answers drawn from known abilities and items."""

import numpy as np
from numpy.typing import ArrayLike

from seedtest_assets.irt.parameters import ItemParameters, category_probabilities, probability


def simulate(theta: ArrayLike, items: ItemParameters, seed: int | np.random.Generator = 0) -> np.ndarray:
    """Draw an answer of every person to every item.

    Parameters
    ----------
    theta : float64 [n_persons]
        Abilities.
    items : ItemParameters
    seed : int or numpy.random.Generator
        The same seed gives the same answers.

    Returns
    -------
    float64 [n_persons, n_items]
        1 for correct, 0 for incorrect; a score of an item with partial credit.

    Examples
    --------
    >>> from seedtest_assets import irt
    >>> items = irt.ItemParameters([0, 1, 2], a=[1.0, 1.0, 1.0], b=[-9.0, 0.0, 9.0], c=[0.0, 0.0, 0.0])
    >>> irt.simulate([0.0, 0.0], items)[:, [0, 2]]
    array([[1., 0.],
           [1., 0.]])
    """
    draw = np.random.default_rng(seed).random((np.size(theta), len(items)))
    score = (draw < probability(theta, items).T).astype(np.float64)
    with_steps = items.polytomous
    if with_steps.any():
        at_least = np.cumsum(category_probabilities(theta, items.take(with_steps))[:, ::-1], axis=1)[:, ::-1]
        at_least /= at_least[:, :1]  # exactly 1 where nobody has less
        score[:, with_steps] = np.sum(draw.T[with_steps, None] < at_least[:, 1:], axis=1).T
    return score
