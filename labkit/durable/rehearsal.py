"""A rehearsal: a shop whose conductor dies at a named point of an order, as often as one likes."""

from __future__ import annotations

from collections.abc import Callable
from typing import NoReturn

from labkit.system.errors import LabError, Refused
from labkit.system.ledger import Books, Entry, Ledger
from labkit.system.message import did_you_mean

# Before and after an effect, as of labkit's faults; between two steps the answer is written.
POINTS = (
    "before charge",
    "after charge",
    "between charge and reserve",
    "after reserve",
    "between reserve and ship",
)
UNDOING = ("after release", "between release and refund", "after refund")
EFFECTS = {
    "check": ("Fraud", "checked"),
    "charge": ("Payment", "charged"),
    "reserve": ("Inventory", "reserved"),
    "ship": ("Shipping", "shipped"),
    "release": ("Inventory", "released"),
    "refund": ("Payment", "refunded"),
}


class Killed(BaseException):
    """Ends the conductor as `kill -9` would: no `except Exception` sees it."""


def killed() -> NoReturn:
    raise Killed


class Shop:
    """What an order's steps touch: three services as plain functions, and a ledger of effects.

    dies_at: where the conductor dies, once, see POINTS and UNDOING. vans: how many parcels can
    leave. kill: what ends the conductor; in a process of its own, a real end.
    """

    def __init__(
        self,
        books: Books | None = None,
        *,
        dies_at: str = "",
        vans: int = 1_000_000,
        kill: Callable[[], NoReturn] = killed,
    ) -> None:
        if dies_at and dies_at not in (*POINTS, *UNDOING):
            known = (*POINTS, *UNDOING)
            raise LabError(
                f"There is no point {dies_at!r}{did_you_mean(dies_at, known)}.\n"
                f"There are: {', '.join(known)}."
            )
        self.ledger: Books = Ledger() if books is None else books
        self.dies_at, self.vans, self._kill = dies_at, vans, kill

    async def check(self, order_id: str, key: str = "") -> str:
        """Look whether it is a fraud; it never is."""
        return self._do("check", order_id, key)

    async def charge(self, order_id: str, key: str = "") -> str:
        """Take the money; under a key it is taken once."""
        return self._do("charge", order_id, key)

    async def reserve(self, order_id: str, key: str = "") -> str:
        """Lay the guitar aside."""
        return self._do("reserve", order_id, key)

    async def ship(self, order_id: str, key: str = "") -> str:
        """Send the parcel; Refused where no van is left."""
        is_under_way = self.ledger.find("Shipping", "shipped", order_id)
        if not is_under_way and self.ledger.count("Shipping", "shipped") >= self.vans:
            raise Refused("the carrier has no van")
        return self._do("ship", order_id, key)

    async def release(self, order_id: str, key: str = "") -> str:
        """Put the guitar back."""
        return self._do("release", order_id, key)

    async def refund(self, order_id: str, key: str = "") -> str:
        """Give the money back."""
        return self._do("refund", order_id, key)

    def reach(self, point: str) -> None:
        """Live on past this point, or die there; the next life passes it."""
        if point == self.dies_at:
            self.dies_at = ""
            self._kill()

    def _do(self, step: str, order_id: str, key: str) -> str:
        service, effect = EFFECTS[step]
        self.reach(f"before {step}")
        self.ledger.write(Entry(service, effect, order_id, once=key))
        self.reach(f"after {step}")
        return f"{order_id} {effect}"
