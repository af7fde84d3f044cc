"""Pictures are drawn one at a time: matplotlib's settings are those of the process, and steps run side by side."""

from collections.abc import Callable
from functools import wraps
from threading import RLock
from typing import ParamSpec, TypeVar

DRAWING = RLock()
"""Held while a picture is drawn."""
P = ParamSpec("P")
T = TypeVar("T")


def one_at_a_time(draw: Callable[P, T]) -> Callable[P, T]:
    """Let a function draw while no other does."""

    @wraps(draw)
    def alone(*arguments: P.args, **named: P.kwargs) -> T:
        with DRAWING:
            return draw(*arguments, **named)

    return alone
