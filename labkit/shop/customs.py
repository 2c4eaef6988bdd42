"""Customs: somebody else's decision, which exercise 11 puts before the parcel."""

from labkit.system.errors import Refused
from labkit.system.message import Event
from labkit.system.service import Service, command

FORBIDDEN = "ivory"


class CustomsCleared(Event):
    """The parcel may leave the country."""

    order_id: str


class CustomsRefused(Event):
    """The parcel must stay."""

    order_id: str
    reason: str


class Customs(Service):
    """Lets parcels out of the country, unless there is ivory in them."""

    @command
    async def clear(self, order_id: str) -> None:
        if FORBIDDEN in order_id:
            raise Refused("ivory may not leave the country")
        self.effect("cleared", order_id, once=order_id)
