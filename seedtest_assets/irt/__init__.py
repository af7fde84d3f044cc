"""Item response theory on arrays: calibration, abilities, linking and fit, on the sparse list of answers."""

from seedtest_assets.irt.calibration import (
    MODELS,
    Calibration,
    calibrate,
    expected_a_posteriori,
    link_target,
    reliability,
    screen,
)
from seedtest_assets.irt.errors import DataError
from seedtest_assets.irt.grid import Grid, normal_grid
from seedtest_assets.irt.linking import Linking, link
from seedtest_assets.irt.parameters import ItemParameters, information, probability
from seedtest_assets.irt.responses import Responses
from seedtest_assets.irt.topics import TopicAbilities, TopicSpread, topic_abilities, topic_spread

__all__ = [
    "MODELS",
    "Calibration",
    "DataError",
    "Grid",
    "ItemParameters",
    "Linking",
    "Responses",
    "TopicAbilities",
    "TopicSpread",
    "calibrate",
    "expected_a_posteriori",
    "information",
    "link",
    "link_target",
    "normal_grid",
    "probability",
    "reliability",
    "screen",
    "topic_abilities",
    "topic_spread",
]
