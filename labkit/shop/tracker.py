"""A tracker: it only listens, knows where each order is, and notices what did not happen."""

import asyncio
import math
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from labkit.shop.contracts import (
    InventoryReservationRejected,
    InventoryReserved,
    OrderConfirmed,
    OrderOverdue,
    OrderPlaced,
    OrderRejected,
    PaymentCharged,
    PaymentDeclined,
    ShipmentDispatched,
    ShipmentRejected,
)
from labkit.system.errors import BrokerError, LabError
from labkit.system.service import Service, command, on

# In the order in which an order meets them, in which they need not arrive.
EVENTS = (
    OrderPlaced,
    PaymentCharged,
    InventoryReserved,
    ShipmentDispatched,
    PaymentDeclined,
    InventoryReservationRejected,
    ShipmentRejected,
    OrderConfirmed,
    OrderRejected,
)
PLACE = {event.__name__: place for place, event in enumerate(EVENTS)}
ENDS = {OrderConfirmed.__name__, OrderRejected.__name__}
NOTED, TOLD_AFTER = "noted", "told, silent after"


@dataclass(frozen=True)
class Known:
    """How far an order has come, and when that was heard, in seconds on the clock of the loop."""

    event: str
    seconds: float


class Tracker(Service):
    """Knows the last event of each order; tells OrderOverdue of one that has been silent too long.

    silent_seconds: how long an order that has not ended may be silent. After a crash each open
        order has that time again: what was said meanwhile is heard first.

    It notes all in its books before it acknowledges, so a crash makes it forget nothing; a crash
    between telling and noting tells twice. Its own deafness it takes for the silence of others.
    A process manager that only watches: Hohpe and Woolf, *Enterprise Integration Patterns*, 2003.

    Raises:
        LabError: silent_seconds is no time.
    """

    def __init__(self, silent_seconds: float = 30.0) -> None:
        if not 0 < silent_seconds < math.inf:
            raise LabError(
                f"A tracker can't wait for {silent_seconds} seconds.\n"
                "silent_seconds says how long an order may be silent: for example 30."
            )
        self.silent_seconds = silent_seconds
        self._known: dict[str, Known] = {}
        self._waiting_for: dict[str, asyncio.Task[None]] = {}

    @on(*EVENTS)
    async def hear(self, event: Any) -> None:
        """Note what has happened to an order; from now on it may be silent for a while."""
        line, now = f"{event.order_id} {type(event).__name__}", asyncio.get_running_loop().time()
        if self.effect(NOTED, str(self.times(NOTED) + 1), round(1000 * now), once=line):
            self._learn(line, now)
            self._wait_for(event.order_id)

    @command
    async def where_is(self, order_id: str) -> str:
        """The last event of an order, and how long ago that was heard."""
        if order_id not in self._known:
            return f"never heard of {order_id}"
        known = self._known[order_id]
        ago = asyncio.get_running_loop().time() - known.seconds
        return f"{known.event}, {ago:.0f} s ago" + (", overdue" if self._is_told(order_id) else "")

    @command
    async def overdue(self) -> list[str]:
        """The orders that have been silent for too long, and still are."""
        return sorted(filter(self._is_told, self._known), key=lambda order: (len(order), order))

    async def join(self, *given: Any, **more: Any) -> None:
        """Take part, and go on with what stands in its books from before a crash."""
        await super().join(*given, **more)
        self._known, self._waiting_for = {}, {}
        for number in range(1, self.times(NOTED) + 1):
            if entry := self.done(NOTED, str(number)):
                self._learn(entry.once, (entry.amount or 0) / 1000)
        for order_id in self._known:
            self._wait_for(order_id)

    def __getstate__(self) -> dict[str, Any]:
        return {**super().__getstate__(), "_known": {}, "_waiting_for": {}}

    def _learn(self, line: str, seconds: float) -> None:
        order_id, _, event = line.rpartition(" ")
        known = self._known.get(order_id)
        # What others said before may be heard after: an order never goes back.
        if known is None or PLACE[event] > PLACE[known.event]:
            self._known[order_id] = Known(event, seconds)

    def _wait_for(self, order_id: str) -> None:
        """Begin to wait for an order's next event; the wait for the last one is over."""
        if order_id in self._waiting_for:
            self._waiting_for.pop(order_id).cancel()
        if self._known[order_id].event not in ENDS and not self._is_told(order_id):
            # A task, and no sleep in the handler: that would keep the message from being
            # acknowledged, and a broker sends only so many that are not.
            waiting = asyncio.get_running_loop().create_task(self._wait(order_id))
            self._waiting_for[order_id] = waiting

    async def _wait(self, order_id: str) -> None:
        told = False
        while not told:
            await asyncio.sleep(self.silent_seconds)
            with suppress(BrokerError):  # without a broker it tells later
                await self.publish(OrderOverdue(order_id=order_id))
                told = True
        self.effect(TOLD_AFTER + f" {self._known[order_id].event}", order_id, once=order_id)

    def _is_told(self, order_id: str) -> bool:
        return self.done(f"{TOLD_AFTER} {self._known[order_id].event}", order_id) is not None
