"""The change requests of the course, as each style carries them out."""

from __future__ import annotations

import sys

from labkit.comparing.change import Change, Member
from labkit.comparing.style import CHOREOGRAPHED, ORCHESTRATED
from labkit.shop import careful
from labkit.shop.changes import before, decision, observer, renamed, tolerant

GOODS = (careful.Inventory, careful.Shipping)
CONDUCTED = (before.OrderOrchestrator, careful.Payment, *GOODS)
DANCED = (careful.Order, careful.Payment, *GOODS)
CONDUCTED_WITH_LOYALTY = (observer.OrderOrchestrator, careful.Payment, *GOODS, observer.Loyalty)
DANCED_WITH_LOYALTY = (*DANCED, observer.Loyalty)


def _both(
    name: str, conducted: tuple[Member, ...], danced: tuple[Member, ...], *, first: bool = False
) -> dict[str, Change]:
    """The same request in both styles; all but the first find Loyalty there."""
    shops = (CONDUCTED, DANCED) if first else (CONDUCTED_WITH_LOYALTY, DANCED_WITH_LOYALTY)
    return {
        ORCHESTRATED.name: Change(name, ORCHESTRATED.name, shops[0], conducted),
        CHOREOGRAPHED.name: Change(name, CHOREOGRAPHED.name, shops[1], danced),
    }


OBSERVER = _both("observer", CONDUCTED_WITH_LOYALTY, DANCED_WITH_LOYALTY, first=True)
DECISION = _both(
    "decision step",
    (
        decision.OrderOrchestrator,
        careful.Payment,
        *GOODS,
        observer.Loyalty,
        decision.FraudCheck,
    ),
    (decision.Order, decision.Payment, *GOODS, observer.Loyalty, decision.FraudCheck),
)
RENAMED = _both(
    "renamed field",
    (renamed.OrderOrchestrator, renamed.Payment, *GOODS, observer.Loyalty),
    (renamed.Order, renamed.Payment, *GOODS, renamed.Loyalty),
)
# The same, with readers that bear both names.
TOLERANT = _both(
    "renamed, tolerant",
    (renamed.OrderOrchestrator, tolerant.Payment, *GOODS, observer.Loyalty),
    (renamed.Order, tolerant.Payment, *GOODS, tolerant.Loyalty),
)
REQUESTS = (OBSERVER, DECISION, RENAMED, TOLERANT)

# The decision step in choreography once more: at first the check clears every order, and it is
# given its limit when all the others are there.
GRADUAL = Change(
    "decision step, at first trusting",
    CHOREOGRAPHED.name,
    DANCED_WITH_LOYALTY,
    DECISION[CHOREOGRAPHED.name].after,
    steps={
        "FraudCheck, trusting": decision.FraudCheck(limit=sys.maxsize),
        "Order": decision.Order,
        "Payment": decision.Payment,
    },
)
