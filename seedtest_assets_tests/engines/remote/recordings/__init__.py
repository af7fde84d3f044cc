"""Replies of an R service (plumber 1.2, mirt 1.45.1) to the LSAT7 answers: every value in a list, as R writes it.

A calibration's file has the abilities by pattern of answers; a reply has one for each person.
"""

import json
from pathlib import Path
from typing import Any

from seedtest_assets_tests.irt.reference import answers_of

ITEMS = [f"Item.{number}" for number in range(1, 6)]
USERS = [f"p{number:05d}" for number in range(1, 1001)]


def recorded(name: str) -> dict[str, Any]:
    """Read a reply."""
    reply = json.loads((Path(__file__).parent / f"{name}.json").read_text())
    if isinstance(reply.get("abilities"), dict):
        reply["abilities"] = [_ability(reply["abilities"], *person) for person in zip(USERS, patterns(), strict=True)]
    return reply


def patterns() -> list[str]:
    """Give the answers of each person to the five items, as 0 and 1."""
    return ["".join(str(int(answer)) for answer in person) for person in answers_of("LSAT7")]


def _ability(by_pattern: dict[str, list[float]], user: str, pattern: str) -> dict[str, list[Any]]:
    theta, standard_error = by_pattern[pattern]
    return {"theta": [theta], "se": [standard_error], "user_id": [user]}
