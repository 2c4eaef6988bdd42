"""The events of the shop: facts, named in the past tense, which any number of services may hear.

Money is counted in minor units (cents); ids are texts.
"""

from labkit.system.message import Event


class OrderPlaced(Event):
    """A customer wants something; it carries what others need (*event-carried state*)."""

    order_id: str
    amount: int
    currency: str = "EUR"


class PaymentCharged(Event):
    """The customer's money is taken."""

    order_id: str
    amount: int


class PaymentDeclined(Event):
    """The customer's bank said no."""

    order_id: str
    reason: str


class PaymentRefunded(Event):
    """The customer has the money back."""

    order_id: str
    amount: int


class InventoryReserved(Event):
    """The goods lie aside for this order."""

    order_id: str


class InventoryReservationRejected(Event):
    """There are not enough goods."""

    order_id: str
    reason: str


class InventoryReleased(Event):
    """The goods are back on the shelf."""

    order_id: str


class ShipmentDispatched(Event):
    """The parcel is on its way."""

    order_id: str
    tracking: str


class ShipmentRejected(Event):
    """No carrier takes the parcel."""

    order_id: str
    reason: str


class OrderConfirmed(Event):
    """The order has come to its good end; only its owner, Order, says so."""

    order_id: str


class OrderRejected(Event):
    """The order has come to its other end; only its owner, Order, says so."""

    order_id: str
    reason: str


class OrderOverdue(Event):
    """The order has not ended in time, and a person should look."""

    order_id: str


class CustomerNotified(Event):
    """The customer has a mail."""

    order_id: str
