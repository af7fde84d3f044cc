"""What a caller can choose: item response models and linking methods.

Imports nothing but `typing`, so that settings and the command line name the choices without loading the engine.
"""

from typing import Literal, get_args

Model = Literal["Rasch", "2PL", "3PL"]
ScaleTransformation = Literal["stocking_lord", "haebara", "mean_sigma", "mean_mean"]
LinkingMethod = Literal[ScaleTransformation, "fixed", "none"]

MODELS: tuple[Model, ...] = get_args(Model)
SCALE_TRANSFORMATIONS: tuple[ScaleTransformation, ...] = get_args(ScaleTransformation)
LINKING_METHODS: tuple[LinkingMethod, ...] = get_args(LinkingMethod)

# Parameters that each item has to itself; Rasch's common slope is one more for all items together.
PARAMETERS_PER_ITEM: dict[str, int] = {"Rasch": 1, "2PL": 2, "3PL": 3}


def scale_transformation(method: LinkingMethod) -> ScaleTransformation:
    """Choose how to link items that are not held: by the method itself, or by stocking_lord in place of "fixed"."""
    return "stocking_lord" if method == "fixed" or method == "none" else method
