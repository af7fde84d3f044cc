"""What comes back, as typed values or the service's own message."""

from collections.abc import Callable, Mapping
from itertools import count, takewhile
from typing import Any, TypeVar

import requests

from seedtest_client.errors import ServiceFault
from seedtest_client.types import Ability, Calibration, FittedItem, LeftOut, PersonAbility

T = TypeVar("T")


def person_ability(reply: Mapping[str, Any]) -> PersonAbility:
    """Read the ability of one person."""
    return PersonAbility(
        theta=reply["theta"],
        se=reply["se"],
        n_responses=reply["n_responses"],
        left_out=[LeftOut(item_id=each["item_id"], reason=each["reason"]) for each in reply["left_out"]],
    )


def calibration(reply: Mapping[str, Any]) -> Calibration:
    """Read a calibration."""
    return Calibration(
        items=[
            FittedItem(
                item_id=each["item_id"],
                a=each["params"]["a"],
                b=each["params"]["b"],
                c=each["params"]["c"] or 0.0,
                se_a=each["se"]["a"],
                se_b=each["se"]["b"],
                se_c=each["se"]["c"],
                n_responses=each["n_responses"],
                is_anchor=each["is_anchor"],
                model=each["model"],
                steps=_steps(each["params"], each["params"]),
                se_steps=_steps(each["se"], each["params"]),
            )
            for each in reply["item_params"]
        ],
        abilities=[
            Ability(
                theta=each["theta"], se=each["se"], user_id=each.get("user_id"), n_responses=each.get("n_responses")
            )
            for each in reply["abilities"]
        ],
        fit_meta=reply["fit_meta"],
    )


def _steps(values: Mapping[str, Any], params: Mapping[str, Any]) -> tuple[float | None, ...]:
    """Read a value for each of b_1, b_2, ... of the params; None where there is none. JSON has -Infinity as text."""
    given = [values.get(name) for name in takewhile(params.__contains__, (f"b_{k}" for k in count(1)))]
    return tuple(None if value is None else float(value) for value in given)


def made(make: Callable[[], T]) -> T:
    """Read a reply. Raises ServiceFault where something is missing in it."""
    try:
        return make()
    except (KeyError, TypeError, ValueError) as error:
        raise ServiceFault(f"the reply is not one of this service: {error!r}. Is the address right?") from None


def json_object(reply: requests.Response) -> dict[str, Any]:
    """Parse the body of a reply. Raises ServiceFault where it is no object."""
    try:
        parsed = reply.json()
    except requests.exceptions.JSONDecodeError:
        parsed = None
    if not isinstance(parsed, dict):
        raise ServiceFault(f"{reply.url} answered no JSON object. Is the address right?")
    return parsed


def error_message(reply: requests.Response) -> str:
    """Give the service's own message; else the reason phrase."""
    try:
        parsed = reply.json()
    except requests.exceptions.JSONDecodeError:
        parsed = None
    if isinstance(parsed, dict) and isinstance(parsed.get("error"), str):
        return str(parsed["error"])
    return reply.reason or "no message"
