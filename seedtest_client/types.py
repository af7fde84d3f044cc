"""What is sent and what comes back. Abilities and parameters are on the scale of the items that were sent, or of the anchors."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any


@dataclass(frozen=True, kw_only=True)
class Item:
    """A known item: P(correct) = c + (1 - c) / (1 + exp(-a (theta - b)))."""

    item_id: str
    a: float
    b: float
    c: float = 0.0


@dataclass(frozen=True, kw_only=True)
class Answer:
    """An answer of the one person of a call. correct: None for an item not answered."""

    item_id: str
    correct: bool | None
    answered_at: datetime | None = None


@dataclass(frozen=True, kw_only=True)
class Observation:
    """An answer of one of the persons of a calibration."""

    user_id: str
    item_id: str
    correct: bool | None
    answered_at: datetime | None = None


@dataclass(frozen=True, kw_only=True)
class Anchor:
    """An item with bank parameters. fixed: links the calibration; otherwise its values only start the estimation."""

    item_id: str
    a: float
    b: float
    c: float = 0.0
    fixed: bool = True


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
    """A calibrated item; a standard error is None for what was not estimated."""

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


@dataclass(frozen=True, kw_only=True)
class Calibration:
    """A finished calibration. fit_meta: model_spec, linking_constants, metrics, left_out and warnings, as docs/service.md says."""

    items: list[FittedItem]
    abilities: list[Ability]
    fit_meta: dict[str, Any]
