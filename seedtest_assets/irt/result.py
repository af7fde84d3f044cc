"""The result of a calibration."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from seedtest_assets.irt.linking import Linking
from seedtest_assets.irt.models import Model
from seedtest_assets.irt.parameters import ItemParameters

if TYPE_CHECKING:
    import pandas as pd

# Items that a summary lists.
ITEMS_SHOWN = 20


class CalibrationFrames(NamedTuple):
    """A calibration as tables.

    Parameters
    ----------
    items : pandas.DataFrame
        item_id, a, b, c, se_a, se_b, se_c, n_responses, flag (empty where there is none); with items that have partial
        credit model, b_1, b_2, ..., se_b_1, se_b_2, ..., too.
    abilities : pandas.DataFrame
        student_id, theta, standard_error.
    left_out : pandas.DataFrame
        item_id, n_responses, reason.

    Examples
    --------
    >>> import numpy as np
    >>> from seedtest_assets import irt
    >>> truth = irt.ItemParameters(np.arange(5), np.ones(5), np.linspace(-1, 1, 5), np.zeros(5))
    >>> answers = irt.simulate(np.linspace(-2, 2, 300), truth)
    >>> items, abilities, left_out = irt.calibrate(irt.Responses.from_matrix(answers)).to_frames()
    >>> len(items), len(abilities), len(left_out)
    (5, 300, 0)
    """

    items: "pd.DataFrame"
    abilities: "pd.DataFrame"
    left_out: "pd.DataFrame"


@dataclass(frozen=True, kw_only=True)
class Calibration:
    """Item parameters and abilities on the bank's scale, and how far to trust them.

    Parameters
    ----------
    model : str
        "Rasch", "2PL" or "3PL", of the items that are right or wrong.
    items : ItemParameters
        The fitted items.
    se_a, se_b, se_c : float64 [n_fitted]
        Standard errors of the parameters: NaN for a parameter that was not estimated (c below 3PL, everything of a held
        anchor, all of them without `Options.standard_errors`), infinite where the data hold no information.
    se_steps : float64 [n_fitted, n_steps]
        Standard errors of `items.steps`.
    n_responses : int64 [n_fitted]
        Answers to each fitted item.
    theta, theta_se : float64 [n_persons]
        EAP ability and posterior SD; a person without answers to fitted items has the population's mean and SD.
    left_out : tuple of (item code, number of answers, reason)
        Items that have answers but no parameters.
    flagged : tuple of (item code, reason)
        Fitted items to be reviewed: their discrimination is negative, or not distinguishable from 0.
    merged : tuple of (item code, scores)
        Items with partial credit that have scores below their highest that nobody got: they have no step of their own.
    loglik, aic, bic : float
        Of the fit, without priors.
    n_parameters, iterations : int
        Parameters that were estimated, steps that were taken.
    converged : bool
        Whether the last step was within the tolerance.
    group_mean, group_sd : float
        Ability of all calibrated persons on the bank's scale; 0 and 1 when nothing was linked.
    groups_mean, groups_sd : float64 [n_groups]
        The same of each group.
    linking : Linking or None
        None when nothing was linked.
    not_linked : int32
        Codes of the items that are on a scale of their own, though others are linked: no person connects them with
        those.
    reliability : float
        Empirical reliability of the persons who answered.
    warnings : tuple of str
        A line each.
    person_ids, item_ids : object [n_persons], [n_items], optional
        The ids of the responses, where they have ids.

    Examples
    --------
    >>> import numpy as np
    >>> from seedtest_assets import irt
    >>> truth = irt.ItemParameters(np.arange(3), a=np.ones(3), b=[-1.0, 0.0, 1.0], c=np.zeros(3))
    >>> answers = irt.simulate(np.random.default_rng(1).normal(size=5000), truth)
    >>> print(irt.calibrate(irt.Responses.from_matrix(answers), "Rasch").summary())
    Rasch: 3 items, 5,000 persons, 15,000 answers
    log-likelihood -9506.786, AIC 19021.6, BIC 19047.6, 4 parameters
    converged in 4 steps
    ability: mean 0.00, SD 1.00, reliability 0.35
    scale: of these persons, not linked to a bank
    <BLANKLINE>
    item                  a    (se)       b    (se)      c   answers
    0                  0.97    0.04   -0.94    0.05   0.00     5,000
    1                  0.97    0.04    0.03    0.04   0.00     5,000
    2                  0.97    0.04    1.02    0.05   0.00     5,000
    """

    model: Model
    items: ItemParameters
    se_a: np.ndarray
    se_b: np.ndarray
    se_c: np.ndarray
    se_steps: np.ndarray
    n_responses: np.ndarray
    theta: np.ndarray
    theta_se: np.ndarray
    left_out: tuple[tuple[int, int, str], ...]
    flagged: tuple[tuple[int, str], ...]
    merged: tuple[tuple[int, tuple[int, ...]], ...]
    loglik: float
    aic: float
    bic: float
    n_parameters: int
    iterations: int
    converged: bool
    group_mean: float
    group_sd: float
    groups_mean: np.ndarray
    groups_sd: np.ndarray
    linking: Linking | None
    not_linked: np.ndarray
    reliability: float
    warnings: tuple[str, ...]
    person_ids: np.ndarray | None = None
    item_ids: np.ndarray | None = None

    def __repr__(self) -> str:
        converged = "converged" if self.converged else "not converged"
        linked = f"linked to {self.linking.source}" if self.linking else "not linked"
        return (
            f"Calibration({self.model}, {len(self.items):,} items, {len(self.theta):,} persons, {converged}, {linked})"
        )

    def summary(self) -> str:
        """Describe the calibration in a page of text: fit, scale, the first items, everything to be looked at.

        Returns
        -------
        str
        """
        lines = [
            f"{self.model}: {len(self.items):,} items, {len(self.theta):,} persons, {self.n_responses.sum():,} answers",
            f"log-likelihood {self.loglik:.3f}, AIC {self.aic:.1f}, BIC {self.bic:.1f}, {self.n_parameters:,} parameters",
            f"{'converged' if self.converged else 'NOT CONVERGED'} in {self.iterations} steps",
            f"ability: mean {self.group_mean:.2f}, SD {self.group_sd:.2f}, reliability {self.reliability:.2f}",
            f"scale: {self.linking}" if self.linking else "scale: of these persons, not linked to a bank",
            "",
            f"{'item':16}{'a':>7}{'(se)':>8}{'b':>8}{'(se)':>8}{'c':>7}{'answers':>10}",
        ]
        columns = (self.items.item, self.items.a, self.se_a, self.items.b, self.se_b, self.items.c, self.n_responses)
        for item, a, se_a, b, se_b, c, n in list(zip(*columns, strict=True))[:ITEMS_SHOWN]:
            lines.append(f"{self._item_id(item)!s:16}{a:7.2f}{se_a:8.2f}{b:8.2f}{se_b:8.2f}{c:7.2f}{n:10,}")
            if row := self._steps_line(item):
                lines.append(row)
        if len(self.items) > ITEMS_SHOWN:
            lines.append(f"... and {len(self.items) - ITEMS_SHOWN:,} more items")
        lines += [f"flagged: {self._item_id(item)}: {reason}" for item, reason in self.flagged]
        lines += [f"left out: {self._item_id(item)}: {reason} ({n:,} answers)" for item, n, reason in self.left_out]
        lines += [f"warning: {warning}" for warning in self.warnings]
        return "\n".join(lines)

    def _steps_line(self, item: int) -> str:
        """Describe the model and the steps of an item with partial credit; empty for another one."""
        row = int(np.searchsorted(self.items.item, item))
        if not self.items.model[row]:
            return ""
        steps = [
            f"b_{k} {b:.2f} ({se:.2f})"
            for k, (b, se) in enumerate(zip(self.items.steps[row], self.se_steps[row], strict=True), 1)
            if np.isfinite(b)
        ]
        return f"    {self.items.model[row]}: {', '.join(steps)}"

    def to_frames(self) -> CalibrationFrames:
        """Convert to pandas tables of items, abilities and items left out, with ids where the responses have ids.

        Returns
        -------
        CalibrationFrames
        """
        import pandas as pd

        flag = dict(self.flagged)
        names = range(1, self.items.steps.shape[1] + 1)
        models = np.where(self.items.model == "", self.model, self.items.model)
        items = pd.DataFrame(
            {
                "item_id": [self._item_id(item) for item in self.items.item],
                **({"model": models} if names else {}),
                **{name: getattr(self.items, name) for name in ("a", "b", "c")},
                **{f"b_{k}": self.items.steps[:, k - 1] for k in names},
                **{name: getattr(self, name) for name in ("se_a", "se_b", "se_c")},
                **{f"se_b_{k}": self.se_steps[:, k - 1] for k in names},
                "n_responses": self.n_responses,
                "flag": [flag.get(item, "") for item in self.items.item.tolist()],
            }
        )
        person_ids = np.arange(len(self.theta)) if self.person_ids is None else self.person_ids
        abilities = pd.DataFrame({"student_id": person_ids, "theta": self.theta, "standard_error": self.theta_se})
        rows = [(self._item_id(item), n, reason) for item, n, reason in self.left_out]
        return CalibrationFrames(items, abilities, pd.DataFrame(rows, columns=["item_id", "n_responses", "reason"]))

    def _item_id(self, item: int) -> object:
        return int(item) if self.item_ids is None else self.item_ids[item]
