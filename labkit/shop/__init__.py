"""The running example: a shop, its contracts, and its services in both styles."""

from labkit.shop.contracts import (
    CustomerNotified,
    InventoryReleased,
    InventoryReservationRejected,
    InventoryReserved,
    OrderConfirmed,
    OrderOverdue,
    OrderPlaced,
    OrderRejected,
    PaymentCharged,
    PaymentDeclined,
    PaymentRefunded,
    ShipmentDispatched,
    ShipmentRejected,
)
from labkit.shop.services import (
    Inventory,
    Notification,
    Order,
    OrderOrchestrator,
    Payment,
    Shipping,
)

__all__ = [
    "CustomerNotified",
    "Inventory",
    "InventoryReleased",
    "InventoryReservationRejected",
    "InventoryReserved",
    "Notification",
    "Order",
    "OrderConfirmed",
    "OrderOrchestrator",
    "OrderOverdue",
    "OrderPlaced",
    "OrderRejected",
    "Payment",
    "PaymentCharged",
    "PaymentDeclined",
    "PaymentRefunded",
    "ShipmentDispatched",
    "ShipmentRejected",
    "Shipping",
]
