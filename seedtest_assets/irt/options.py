"""Options of a calibration beyond the defaults."""

from collections.abc import Callable
from dataclasses import dataclass, field

from seedtest_assets.irt.errors import DataError
from seedtest_assets.irt.models import LINKING_METHODS, LinkingMethod
from seedtest_assets.irt.priors import Priors

# So that a class of ten can be calibrated; platforms with more data ask for more.
MIN_RESPONSES = 10


@dataclass(frozen=True, kw_only=True)
class Options(Priors):
    """Settings of `calibrate` that most callers leave alone.

    Parameters
    ----------
    linking_method : {"stocking_lord", "haebara", "mean_sigma", "mean_mean", "fixed", "none"}
        How the calibration is put on the bank's scale. "fixed" holds the anchors that did not drift at their
        parameters and estimates the population's mean and SD instead [1]_; without anchors it is stocking_lord.
    min_responses : int
        An item needs this many answers, right and wrong ones among them; at least 2.
    prior_answers : float
        Shrink each item towards its `starts` (or, without, `anchors` or `previous`) as if that many persons of N(0, 1)
        had answered as its curve expects, after linking it to this calibration's scale; 0 is maximum likelihood.
    prior_a : (float, float), optional
        Mean and SD of log a, a log-normal prior on the scale of the calibrated persons (mean 0, SD 1) or of held anchors;
        for Rasch of its one slope. With priors the estimates are the mode of the posterior [2]_.
    prior_b : (float, float), optional
        Mean and SD of b on that scale, a normal prior. With `prior_a` (or Rasch) items that have only right or only wrong
        answers are calibrated, too.
    prior_c : (float, float), optional
        Mean and SD of logit c, 3PL only; by default (-1.386, 0.5), a guess among five answers.
    fixed_c : float, optional
        Guessing that every item has instead, 3PL only.
    by_item : PriorsByItem, optional
        Priors of a and b of single items, on the bank's scale, in place of `prior_a` and `prior_b`. Such an item is calibrated
        from its first answer.
    tolerance : float
        Largest change of a, d = -a b and logit c that the last step may make.
    max_iterations : int
        Steps after which the estimation gives up.
    standard_errors : bool
        Whether to compute standard errors of the items.
    progress : callable, optional
        Called after each step with (iteration, largest change, log-likelihood).

    Raises
    ------
    DataError
        A value that is not allowed.

    References
    ----------
    .. [1] Kim, S. (2006). A comparative study of IRT fixed parameter calibration methods. Journal of Educational
       Measurement, 43(4), 355-381.
    .. [2] Mislevy, R. J. (1986). Bayes modal estimation in item response models. Psychometrika, 51(2), 177-195.

    Examples
    --------
    >>> from seedtest_assets import irt
    >>> irt.Options(linking_method="fixed", tolerance=1e-6).max_iterations
    500
    """

    linking_method: LinkingMethod = "stocking_lord"
    min_responses: int = MIN_RESPONSES
    prior_answers: float = 0.0
    tolerance: float = 1e-4
    max_iterations: int = 500
    standard_errors: bool = True
    progress: Callable[[int, float, float], None] | None = field(default=None, repr=False, compare=False)

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.linking_method not in LINKING_METHODS:
            raise DataError(f"linking method {self.linking_method!r} is not one of {', '.join(LINKING_METHODS)}")
        if self.tolerance <= 0:
            raise DataError(f"tolerance is {self.tolerance:g}, but must be above 0")
        if self.max_iterations < 1:
            raise DataError(f"max_iterations is {self.max_iterations}, but must be at least 1")
