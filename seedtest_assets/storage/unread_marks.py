"""Marks that cannot be read: responses without a key, codes, points of partial credit, and others."""

import re
from collections.abc import Iterable, Mapping, Sequence

from seedtest_assets.errors import NAMED_IN_A_MESSAGE, InputError
from seedtest_assets.storage.mark_names import ALL_MARKS, INCORRECT, Kind, is_usual_code, most_frequent, number

# Responses of multiple choice, in lower case. 7, 8 and 9 may be codes.
_RESPONSE = re.compile("[a-z]|[1-6]|[①-⑥]|[ⓐ-ⓕ]|[가나다라마바]")


def refuse_responses(answers: Sequence[Kind]) -> None:
    """Raise InputError if most marks look like responses of multiple choice: letters, or numbers of which none is 0.

    Where no mark is incorrect, those that could be correct are responses too, such as the 1 of 1 to 5.
    """
    marks = {kind.plain for kind in answers}
    unread = marks - ALL_MARKS
    could_be = unread if marks & (INCORRECT | {"0"}) else marks
    responses = [
        kind
        for kind in answers
        if kind.plain in could_be and _RESPONSE.fullmatch(kind.plain) and not ("0" in marks and number(kind.plain))
    ]
    if unread and 2 * sum(kind.n_rows for kind in responses) > sum(kind.n_rows for kind in answers):
        raise InputError(
            f"the marks look like responses, not marks: {most_frequent(responses)}. "
            "Score them with --key KEY.csv, a file of item_id and key, which has the right response of each item"
        )


def reasons_of(unread: Iterable[Kind], fault: str, of_points: str) -> Mapping[str, str]:
    """Say for each mark why it cannot be read; many kinds, such as points, have one reason, because reasons are counted.

    fault: what a mark is, such as "neither correct nor incorrect". of_points: what to add of numbers above 0 that are no usual code.
    """
    by_advice: dict[str, list[Kind]] = {}
    for kind in unread:
        by_advice.setdefault(_advice(kind.plain, of_points), []).append(kind)
    reasons: dict[str, str] = {}
    for advice, kinds in by_advice.items():
        marks = dict.fromkeys(kind.mark for kind in kinds)
        if len(marks) <= NAMED_IN_A_MESSAGE:
            reasons |= {mark: f"the mark {mark} is {fault}{advice}" for mark in marks}
        else:
            text = f"marks of {len(marks):,} kinds are {fault}{advice}: {most_frequent(kinds)}"
            reasons |= dict.fromkeys(marks, text)
    return reasons


def _advice(mark: str, of_points: str) -> str:
    if is_usual_code(mark):
        return f", and may be a code: --omitted {mark}=wrong or --omitted {mark}=ignored"
    return of_points if (number(mark) or 0) > 0 else ""
