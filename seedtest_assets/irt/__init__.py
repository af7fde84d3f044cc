"""Item response theory on arrays: calibration, abilities, linking and fit, on the sparse list of answers.

A name is imported when it is first used, so that code which needs a choice or an error only does not load the compiled
engine.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from seedtest_assets.irt.ability import expected_a_posteriori, marginal_reliability, reliability
    from seedtest_assets.irt.calibration import calibrate
    from seedtest_assets.irt.classical import ClassicalStatistics, classical_statistics
    from seedtest_assets.irt.counted_answers import first_answers
    from seedtest_assets.irt.dif import differential_item_functioning
    from seedtest_assets.irt.dif_result import ItemDif
    from seedtest_assets.irt.errors import DataError
    from seedtest_assets.irt.fit_statistics import ItemFit, item_fit
    from seedtest_assets.irt.grid import Grid, normal_grid
    from seedtest_assets.irt.linking import Linking, link
    from seedtest_assets.irt.lz_star import person_fit
    from seedtest_assets.irt.models import (
        LINKING_METHODS,
        MODELS,
        MOST_CATEGORIES,
        POLYTOMOUS_MODELS,
        SCALE_TRANSFORMATIONS,
        LinkingMethod,
        Model,
        ModelFacts,
        Models,
        PolytomousModel,
        ScaleTransformation,
        model_facts,
    )
    from seedtest_assets.irt.options import MIN_RESPONSES, Options
    from seedtest_assets.irt.parameters import (
        ItemParameters,
        category_probabilities,
        expected_score,
        free_parameters,
        information,
        probability,
    )
    from seedtest_assets.irt.priors_by_item import PriorsByItem
    from seedtest_assets.irt.responses import Responses
    from seedtest_assets.irt.result import Calibration, CalibrationFrames
    from seedtest_assets.irt.score_fit import s_x2
    from seedtest_assets.irt.simulation import simulate
    from seedtest_assets.irt.topic_answers import TopicAnswers
    from seedtest_assets.irt.topic_tau import TopicSpread, topic_spread
    from seedtest_assets.irt.topics import TopicAbilities, topic_abilities
    from seedtest_assets.irt.warm_up import warm_up

__all__ = [
    "LINKING_METHODS",
    "MIN_RESPONSES",
    "MODELS",
    "MOST_CATEGORIES",
    "POLYTOMOUS_MODELS",
    "SCALE_TRANSFORMATIONS",
    "Calibration",
    "CalibrationFrames",
    "ClassicalStatistics",
    "DataError",
    "Grid",
    "ItemDif",
    "ItemFit",
    "ItemParameters",
    "Linking",
    "LinkingMethod",
    "Model",
    "ModelFacts",
    "Models",
    "Options",
    "PolytomousModel",
    "PriorsByItem",
    "Responses",
    "ScaleTransformation",
    "TopicAbilities",
    "TopicAnswers",
    "TopicSpread",
    "calibrate",
    "category_probabilities",
    "classical_statistics",
    "differential_item_functioning",
    "expected_a_posteriori",
    "expected_score",
    "first_answers",
    "free_parameters",
    "information",
    "item_fit",
    "link",
    "marginal_reliability",
    "model_facts",
    "normal_grid",
    "person_fit",
    "probability",
    "reliability",
    "s_x2",
    "simulate",
    "topic_abilities",
    "topic_spread",
    "warm_up",
]

# Where the names live; those that load little come first, since they are searched in this order.
_MODULES = (
    "models",
    "errors",
    "options",
    "grid",
    "parameters",
    "priors_by_item",
    "linking",
    "simulation",
    "responses",
    "classical",
    "counted_answers",
    "fit_statistics",
    "lz_star",
    "score_fit",
    "ability",
    "result",
    "topic_answers",
    "topic_tau",
    "topics",
    "calibration",
    "dif_result",
    "dif",
    "warm_up",
)


def __getattr__(name: str) -> Any:
    if name in __all__:
        for module in map(import_module, (f"{__name__}.{module}" for module in _MODULES)):
            if hasattr(module, name):
                globals()[name] = getattr(module, name)
                return globals()[name]
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return [*globals(), *__all__]
