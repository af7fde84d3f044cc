"""Which items got a flag that they never had before?"""

from collections.abc import Sequence
from datetime import date

import pandas as pd

from seedtest_assets.checks.judgement import Judgement, Trend, Verdict
from seedtest_assets.errors import first_few, number_of
from seedtest_assets.item_flags import NEED_A_PERSON, reason_of, with_flags, worst_first

SHOWN = 10


def flagged_items(
    day: date, statistics: pd.DataFrame, before: set[tuple[str, str]], counts_before: Sequence[int]
) -> Judgement:
    """WARN when an item has a flag that needs a person and that it had on no earlier day.

    statistics: of the day, with flags; before: (item_id, flag) of every earlier day; counts_before: items that needed a person
    on the last days, oldest first, empty for the first statistics, of which nothing is new.
    """
    flagged = worst_first(with_flags(statistics, NEED_A_PERSON)).to_dict("records")
    new = [
        row | {"new": [flag for flag in row["flags"] if flag in NEED_A_PERSON and (row["item_id"], flag) not in before]}
        for row in flagged
    ]
    new = [row for row in new if row["new"]] if counts_before else []
    if new:
        names = first_few([f"{row['item_id']} ({', '.join(row['new'])})" for row in new])
        finding = f"{number_of(len(new), 'item')} got a new flag: {names}"
    elif counts_before:
        finding = f"{number_of(len(flagged), 'item')} with flags, none of them new"
    else:
        finding = f"the first statistics: {number_of(len(flagged), 'item')} with flags"
    return Judgement(
        check="flagged_items",
        verdict=Verdict.WARN if new else Verdict.PASS,
        finding=finding,
        advice=f"seedtest items --date {day} lists every flagged item with its reason and what to do about it",
        numbers={"items": len(statistics), "items_that_need_a_person": len(flagged), "items_with_a_new_flag": len(new)},
        limits={"new flags allowed": 0},
        history=Trend(values=[*counts_before, len(flagged)], label="items that need a person"),
        worst=pd.DataFrame(
            [
                {"item_id": row["item_id"], "flags": ", ".join(row["new"]), "reason": reason_of(row["new"][0], row)}
                for row in new[:SHOWN]
            ]
        )
        if new
        else None,
    )
