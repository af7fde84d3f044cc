"""The wire format of the service as msgspec types: they parse, check, and describe themselves in OpenAPI."""

from datetime import datetime
from typing import Annotated, Any, Literal

import msgspec
from msgspec import UNSET, Meta, Struct, UnsetType

from seedtest_assets.irt.models import MODELS, MOST_CATEGORIES, POLYTOMOUS_MODELS, STEP_NAMES

NOT_AVAILABLE = "NA"

Id = str | int
Answer = Annotated[
    bool | float | Literal["NA"] | None,
    Meta(
        description='true or 1, false or 0; null (R clients: "NA") is an item not answered',
        extra_json_schema={"enum": [True, False, 0, 1, None, NOT_AVAILABLE]},
    ),
]
Cell = Annotated[
    bool | float | Literal["NA"] | None,
    Meta(
        description="as `is_correct`, or an integer score of partial credit",
        extra_json_schema={"enum": [True, False, *range(MOST_CATEGORIES), None, NOT_AVAILABLE]},
    ),
]

Number = float | Literal["NA"] | None

LARGEST_PRIOR_THETA = 1e6
# No posterior of a test is narrower, and no population of one scale is wider.
LEAST_PRIOR_SD, LARGEST_PRIOR_SD = 1e-4, 1e4


Points = Annotated[
    float | Literal["NA"] | None,
    Meta(
        description="points of an item with partial credit, from 0, in place of `is_correct` or beside it; null where there are none"
    ),
]


class Observation(Struct, gc=False):
    """One answer of one person to one item: right or wrong, or a score."""

    user_id: Id
    item_id: Id
    is_correct: Answer | UnsetType = UNSET
    responded_at: datetime | None = None
    score: Points | UnsetType = UNSET
    max_score: Annotated[
        float | Literal["NA"] | None,
        Meta(description="the most that the item gives; otherwise the most that anybody got"),
    ] = None


_Step = Annotated[
    float | Literal["NA", "-Infinity", "-Inf"] | UnsetType | None,
    Meta(
        description="threshold of a GRM, step of a GPCM or PCM. Null where nobody has the score, -Infinity up to the lowest score "
        "that anybody has"
    ),
]
_StepError = Annotated[float | UnsetType | None, Meta(description="standard error of that step; null if not known")]
_PolytomousModel = Annotated[
    str | None, Meta(description="GRM, GPCM or PCM of an item with b_1, b_2, ...; not read of another one")
]


class _Curve(Struct):
    """The parameters before b_1, b_2, ..."""

    a: Annotated[Number, Meta(description="discrimination, from -100 to 100 and not 0")] = None
    b: Annotated[
        Number, Meta(description="difficulty, from -1,000,000 to 1,000,000; not read of an item with b_1, b_2, ...")
    ] = None
    c: Annotated[
        Number, Meta(description="guessing, from 0 to below 1; 0 when absent, and of an item with b_1, b_2, ...")
    ] = None
    model: _PolytomousModel = None


_GivenCurve = msgspec.defstruct(
    "_GivenCurve", [(name, _Step, UNSET) for name in STEP_NAMES], bases=(_Curve,), module=__name__
)


class Parameters(_GivenCurve):  # type: ignore[misc, valid-type]
    """Item parameters: P(correct) = c + (1 - c) / (1 + exp(-a (theta - b))).

    With partial credit a, b_1, b_2, ... and the model, where b_k belongs to score k.
    """


class Anchor(Struct):
    """An item with known parameters: `fixed` makes it a true anchor, otherwise they only start the estimation.

    Anchors without usable parameters, and of items that no answer names, are left out and listed in
    `fit_meta.anchors_left_out`.
    """

    item_id: Id
    params: Parameters
    fixed: bool = False
    model: Annotated[str | None, Meta(description="as in `params`, where those name none")] = None


class CalibrationBody(Struct):
    """Either `observations` or `responses`, and how to calibrate them."""

    observations: list[Observation] | None = None
    responses: Annotated[
        list[list[Cell]] | None,
        Meta(
            description="one row a person, one column an item; a null keeps its place. A column with integers above 1 has scores of "
            "partial credit"
        ),
    ] = None
    item_ids: Annotated[
        list[Id] | None,
        Meta(description="the ids of the columns of `responses`, each once; without, they are named I1, I2, …"),
    ] = None
    model: Annotated[str, Meta(extra_json_schema={"enum": list(MODELS)})] = "2PL"
    polytomous_model: Annotated[
        str, Meta(description="of items with partial credit", extra_json_schema={"enum": list(POLYTOMOUS_MODELS)})
    ] = "GRM"
    item_models: Annotated[
        dict[str, str] | None, Meta(description="the model of single items with partial credit, by item id")
    ] = None
    anchors: list[Anchor] | None = None
    linking_method: Annotated[
        str, Meta(description="stocking_lord, haebara, mean_sigma, mean_mean, fixed (fixed-item calibration) or none")
    ] = "stocking_lord"


class ScoredItem(_GivenCurve):  # type: ignore[misc, valid-type]
    """An item's parameters, flat or under `params`; its place in the list is its column in `responses`."""

    item_id: Id | None = None
    item: Id | None = None
    params: Parameters | None = None


class PersonAnswer(Struct, gc=False):
    """One answer of the one person of a request."""

    item_id: Id
    is_correct: Answer | UnsetType = UNSET
    responded_at: datetime | None = None
    score: Points | UnsetType = UNSET


class ScoringBody(Struct):
    """Items, and the answers to them: a row for each person, or the answers of one person by item.

    Rows need `item_params` as a list, in the order of the columns. For the answers of one person it may also be an
    object of parameters by item id. Of several answers to an item the earliest counts; without times, the list is
    taken to begin with the newest answer.
    """

    item_params: list[ScoredItem] | dict[str, Parameters]
    responses: list[list[Cell] | PersonAnswer]


class Prior(Struct):
    """What was known of the person before these answers: the ability and standard error of the nightly row."""

    theta: Annotated[float, Meta(ge=-LARGEST_PRIOR_THETA, le=LARGEST_PRIOR_THETA)]
    se: Annotated[float, Meta(ge=LEAST_PRIOR_SD, le=LARGEST_PRIOR_SD)]


class Population(Struct):
    """The calibrated group: the prior of a person of whom nothing else is known."""

    mean: Annotated[float, Meta(ge=-LARGEST_PRIOR_THETA, le=LARGEST_PRIOR_THETA)] = 0.0
    sd: Annotated[float, Meta(ge=LEAST_PRIOR_SD, le=LARGEST_PRIOR_SD)] = 1.0


class UpdatingBody(Struct):
    """Items, the answers of one person's session, and what was known before: a `prior`, or the `population`.

    Without either the population is N(0, 1). Of several answers to an item the earliest counts; without times, the list
    is taken to begin with the newest answer.
    """

    item_params: list[ScoredItem] | dict[str, Parameters]
    responses: list[PersonAnswer]
    prior: Prior | None = None
    population: Population | None = None


FittedParameters = msgspec.defstruct(
    "FittedParameters",
    [("a", float), ("b", float), ("c", float | None), *((name, _Step, UNSET) for name in STEP_NAMES)],
    namespace={
        "__doc__": "Parameters on the bank's scale; c is null below the 3PL. With partial credit also b_1, b_2, ..., and b is the mean of "
        "its steps."
    },
    module=__name__,
)
StandardErrors = msgspec.defstruct(
    "StandardErrors",
    [*((name, float | None) for name in "abc"), *((name, _StepError, UNSET) for name in STEP_NAMES)],
    namespace={"__doc__": "Standard errors of the parameters; null for one that was not estimated."},
    module=__name__,
)


class FittedItem(Struct):
    """One item of a calibration."""

    item_id: str
    params: FittedParameters  # type: ignore[valid-type]
    model: Annotated[str, Meta(description="the item's own: GRM, GPCM or PCM with partial credit")]
    se: StandardErrors  # type: ignore[valid-type]
    n_responses: int
    is_anchor: bool
    version: str = "v1"


class _Monitored(Struct):
    item_id: str
    a: float
    b: float
    c: float
    a_se: float | UnsetType = UNSET
    b_se: float | UnsetType = UNSET
    c_se: float | UnsetType = UNSET
    model: Annotated[str | UnsetType, Meta(description="of an item with partial credit")] = UNSET


_MonitoredSteps = msgspec.defstruct(
    "_MonitoredSteps",
    [
        *((name, _Step, UNSET) for name in STEP_NAMES),
        *((f"{name}_se", float | UnsetType, UNSET) for name in STEP_NAMES),
    ],
    bases=(_Monitored,),
    module=__name__,
)


class MonitoredItem(_MonitoredSteps):  # type: ignore[misc, valid-type]
    """The same item as the drift monitor of the platform reads it; a standard error that is not known is absent."""


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


class LeftOutAnchor(Struct):
    """An anchor that could not be used, and why."""

    item_id: str
    fixed: bool
    reason: str


class FitMeta(Struct):
    """The model, its fit, and how the parameters were put on the bank's scale."""

    run_id: str
    model_spec: dict[str, Any]
    linking_constants: Annotated[
        dict[str, Any] | None,
        Meta(
            description="A, B, method, n_anchors_used, screened_out, se_A, se_B, residual_z, slope_ratio, slope_ratio_z, contradictory; null when not "
            "linked. Where no person connects blocks of items: those of the largest block, with the others in "
            "other_blocks and the anchors of each in anchors"
        ),
    ]
    metrics: dict[str, Any]
    left_out: list[LeftOutItem]
    anchors_left_out: list[LeftOutAnchor]
    warnings: list[str]


class CalibrationReply(Struct):
    """A finished calibration."""

    item_params: list[FittedItem]
    items: list[MonitoredItem]
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


class LeftOutAnswers(Struct):
    """An item whose answers were not scored, and why."""

    item_id: str
    reason: str


class PersonScoringReply(Struct):
    """The ability of one person; theta and its standard error are null where no answer could be scored."""

    abilities: list[Score]
    theta: float | None
    se: float | None
    standard_error: Annotated[float | None, Meta(description="the same as `se`")]
    n_responses: Annotated[int, Meta(description="answers that were scored")]
    left_out: list[LeftOutAnswers]
    status: str = "ok"


class UpdatingReply(Struct):
    """The ability of one person after a session; that of the prior where no answer could be scored."""

    abilities: list[Score]
    theta: float
    se: float
    standard_error: Annotated[float, Meta(description="the same as `se`")]
    n_responses: Annotated[int, Meta(description="answers that were scored")]
    left_out: list[LeftOutAnswers]
    status: str = "ok"


class ErrorReply(Struct):
    """What is wrong, in the caller's terms."""

    error: str


class Health(Struct):
    """Which service answers, in which version."""

    status: str
    service: str
    version: str
    time: str


calibration_decoder = msgspec.json.Decoder(CalibrationBody)
scoring_decoder = msgspec.json.Decoder(ScoringBody)
updating_decoder = msgspec.json.Decoder(UpdatingBody)
