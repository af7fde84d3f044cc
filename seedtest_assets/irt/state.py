"""Parameters while they are estimated."""

from dataclasses import dataclass, field

import numpy as np

from seedtest_assets.irt.kernel_arguments import Populations

# |a| in units of 1 / SD of ability; no real item reaches it, only an item without a finite estimate.
SLOPE_LIMIT = 10.0
INTERCEPT_LIMIT = 50.0

# |a| is floored at this value, so that b = -d / a stays finite.
LEAST_SLOPE = 1e-4


@dataclass(frozen=True)
class State:
    """Slope a, intercept d and logit guessing g, float64 [n_items] each; mean and SD of each population, float64
    [n_groups]; extra: e of the steps of items with partial credit, see item_scores.py."""

    a: np.ndarray
    d: np.ndarray
    g: np.ndarray
    mean: np.ndarray
    sd: np.ndarray
    extra: np.ndarray = field(default_factory=lambda: np.empty(0))

    @property
    def populations(self) -> Populations:
        return Populations(self.mean, self.sd)

    @property
    def discrimination_and_difficulty(self) -> tuple[np.ndarray, np.ndarray]:
        """a and b = -d / a, with |a| at least LEAST_SLOPE."""
        a = np.where(np.abs(self.a) < LEAST_SLOPE, np.where(self.a < 0, -LEAST_SLOPE, LEAST_SLOPE), self.a)
        return a, -self.d / a

    def mirrored(self) -> "State":
        """Turn the ability axis around."""
        return State(-self.a, self.d, self.g, -self.mean, self.sd, self.extra)

    def vector(self) -> np.ndarray:
        return np.concatenate([self.a, self.d, self.g, self.extra, self.mean, np.log(self.sd)])

    def like(self, vector: np.ndarray) -> "State":
        """Make a state of these sizes from its vector, each number inside its limits."""
        n, groups, more = len(self.a), len(self.mean), len(self.extra)
        a, d, g, extra, mean, log_sd = np.split(vector, np.cumsum([n, n, n, more, groups]))
        # Held items may be beyond what is estimated.
        a, d, g, extra = (
            np.clip(new, -most, most)
            for new, most in (
                (a, np.maximum(SLOPE_LIMIT, np.abs(self.a))),
                (d, np.maximum(INTERCEPT_LIMIT, np.abs(self.d))),
                (g, np.full(n, INTERCEPT_LIMIT)),
                (extra, np.maximum(INTERCEPT_LIMIT, np.abs(self.extra))),
            )
        )
        return State(a, d, g, mean, np.exp(np.clip(log_sd, -5, 5)), extra)
