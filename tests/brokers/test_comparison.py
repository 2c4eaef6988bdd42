"""What the simulation says of both styles, a real broker says too."""

import asyncio

import pytest

from labkit import unavailable
from labkit.comparing import BOTH, compare
from labkit.shop.busy import Inventory, Payment, Shipping

SAMPLE = {"orders": 30, "per_second": 40, "seed": 3}
FAULTS = [unavailable(worker, 0.5) for worker in (Payment, Inventory, Shipping)]


def compared(**where):
    return asyncio.run(compare(**SAMPLE, faults=FAULTS, **where))


@pytest.mark.parametrize(
    "broker", ["embedded", pytest.param("mosquitto", marks=pytest.mark.needs("mosquitto"))]
)
def test_a_sample_on_a_real_broker_agrees_in_its_counts_and_in_who_is_ahead(broker):
    in_memory, real = compared(), compared(broker=broker)
    assert real.counts == in_memory.counts
    assert [real[style].silent for style in BOTH] == [in_memory[style].silent for style in BOTH]
    # A sample in which the styles are alike would prove nothing.
    one, other = (in_memory[style].card for style in BOTH)
    assert one.messages > other.messages
    assert one.rejected > other.rejected
    assert in_memory["choreographed"].silent > in_memory["orchestrated"].silent
