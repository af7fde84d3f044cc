"""The report's first section: the items that need a person, worst first."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd
from markupsafe import Markup, escape

from seedtest_assets.item_flags import BY_NAME, NEED_A_PERSON, shown_numbers, with_flags, worst_first
from seedtest_assets.report.translations import KOREAN, bilingual

MOST = 25
"""Items that the report names; `seedtest items` lists all."""


@dataclass(frozen=True, kw_only=True)
class FlaggedItem:
    """A flag of an item: its name, why the item has it, and what to do, in both languages."""

    item: str
    flag: Markup
    reason: Markup
    action: Markup


@dataclass(frozen=True, kw_only=True)
class FlaggedItems:
    """rows: a row a flag, of the worst items; n_items: all that need a person."""

    rows: list[FlaggedItem]
    n_items: int

    @property
    def n_more(self) -> int:
        """Items that need a person and are not in the rows."""
        return max(self.n_items - MOST, 0)


def flagged_items(statistics: pd.DataFrame) -> FlaggedItems:
    """Lay out the items that need a person. statistics: of the day, with flags; may be empty."""
    flagged = worst_first(with_flags(statistics, NEED_A_PERSON))
    rows = [
        FlaggedItem(
            item=str(item["item_id"]),
            flag=bilingual(name),
            reason=_with_numbers(BY_NAME[name].reason, item),
            action=bilingual(BY_NAME[name].action),
        )
        for item in flagged.head(MOST).to_dict("records")
        for name in item["flags"]
        if name in NEED_A_PERSON
    ]
    return FlaggedItems(rows=rows, n_items=len(flagged))


def _with_numbers(sentence: str, item: Mapping[str, Any]) -> Markup:
    numbers = shown_numbers(item)
    texts = (("en", sentence), ("ko", KOREAN[sentence]))
    return Markup("".join(f'<span lang="{lang}">{escape(text.format(**numbers))}</span>' for lang, text in texts))
