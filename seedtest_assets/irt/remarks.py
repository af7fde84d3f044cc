"""Items to be reviewed, and warnings of one line each."""

from collections.abc import Iterable

import numpy as np

from seedtest_assets.irt.em import Solution
from seedtest_assets.irt.models import model_facts
from seedtest_assets.irt.parameters import ItemParameters
from seedtest_assets.irt.problem import Problem

# Below this number of persons a discrimination's standard error is above about 0.3.
FEW_PERSONS = 100
# Rasch slope below which abilities do not differ by more than chance.
NO_SLOPE = 0.05
NAMES_SHOWN = 10
REVERSED = "discrimination below 0: is the key reversed?"
UNDETERMINED = "discrimination not distinguishable from 0"


def flag(items: ItemParameters, se_a: np.ndarray) -> tuple[tuple[int, str], ...]:
    """List (item code, reason) of each item whose discrimination is negative, or not distinguishable from 0.

    Without a standard error the sign of the estimate is all that is known.
    """
    flagged = []
    for item, a, se in zip(items.item.tolist(), items.a, se_a, strict=True):
        if a < -1.96 * (0.0 if np.isnan(se) else se):
            flagged.append((item, REVERSED))
        elif abs(a) < 1.96 * se:
            flagged.append((item, UNDETERMINED))
    return tuple(flagged)


def flag_warnings(flagged: tuple[tuple[int, str], ...], item_ids: np.ndarray | None) -> list[str]:
    """Write one line for all items that discriminate below 0."""
    reversed_keys = np.array([item for item, reason in flagged if reason == REVERSED], np.int64)
    if not len(reversed_keys):
        return []
    names = names_of(reversed_keys, item_ids)
    counted = number_of(
        len(reversed_keys), "item discriminates below 0, its key", "items discriminate below 0, their keys"
    )
    return [f"{counted} may be reversed: {names}"]


def merged_warnings(merged: tuple[tuple[int, tuple[int, ...]], ...], item_ids: np.ndarray | None) -> list[str]:
    """Write one line for all items with partial credit that have scores that nobody got."""
    if not merged:
        return []
    listed = [
        f"{names_of(np.array([item]), item_ids)} (score {', '.join(map(str, scores))})" for item, scores in merged
    ]
    return [
        f"{number_of(len(merged), 'item has', 'items have')} scores that nobody got, so that their steps are merged with the "
        f"next ones: {first_names(listed)}"
    ]


def model_warnings(count: np.ndarray, items: Iterable[int], item_ids: np.ndarray | None) -> list[str]:
    """Write one line for the items, by code, whose answers are right or wrong, so that a model of partial credit is not used."""
    named = np.zeros(len(count), bool)
    named[list(items)] = True
    if not named.any():
        return []
    plain = np.flatnonzero(named & count.any(axis=1) & ~count[:, 2:].any(axis=1))
    if not len(plain):
        return []
    counted = number_of(len(plain), "item has", "items have")
    return [
        f"{counted} a model of partial credit that changes nothing, since nobody has a score above 1: "
        f"{names_of(plain, item_ids)}"
    ]


def error_warnings(items: np.ndarray, item_ids: np.ndarray | None) -> list[str]:
    """Write one line for the items, by code, that have an infinite standard error."""
    if not len(items):
        return []
    names = names_of(items, item_ids)
    counted = number_of(len(items), "item has", "items have")
    return [f"{counted} infinite standard errors, because the information is not positive: {names}"]


def own_block_warnings(problem: Problem, *, own_blocks: bool) -> list[str]:
    """Say where standard errors are too small. own_blocks: whether they are from each item's own information."""
    if not own_blocks or (not problem.anchored and problem.answers.n_groups == 1):
        return []
    cause = "held anchors" if problem.anchored else f"{problem.answers.n_groups} populations"
    return [
        f"standard errors are too small, because of {cause} and too many parameters for the whole information matrix. "
        "docs/method.md says by how much"
    ]


def names_of(items: np.ndarray, item_ids: np.ndarray | None) -> str:
    """List the first items, by code, with their ids where they have some."""
    return first_names([str(item) for item in (items if item_ids is None else item_ids[items])])


def first_names(names: list[str]) -> str:
    """List the first names, and say how many more there are."""
    more = f" and {len(names) - NAMES_SHOWN:,} more" if len(names) > NAMES_SHOWN else ""
    return ", ".join(names[:NAMES_SHOWN]) + more


def number_of(count: int, one: str, several: str) -> str:
    """Write a count with its noun and verb: 1 item has, 1,200 items have."""
    return f"{count:,} {one if count == 1 else several}"


def fit_warnings(solution: Solution, problem: Problem, tolerance: float) -> list[str]:
    """List warnings about the estimation itself."""
    warnings = []
    if not solution.converged:
        warnings.append(
            f"not converged to {tolerance:g} in {solution.iterations} iterations. Allow more iterations, use priors, or a "
            "simpler model"
        )
    if not solution.at_maximum:
        warnings.append(
            "not at a maximum: the likelihood still rises in some direction. The answers may have nothing in common, or "
            "the model may not suit them"
        )
    n_items, n_persons = problem.answers.n_items, problem.answers.n_answered
    if n_items < 3:
        counted = number_of(
            n_items,
            "item does not determine how much it discriminates",
            "items do not determine how much they discriminate",
        )
        warnings.append(f"{counted}: parameters and abilities are no more than a convention")
    elif n_persons < FEW_PERSONS and problem.facts.own_slopes:
        counted = number_of(n_persons, "person is", "persons are")
        warnings.append(f"{counted} few for {problem.model}: see the standard errors, or use model Rasch")
    if problem.common_slope.any() and abs(float(solution.state.a[np.argmax(problem.common_slope)])) < NO_SLOPE:
        warnings.append(
            "the answers show no differences in ability: "
            "discrimination is 0, difficulties and abilities have no meaning"
        )
    return warnings


def block_warnings(block: np.ndarray) -> list[str]:
    """Write one line for items that persons do not connect. block: of each item."""
    sizes = np.bincount(block)
    if len(sizes) == 1:
        return []
    listed = ", ".join(map(str, sizes[:5].tolist())) + (", ..." if len(sizes) > 5 else "")
    return [
        f"no person connects the {len(sizes)} blocks of items ({listed} items): "
        "their scales cannot be compared unless each is linked to the bank"
    ]


def mismatch_warnings(model: str, linked_to: ItemParameters) -> list[str]:
    """Say that the items that are linked to have guessing and the model has none."""
    guessed = np.count_nonzero(linked_to.c)
    if model_facts(model).guessing or not guessed:
        return []
    return [
        f"{number_of(int(guessed), 'item of the bank has', 'items of the bank have')} c above 0, but the model is {model}. Abilities are on the "
        "bank's scale, but a and b of items that are not held cannot be compared with the bank's. Use model 3PL"
    ]
