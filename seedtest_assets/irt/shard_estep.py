"""The E-step of a shard of persons, who may be integrated over several grids, and the sum of shards."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from operator import add
from typing import NamedTuple

import numpy as np

from seedtest_assets.irt.estep import Expectation, Tabulated, expect
from seedtest_assets.irt.grid import Grid
from seedtest_assets.irt.kernel_arguments import Curves, Moments, Populations
from seedtest_assets.irt.own_grids import COMMON, Part, unresolved
from seedtest_assets.irt.shards import Shards


class Posteriors(NamedTuple):
    """Moments of the persons' posteriors, and the log-likelihood of their answers."""

    moments: Moments
    loglik: float


@dataclass(frozen=True)
class EStep:
    """What the E-step of a part depends on besides the answers. Its table is made once, for the shards that this process holds."""

    curves: Curves
    common: Grid
    populations: Populations
    single: bool = False
    counts: bool = True

    @cached_property
    def tabulated(self) -> Tabulated:
        """The curves at the nodes of the common grid."""
        return Tabulated.of(self.curves, self.common, single=self.single)

    def expect(self, part: Part, *, abilities: bool = False) -> Expectation:
        """Do the E-step of a part; see estep.expect."""
        return expect(
            part.answers,
            self.curves,
            part.grid(self.common, self.populations),
            single=self.single,
            counts=self.counts,
            abilities=abilities,
            tabulated=self.tabulated if part.node is None else None,
        )


def expected_by_step(parts: Sequence[Part], estep: EStep) -> dict[int, Expectation]:
    """Do the E-step of each part, by how often its step was halved."""
    return {part.halvings: estep.expect(part) for part in parts}


def added(one: dict[int, Expectation], other: dict[int, Expectation]) -> dict[int, Expectation]:
    """Add the E-steps of two shards."""
    total = one | other
    for k in one.keys() & other.keys():
        node = one[k].node if k == COMMON else np.union1d(one[k].node, other[k].node)
        total[k] = _sum(_over(node, one[k]), _over(node, other[k]))
    return total


def _over(node: np.ndarray, expectation: Expectation) -> Expectation:
    """Extend to more nodes, where nobody is expected."""
    if len(node) == len(expectation.node):
        return expectation
    first = int(np.searchsorted(node, expectation.node[0]))
    after = len(node) - first - len(expectation.node)

    def extended(values: np.ndarray) -> np.ndarray:
        return np.pad(values, ((0, 0), (first, after)))

    return replace(
        expectation,
        node=node,
        answers=extended(expectation.answers),
        right=extended(expectation.right),
        graded=extended(expectation.graded),
        mass=extended(expectation.mass),
    )


def _sum(one: Expectation, other: Expectation) -> Expectation:
    return Expectation(
        node=one.node,
        answers=one.answers + other.answers,
        right=one.right + other.right,
        right_theta=one.right_theta + other.right_theta,
        lowest_theta=one.lowest_theta + other.lowest_theta,
        graded=one.graded + other.graded,
        mass=one.mass + other.mass,
        loglik=one.loglik + other.loglik,
        moments=one.moments,
    )


def side_by_side(expectations: Sequence[Expectation]) -> Expectation:
    """Put the E-steps over several sets of nodes side by side."""
    if len(expectations) == 1:
        return expectations[0]

    def together(field: str) -> np.ndarray:
        return np.concatenate([getattr(each, field) for each in expectations], axis=-1)

    return Expectation(
        node=together("node"),
        answers=together("answers"),
        right=together("right"),
        graded=together("graded"),
        right_theta=np.sum([each.right_theta for each in expectations], axis=0),
        lowest_theta=np.sum([each.lowest_theta for each in expectations], axis=0),
        mass=together("mass"),
        loglik=sum(each.loglik for each in expectations),
        moments=expectations[0].moments,
    )


def posteriors(parts: Sequence[Part], estep: EStep) -> Posteriors:
    """Compute the moments of the persons of all parts, in the order of the persons."""
    expectations = [estep.expect(part, abilities=True) for part in parts]
    person = np.argsort(np.concatenate([part.persons for part in parts]))
    moments = [np.concatenate(values)[person] for values in zip(*(each.moments for each in expectations), strict=True)]
    return Posteriors(Moments(*moments), sum(each.loglik for each in expectations))


def loglik_of(posteriors: Shards[Posteriors]) -> float:
    """Sum the log-likelihood of all shards."""
    return posteriors.total(_loglik, add=add)


def _loglik(posteriors: Posteriors) -> float:
    return posteriors.loglik


def mirrored(posteriors: Posteriors) -> Posteriors:
    """Turn the ability axis around."""
    moments = posteriors.moments
    return posteriors._replace(moments=moments._replace(theta=-moments.theta))


def mirrored_parts(parts: Sequence[Part]) -> tuple[Part, ...]:
    """Turn the ability axis around."""
    return tuple(part.mirrored() for part in parts)


def poor_of_parts(posteriors: Posteriors, parts: Sequence[Part], estep: EStep, most_at_ends: float) -> list[np.ndarray]:
    """Find the persons of each part whom its grid does not serve, int64; see unresolved."""
    return [
        part.persons[
            unresolved(
                part.answers,
                estep.curves,
                part.grid(estep.common, estep.populations),
                posteriors.moments.take(part.persons),
                most_at_ends,
            )
        ]
        for part in parts
    ]
