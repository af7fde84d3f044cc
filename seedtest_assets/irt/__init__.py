"""Item response theory on arrays: calibration, abilities, linking and fit, on the sparse list of answers."""

from seedtest_assets.irt.ability import expected_a_posteriori, marginal_reliability, reliability
from seedtest_assets.irt.calibration import MIN_RESPONSES, MODELS, Calibration, calibrate, link_target
from seedtest_assets.irt.errors import DataError
from seedtest_assets.irt.fit_statistics import ItemFit, item_fit, person_fit, s_x2
from seedtest_assets.irt.grid import Grid, normal_grid
from seedtest_assets.irt.linking import METHODS as LINKING_METHODS
from seedtest_assets.irt.linking import Linking, link
from seedtest_assets.irt.parameters import ItemParameters, information, probability
from seedtest_assets.irt.responses import Responses
from seedtest_assets.irt.screening import fittable_items
from seedtest_assets.irt.topic_spread import TopicSpread, topic_spread
from seedtest_assets.irt.topics import TopicAbilities, topic_abilities

__all__ = [
    "LINKING_METHODS",
    "MIN_RESPONSES",
    "MODELS",
    "Calibration",
    "DataError",
    "Grid",
    "ItemFit",
    "ItemParameters",
    "Linking",
    "Responses",
    "TopicAbilities",
    "TopicSpread",
    "calibrate",
    "expected_a_posteriori",
    "fittable_items",
    "information",
    "item_fit",
    "link",
    "link_target",
    "marginal_reliability",
    "normal_grid",
    "person_fit",
    "probability",
    "reliability",
    "s_x2",
    "topic_abilities",
    "topic_spread",
]
