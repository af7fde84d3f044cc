"""What a caller can choose: item response models and linking methods.

Imports nothing that computes, so that settings and the command line name the choices without loading the engine.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, get_args

from seedtest_assets.irt.errors import DataError

Model = Literal["Rasch", "2PL", "3PL"]
ScaleTransformation = Literal["stocking_lord", "haebara", "mean_sigma", "mean_mean"]
LinkingMethod = Literal[ScaleTransformation, "fixed", "none"]
PolytomousModel = Literal["GRM", "GPCM", "PCM"]

MODELS: tuple[Model, ...] = get_args(Model)
POLYTOMOUS_MODELS: tuple[PolytomousModel, ...] = get_args(PolytomousModel)
# Scores that an item may have, 0 among them. More are no steps of a solution but a measurement, such as a percentage.
MOST_CATEGORIES = 20
# Names of the steps of an item with partial credit, in tables and files.
STEP_NAMES = tuple(f"b_{k}" for k in range(1, MOST_CATEGORIES))
SCALE_TRANSFORMATIONS: tuple[ScaleTransformation, ...] = get_args(ScaleTransformation)
LINKING_METHODS: tuple[LinkingMethod, ...] = get_args(LinkingMethod)


@dataclass(frozen=True)
class ModelFacts:
    """What tells a model from the others.

    Parameters
    ----------
    own_slopes : bool
        Whether each item has a discrimination of its own; else all items have one in common.
    guessing : bool
        Whether a free item has a lower asymptote.

    Examples
    --------
    >>> from seedtest_assets import irt
    >>> irt.ModelFacts(own_slopes=True, guessing=False).parameters_per_item
    2
    """

    own_slopes: bool
    guessing: bool

    @property
    def parameters_per_item(self) -> int:
        """Parameters that each item has to itself; a common slope is one more for all items together."""
        return 1 + self.own_slopes + self.guessing


_FACTS: dict[str, ModelFacts] = {
    "Rasch": ModelFacts(own_slopes=False, guessing=False),
    "2PL": ModelFacts(own_slopes=True, guessing=False),
    "3PL": ModelFacts(own_slopes=True, guessing=True),
}


def model_named(name: str) -> str:
    """Give the model that people name so: 1PL is Rasch, in any case. Another name stands as it is, and is refused where it is used."""
    models = {model.lower(): model for model in MODELS}
    return models.get("rasch" if name.lower() == "1pl" else name.lower(), name)


def model_facts(model: str) -> ModelFacts:
    """Look up what tells a model from the others.

    Parameters
    ----------
    model : str
        One of MODELS.

    Returns
    -------
    ModelFacts

    Raises
    ------
    DataError
        A model that there is not.

    Examples
    --------
    >>> from seedtest_assets import irt
    >>> irt.model_facts("Rasch").own_slopes
    False
    """
    if model not in _FACTS:
        raise DataError(f"model {model!r} is not one of {', '.join(_FACTS)}")
    return _FACTS[model]


@dataclass(frozen=True, kw_only=True)
class Models:
    """The models of a bank in which some items have partial credit.

    Parameters
    ----------
    model : {"Rasch", "2PL", "3PL"}
        Of the items that are right or wrong.
    polytomous_model : {"GRM", "GPCM", "PCM"}
        Of the items with partial credit, those with a score above 1: the graded response model [1]_, the generalised
        partial credit model [2]_, or the partial credit model [3]_, whose items have one slope in common, with those of
        Rasch, too. A score that nobody got keeps its number; see category_curves.py.
    item_models : mapping of item code to a polytomous model
        The model of single items with partial credit. A code is the item's position in `Responses.item_ids`. A warning of the
        calibration names items without a score above 1, for which it changes nothing.

    Raises
    ------
    DataError
        A model that there is not.

    References
    ----------
    .. [1] Samejima, F. (1969). Estimation of latent ability using a response pattern of graded scores. Psychometrika
       Monograph Supplement, 17.
    .. [2] Muraki, E. (1992). A generalized partial credit model: Application of an EM algorithm. Applied Psychological
       Measurement, 16(2), 159-176.
    .. [3] Masters, G. N. (1982). A Rasch model for partial credit scoring. Psychometrika, 47(2), 149-174.

    Examples
    --------
    >>> from seedtest_assets import irt
    >>> responses = irt.Responses.from_matrix([[0, 0], [0, 1], [0, 1], [1, 1], [0, 2], [1, 2], [1, 2], [1, 0]])
    >>> models = irt.Models(model="Rasch", polytomous_model="PCM")
    >>> irt.calibrate(responses, models, options=irt.Options(min_responses=5)).items.model
    array(['', 'PCM'], dtype=object)
    """

    model: Model = "2PL"
    polytomous_model: PolytomousModel = "GRM"
    item_models: Mapping[int, PolytomousModel] = field(default_factory=dict)

    def __post_init__(self) -> None:
        model_facts(self.model)
        for model in (self.polytomous_model, *self.item_models.values()):
            if model not in POLYTOMOUS_MODELS:
                raise DataError(
                    f"model {model!r} of items with partial credit is not one of {', '.join(POLYTOMOUS_MODELS)}"
                )


def scale_transformation(method: LinkingMethod) -> ScaleTransformation:
    """Choose how to link items that are not held: by the method itself, or by stocking_lord in place of "fixed"."""
    return "stocking_lord" if method == "fixed" or method == "none" else method
