"""Priors of item parameters, for banks with few answers: what a caller can choose.

Imports nothing that is compiled, so that settings and the command line name priors without loading the engine.
"""

import math
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, TypeVar

from seedtest_assets.irt.errors import DataError
from seedtest_assets.irt.models import Model, model_facts

if TYPE_CHECKING:
    from seedtest_assets.irt.priors_by_item import PriorsByItem

P = TypeVar("P", bound="Priors")

# Prior of logit c in a 3PL unless the caller gives another, N(-1.386, 0.5^2): a guess among five answers.
GUESSING_MEAN = math.log(0.2 / 0.8)
GUESSING_SD = 0.5


@dataclass(frozen=True, kw_only=True)
class Priors:
    """Priors of each item's parameters, on the scale of the calibrated persons (mean 0, SD 1), or of held anchors.

    prior_a: mean and SD of log a; prior_b: of b; prior_c: of logit c, 3PL only, N(-1.386, 0.5^2) where not given;
    fixed_c: c that every item has instead, 3PL only. by_item: priors of a and b that single items have instead of these.
    """

    prior_a: tuple[float, float] | None = None
    prior_b: tuple[float, float] | None = None
    prior_c: tuple[float, float] | None = None
    fixed_c: float | None = None
    by_item: "PriorsByItem | None" = field(default=None, repr=False, compare=False)

    def __post_init__(self) -> None:
        for name, of in (("prior_a", "log a"), ("prior_b", "b"), ("prior_c", "logit c")):
            prior = getattr(self, name)
            if prior is not None and not (len(prior) == 2 and all(map(math.isfinite, prior)) and prior[1] > 0):
                raise DataError(f"{name} is {prior}, but must be the mean and the SD of {of}, the SD above 0")
        if self.fixed_c is not None and not 0 < self.fixed_c < 1:
            raise DataError(f"fixed_c is {self.fixed_c:g}, but must be above 0 and below 1. For c = 0 use model 2PL")
        if self.fixed_c is not None and self.prior_c is not None:
            raise DataError("fixed_c and prior_c are both given. Give one of them")

    @property
    def given(self) -> dict[str, Any]:
        """Those that all items have, by name."""
        values = {name: getattr(self, name) for name in ("prior_a", "prior_b", "prior_c", "fixed_c")}
        return {name: value for name, value in values.items() if value is not None}

    def check(self, model: Model) -> None:
        """Raise DataError for a prior of c where the model has none."""
        of_guessing = [name for name in self.given if name.endswith("_c")]
        if of_guessing and not model_facts(model).guessing:
            raise DataError(f"{of_guessing[0]} needs model 3PL, but the model is {model}")

    @property
    def of_scale(self) -> bool:
        """Whether a prior holds slopes or difficulties, so that moving the scale changes more than its name."""
        return self.prior_a is not None or self.prior_b is not None or self.by_item is not None

    def of_slopes(self, model: Model) -> bool:
        """Whether a prior keeps slopes above 0."""
        return self.prior_a is not None or (self.by_item is not None and model_facts(model).own_slopes)

    def without_scale(self: P) -> P:
        """Drop the priors of a and b."""
        return replace(self, prior_a=None, prior_b=None, by_item=None)

    def mirrored(self: P) -> P:
        """Turn the ability axis around."""
        prior_b = self.prior_b and (-self.prior_b[0], self.prior_b[1])
        return replace(self, prior_b=prior_b, by_item=self.by_item and self.by_item.mirrored())

    def moved_back(self: P, A: float, B: float) -> P:
        """Undo a change of scale, A theta + B, that leads to the one of the priors."""
        prior_a = self.prior_a and (self.prior_a[0] + math.log(A), self.prior_a[1])
        prior_b = self.prior_b and ((self.prior_b[0] - B) / A, self.prior_b[1] / A)
        return replace(self, prior_a=prior_a, prior_b=prior_b, by_item=self.by_item and self.by_item.moved_back(A, B))

    def bound(self, model: Model) -> bool:
        """Check whether even an item with only right or only wrong answers has a finite estimate."""
        return self.prior_b is not None and (self.prior_a is not None or not model_facts(model).own_slopes)

    @property
    def of_common_slope(self) -> tuple[float, float]:
        """Mean and precision of the log of Rasch's slope."""
        return mean_and_precision(self.prior_a)


def mean_and_precision(prior: tuple[float, float] | None) -> tuple[float, float]:
    """Give mean and precision of a prior; a precision of 0 is no prior."""
    return (0.0, 0.0) if prior is None else (float(prior[0]), 1 / float(prior[1]) ** 2)


NO_PRIORS = Priors()


def mean_and_sd(text: str) -> tuple[float, float]:
    """Read a prior written as "mean,SD". Raises DataError for anything else."""
    try:
        mean, sd = (float(number) for number in text.split(","))
    except ValueError:
        raise DataError(f"a prior is a mean and an SD, such as 0,0.5, not {text!r}") from None
    if not (math.isfinite(mean) and math.isfinite(sd) and sd > 0):
        raise DataError(f"a prior has a finite mean and an SD above 0, not {text!r}")
    return mean, sd


def priors_from_text(
    prior_a: str | None = None, prior_b: str | None = None, prior_c: str | None = None, fixed_c: float | None = None
) -> Priors:
    """Read priors as settings and the command line give them, each "mean,SD". Raises DataError for what is not allowed."""
    a, b, c = (None if text is None else mean_and_sd(text) for text in (prior_a, prior_b, prior_c))
    return Priors(prior_a=a, prior_b=b, prior_c=c, fixed_c=fixed_c)
