"""What is sent and what comes back. Abilities and parameters are on the scale of the items that were sent, or of the anchors.

The steps of an item with partial credit are b_1, b_2, ...: thresholds of a GRM, steps of a GPCM or PCM. The k-th belongs to score k;
None where nobody has that score, -inf up to the lowest score that anybody has. Items that are right or wrong have none.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any


@dataclass(frozen=True, kw_only=True)
class Item:
    """A known item: P(correct) = c + (1 - c) / (1 + exp(-a (theta - b))), or, with partial credit, a, steps and their model.

    b: not needed with steps. model: GRM, GPCM or PCM.
    """

    item_id: str
    a: float
    b: float | None = None
    c: float = 0.0
    steps: Sequence[float | None] = ()
    model: str | None = None


@dataclass(frozen=True, kw_only=True)
class Answer:
    """An answer of the one person of a call: `correct`, or the integer `score` of partial credit.

    With neither a call raises ValueError: leave out answers that were not given.
    """

    item_id: str
    correct: bool | None = None
    answered_at: datetime | None = None
    score: float | None = None


@dataclass(frozen=True, kw_only=True)
class Observation:
    """An answer of one of the persons of a calibration: `correct`, or the `score` of partial credit.

    With neither a call raises ValueError: leave out answers that were not given. max_score: the most that the item gives; without it the most that anybody got.
    """

    user_id: str
    item_id: str
    correct: bool | None = None
    answered_at: datetime | None = None
    score: float | None = None
    max_score: float | None = None


@dataclass(frozen=True, kw_only=True)
class Models:
    """The models of a calibration in which some items have partial credit.

    model: Rasch, 2PL or 3PL, of the items that are right or wrong. polytomous_model: GRM, GPCM or PCM, of the items where somebody
    has a score above 1; item_models: of single ones of them, by item id.
    """

    model: str = "2PL"
    polytomous_model: str = "GRM"
    item_models: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Anchor:
    """An item with bank parameters, as in `Item`. fixed: links the calibration; otherwise its values only start the estimation."""

    item_id: str
    a: float
    b: float | None = None
    c: float = 0.0
    fixed: bool = True
    steps: Sequence[float | None] = ()
    model: str | None = None


@dataclass(frozen=True, kw_only=True)
class Prior:
    """What is known of a person before a session: the ability and standard error of the nightly row."""

    theta: float
    se: float


@dataclass(frozen=True, kw_only=True)
class Population:
    """The calibrated group, the prior of a person of whom nothing else is known."""

    mean: float = 0.0
    sd: float = 1.0


@dataclass(frozen=True, kw_only=True)
class Health:
    """Which service answers, in which version. time: ISO 8601, UTC."""

    status: str
    service: str
    version: str
    time: str


@dataclass(frozen=True, kw_only=True)
class Ability:
    """An EAP ability and its posterior SD. user_id: None where the persons were rows."""

    theta: float
    se: float
    user_id: str | None = None
    n_responses: int | None = None


@dataclass(frozen=True, kw_only=True)
class LeftOut:
    """An item that was not used, and why."""

    item_id: str
    reason: str


@dataclass(frozen=True, kw_only=True)
class PersonAbility:
    """The ability of one person. theta and se are None where no answer could be scored and there was no prior."""

    theta: float | None
    se: float | None
    n_responses: int
    left_out: list[LeftOut] = field(default_factory=list)


@dataclass(frozen=True, kw_only=True)
class FittedItem:
    """A calibrated item, which can be sent as it is to score answers.

    b: with partial credit the mean of the steps. steps, se_steps: b_1, b_2, ... and their standard errors. model: the item's own. A
    standard error is None for what was not estimated.
    """

    item_id: str
    a: float
    b: float
    c: float
    se_a: float | None
    se_b: float | None
    se_c: float | None
    n_responses: int
    is_anchor: bool
    model: str
    steps: tuple[float | None, ...] = ()
    se_steps: tuple[float | None, ...] = ()


KnownItem = Item | FittedItem


@dataclass(frozen=True, kw_only=True)
class Calibration:
    """A finished calibration. fit_meta: model_spec, linking_constants, metrics, left_out and warnings, as docs/service.md says."""

    items: list[FittedItem]
    abilities: list[Ability]
    fit_meta: dict[str, Any]
