"""A client of the IRT service `seedtest serve`: typed requests and replies, over HTTP, with `requests` only.

from seedtest_client import Client

with Client("http://localhost:8000", token="…") as service:
    ability = service.update(items, answers, prior=Prior(theta=0.85, se=0.32))
"""

from seedtest_client.client import Client
from seedtest_client.errors import Busy, Rejected, ServiceError, ServiceFault, Unreachable
from seedtest_client.types import (
    Ability,
    Anchor,
    Answer,
    Calibration,
    FittedItem,
    Health,
    Item,
    KnownItem,
    LeftOut,
    Models,
    Observation,
    PersonAbility,
    Population,
    Prior,
)
from seedtest_client.waiting import LONGEST_WAIT

__all__ = [
    "LONGEST_WAIT",
    "Ability",
    "Anchor",
    "Answer",
    "Busy",
    "Calibration",
    "Client",
    "FittedItem",
    "Health",
    "Item",
    "KnownItem",
    "LeftOut",
    "Models",
    "Observation",
    "PersonAbility",
    "Population",
    "Prior",
    "Rejected",
    "ServiceError",
    "ServiceFault",
    "Unreachable",
]
