"""What is found out about the differential item functioning of items."""

from dataclasses import dataclass, field

import numpy as np

from seedtest_assets.irt.parameters import ItemParameters


@dataclass(frozen=True, kw_only=True)
class ItemDif:
    """Differential item functioning of the items studied, arrays [n_items]; NaN where something was not computed.

    Parameters
    ----------
    item : int32
        Codes of the items studied.
    n_reference, n_focal : int64
        Answers of each group.
    mh_delta, mh_se, mh_chi_square : float64
        Mantel-Haenszel [1]_: -2.35 ln(alpha), negative where the item is harder for the focal group; its standard error;
        chi-square with 1 df.
    mh_class : str
        ETS's A, B or C.
    logistic_x2, logistic_p : float64
        Logistic regression [2]_, 2 df: group, and group x ability.
    lr_x2, df, p, p_adjusted : float64
        IRT likelihood-ratio test [3]_; `p_adjusted` for the number of items studied (Benjamini & Hochberg, 1995).
    signed_area, unsigned_area : float64
        Areas of P_focal - P_reference and of its absolute value; negative is harder for the focal group.
    flag : str
        A (negligible), B (slight to moderate) or C (large), by the unsigned area and the likelihood-ratio test.
    reference, focal : ItemParameters
        Parameters in each group, where the reference group is N(0, 1).
    focal_mean, focal_sd : float
        Ability of the focal group on that scale.
    anchors : int32
        Codes of the items with the same parameters in both groups.
    matched_on : str
        What Mantel-Haenszel matched on: "rest score" where everybody answered every item, else "ability".
    loglik : float
        Log-likelihood of the base fit: anchors equal, every other item free in both groups.
    converged : bool
        Whether all fits converged.
    warnings : tuple of str

    References
    ----------
    .. [1] Holland, P. W., & Thayer, D. T. (1988). Differential item performance and the Mantel-Haenszel procedure. In
       H. Wainer & H. I. Braun (Eds.), Test validity (pp. 129-145). Erlbaum.
    .. [2] Swaminathan, H., & Rogers, H. J. (1990). Detecting differential item functioning using logistic regression
       procedures. Journal of Educational Measurement, 27(4), 361-370.
    .. [3] Thissen, D., Steinberg, L., & Wainer, H. (1993). Detection of differential item functioning using the
       parameters of item response models. In P. W. Holland & H. Wainer (Eds.), Differential item functioning
       (pp. 67-113). Erlbaum.

    Examples
    --------
    >>> import numpy as np
    >>> from seedtest_assets import irt
    >>> items = irt.ItemParameters(np.arange(8), a=np.ones(8), b=np.linspace(-1, 1, 8), c=np.zeros(8))
    >>> marks = irt.simulate(np.random.default_rng(1).normal(size=600), items, seed=2)
    >>> irt.differential_item_functioning(irt.Responses.from_matrix(marks), np.arange(600) % 2 == 0, "Rasch")
    ItemDif(8 items: 8 A, 0 B, 0 C; 8 anchors)
    """

    item: np.ndarray
    n_reference: np.ndarray
    n_focal: np.ndarray
    mh_delta: np.ndarray
    mh_se: np.ndarray
    mh_chi_square: np.ndarray
    mh_class: np.ndarray
    logistic_x2: np.ndarray
    logistic_p: np.ndarray
    lr_x2: np.ndarray
    df: np.ndarray
    p: np.ndarray
    p_adjusted: np.ndarray
    signed_area: np.ndarray
    unsigned_area: np.ndarray
    flag: np.ndarray
    reference: ItemParameters = field(repr=False)
    focal: ItemParameters = field(repr=False)
    focal_mean: float
    focal_sd: float
    anchors: np.ndarray
    matched_on: str
    loglik: float
    converged: bool
    warnings: tuple[str, ...] = ()

    def __repr__(self) -> str:
        counts = ", ".join(f"{np.count_nonzero(self.flag == flag)} {flag}" for flag in "ABC")
        return f"ItemDif({len(self.item):,} items: {counts}; {len(self.anchors)} anchors)"
