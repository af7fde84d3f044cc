"""Items of a wide file with partial credit, and the few of their marks that are no scores."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from seedtest_assets.errors import number_of
from seedtest_assets.irt.models import MOST_CATEGORIES
from seedtest_assets.storage.mark_names import Kind, is_usual_code, most_frequent, number

SHARE_OF_STRAY_MARKS = 0.02
"""Of an item's marks; one mark alone may always be a stray one."""


@dataclass(frozen=True, kw_only=True)
class WideScores:
    """Items with partial credit.

    scores: the plain marks of each that are scores; its other marks are bad cells. unclear: items of which too many marks are
    no scores, and why none of their marks can be read.
    """

    scores: Mapping[str | None, frozenset[str]]
    unclear: Mapping[str | None, str]

    def is_full(self, kind: Kind) -> bool:
        """Tell whether a score is the item's highest."""
        return number(kind.plain) == max(map(float, self.scores[kind.item]))


NO_WIDE_SCORES = WideScores(scores={}, unclear={})


def find_wide_scores(answers: Iterable[Kind]) -> WideScores:
    """Find the items whose marks are, but for a few, integers from 0 with two or more above 0.

    Of an item's marks 2%, or one, may be others, such as a 0.5 or a 30, and any number may be usual codes of missing answers. With more, an
    item that has two numbers above 0, such as 0.5 and 1, is unclear: without these marks it would be another item. An item of which
    nobody has 0 is one if another such item has 0: alone, its marks may be responses of multiple choice.
    """
    of_item: dict[str | None, list[Kind]] = {}
    for kind in answers:
        of_item.setdefault(kind.item, []).append(kind)
    found = {item: _scores(kinds) for item, kinds in of_item.items() if _has_points(kinds)}
    if not any("0" in scores for scores in found.values()):
        return NO_WIDE_SCORES
    unclear = {item: why for item, scores in found.items() if (why := _too_many_others(of_item[item], scores))}
    scored = {item: scores for item, scores in found.items() if item not in unclear and len(scores - {"0"}) > 1}
    return WideScores(scores=scored, unclear=unclear)


def _has_points(kinds: Iterable[Kind]) -> bool:
    """Tell whether an item has two or more numbers above 0 that are no usual codes."""
    return len({kind.plain for kind in kinds if (number(kind.plain) or 0) > 0 and not is_usual_code(kind.plain)}) > 1


def _scores(kinds: Iterable[Kind]) -> frozenset[str]:
    """Give the marks of an item that are integers and may be scores."""
    integers = {kind.plain for kind in kinds if number(kind.plain) in range(MOST_CATEGORIES)}
    return frozenset(mark for mark in integers if not is_usual_code(mark) or float(mark) <= len(integers))


def _too_many_others(kinds: Sequence[Kind], scores: frozenset[str]) -> str | None:
    """Say why an item is unclear, None where it is not."""
    marks = [kind for kind in kinds if kind.plain in scores or not is_usual_code(kind.plain)]
    others = [kind for kind in marks if kind.plain not in scores]
    n_others, n = (sum(kind.n_rows for kind in some) for some in (others, marks))
    if n_others <= max(1, SHARE_OF_STRAY_MARKS * n):
        return None
    return (
        f"{kinds[0].item} has scores of partial credit, but {n_others:,} of its {number_of(n, 'mark')} are no integers from 0 to "
        f"{MOST_CATEGORIES - 1}: {most_frequent(others)}"
    )
