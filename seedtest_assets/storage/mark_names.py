"""How marks are written: the names of correct, incorrect and no answer, and the same mark in one way."""

import math
import re
from collections import Counter
from collections.abc import Iterable
from typing import NamedTuple

from seedtest_assets.errors import first_few

CORRECT = frozenset({"true", "t", "yes", "y", "o", "○", "정답", "맞음"})
INCORRECT = frozenset({"false", "f", "no", "n", "x", "×", "오답", "틀림"})
NO_ANSWER = frozenset({"na", "n/a", "nan", "null", ".", "-"})
"""Marks in any case; 1 and 0, also as 1.0 and 0.00, are correct and incorrect. A blank is no answer, too."""
ALL_MARKS = CORRECT | INCORRECT | {"1", "0"}
BLANK = "blank"
# What testing programmes write for omitted, not reached and invalid answers: 9, 88, 997, -1.
_USUAL_CODES = re.compile("7+|8+|9+[678]?|-.*")


class Kind(NamedTuple):
    """The rows with the same mark of the same item. item: null where marks mean the same in all items."""

    item: str | None
    mark: str
    plain: str
    n_rows: int


def plain(mark: str) -> str:
    """Write marks of the same meaning in the same way: 1.00 as 1, TRUE as true; a blank as BLANK."""
    value = number(mark)
    return (mark.strip().lower() or BLANK) if value is None else f"{value:.15g}"


def number(mark: str) -> float | None:
    """Give the value of a mark that is a number."""
    try:
        value = float(mark)
    except ValueError:
        return None
    return value if math.isfinite(value) else None


def is_usual_code(mark: str) -> bool:
    """Tell whether a plain mark is a number that usually stands for a missing answer."""
    return number(mark) is not None and _USUAL_CODES.fullmatch(mark) is not None


def most_frequent(kinds: Iterable[Kind]) -> str:
    """List the most frequent marks with their counts."""
    counts: Counter[str] = Counter()
    for kind in kinds:
        counts[kind.mark] += kind.n_rows
    return first_few([f"{mark} ({count:,})" for mark, count in counts.most_common()])
