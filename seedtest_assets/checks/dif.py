"""Which items began to function differently for a group?"""

from collections.abc import Mapping, Sequence

import pandas as pd

from seedtest_assets.checks.judgement import Judgement, Trend, Verdict
from seedtest_assets.errors import first_few, number_of

SHOWN = 10
COLUMNS = ["item_id", "group_id", "flag", "mh_delta", "lr_x2", "p", "signed_area", "unsigned_area"]


def dif(flagged: pd.DataFrame, before: Mapping[tuple[str, str], str], counts_before: Sequence[int]) -> Judgement:
    """WARN at a new B, ERROR at a new C; an item that a group had at the same level or worse before is known.

    flagged: rows of dif_history with B or C, the worst first; before: worst flag of (item, group) in earlier weeks;
    counts_before: flagged rows of the last weeks, oldest first.
    """
    keys = zip(flagged["item_id"], flagged["group_id"], flagged["flag"], strict=True)
    new = flagged[[flag > before.get((item, group), "A") for item, group, flag in keys]] if len(flagged) else flagged
    known = len(flagged) - len(new)
    if len(new):
        names = [f"{row.item_id} ({row.flag}, {row.group_id})" for row in new.itertuples(index=False)]
        finding = f"{number_of(len(new), 'item')} with new differential functioning: {first_few(names)}"
    else:
        finding = "no item with new differential functioning"
    if known:
        finding += f". {known:,} known from earlier weeks"
    has_c = bool((new["flag"] == "C").any())
    return Judgement(
        check="dif",
        verdict=Verdict.ERROR if has_c else Verdict.WARN if len(new) else Verdict.PASS,
        finding=finding,
        advice=(
            "Read the item as the group does: language, names, context, an unfamiliar form. The report has both curves. "
            "A large difference that has no reason in what is measured is unfair: retire the item"
        ),
        numbers={"new": len(new), "known": known, "new_C": int((new["flag"] == "C").sum())},
        limits={"WARN": "a new B", "ERROR": "a new C"},
        history=Trend(values=[*counts_before, len(flagged)], label="items flagged B or C"),
        worst=new[COLUMNS].head(SHOWN) if len(new) else None,
    )
