"""What the service reads and writes, as msgspec types: they parse, check, and make the OpenAPI page."""

from datetime import datetime
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta, Struct

from seedtest_assets.irt.choices import MODELS

NOT_AVAILABLE = "NA"

Id = str | int
Answer = Annotated[
    bool | float | Literal["NA"] | None,
    Meta(
        description='true or 1, false or 0; null (R clients: "NA") is an item not answered',
        extra_json_schema={"enum": [True, False, 0, 1, None, NOT_AVAILABLE]},
    ),
]


class Observation(Struct, gc=False):
    """One answer of one person to one item."""

    user_id: Id
    item_id: Id
    is_correct: Answer
    responded_at: datetime | None = None


class Parameters(Struct):
    """Slope, difficulty and lower asymptote: P = c + (1 - c) / (1 + exp(-a (theta - b)))."""

    a: Annotated[float, Meta(description="slope, from -100 to 100 and not 0; above 0 for an anchor")]
    b: Annotated[float, Meta(description="difficulty, from -1000 to 1000")]
    c: Annotated[
        float | Literal["NA"] | None, Meta(description="lower asymptote, from 0 to below 1; 0 when absent")
    ] = None


class Anchor(Struct):
    """An item with known parameters: `fixed` makes it a true anchor, otherwise they only start the estimation."""

    item_id: Id
    params: Parameters
    fixed: bool = False


class CalibrationBody(Struct):
    """Either `observations` or `responses`, and how to calibrate them."""

    observations: list[Observation] | None = None
    responses: Annotated[
        list[list[Answer]] | None,
        Meta(description="one row a person, one column an item; items are named I1, I2, …; a null keeps its place"),
    ] = None
    model: Annotated[str, Meta(extra_json_schema={"enum": list(MODELS)})] = "2PL"
    anchors: list[Anchor] | None = None
    linking_method: Annotated[
        str, Meta(description="stocking_lord, haebara, mean_sigma, mean_mean, fixed (fixed-item calibration) or none")
    ] = "stocking_lord"


class ScoredItem(Struct):
    """An item's parameters, flat or under `params`; its place in the list is its column in `responses`."""

    item_id: Id | None = None
    item: Id | None = None
    a: float | None = None
    b: float | None = None
    c: float | Literal["NA"] | None = None
    params: Parameters | None = None


class ScoringBody(Struct):
    """Items, and the answers to them: one row a person."""

    item_params: list[ScoredItem]
    responses: list[list[Answer]]


class FittedParameters(Struct):
    """Parameters on the bank's scale; c is null where the model has none."""

    a: float | None
    b: float | None
    c: float | None


class FittedItem(Struct):
    """One item of a calibration."""

    item_id: str
    params: FittedParameters
    model: str
    se: FittedParameters
    n_responses: int
    is_anchor: bool
    version: str = "v1"


class Ability(Struct, omit_defaults=True):
    """EAP ability and its posterior SD on the bank's scale; no user_id when the answers came as `responses`."""

    theta: float
    se: float
    model: str
    n_responses: int
    user_id: str | None = None
    version: Annotated[str | None, Meta(description="always v1")] = None


class LeftOutItem(Struct):
    """An item that could not be fitted, and why."""

    item_id: str
    n_responses: int
    reason: str


class FitMeta(Struct):
    """What was fitted, how well, and how it was put on the bank's scale."""

    run_id: str
    model_spec: dict[str, Any]
    linking_constants: Annotated[
        dict[str, Any] | None, Meta(description="A, B, method, n_anchors_used, screened_out; null when not linked")
    ]
    metrics: dict[str, Any]
    left_out: list[LeftOutItem]
    warnings: list[str]


class CalibrationReply(Struct):
    """A finished calibration."""

    item_params: list[FittedItem]
    abilities: list[Ability]
    fit_meta: FitMeta
    status: str = "ok"


class Score(Struct):
    """EAP ability under N(0, 1), and its posterior SD."""

    theta: float
    se: float


class ScoringReply(Struct):
    """One ability per row, in the order of the rows."""

    abilities: list[Score]
    status: str = "ok"


class ErrorReply(Struct):
    """What is wrong, in the caller's terms."""

    error: str


class Health(Struct):
    """The service answers."""

    status: str
    service: str
    version: str
    time: str


calibration_decoder = msgspec.json.Decoder(CalibrationBody)
scoring_decoder = msgspec.json.Decoder(ScoringBody)
