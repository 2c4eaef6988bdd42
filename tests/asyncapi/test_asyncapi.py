"""A service's contract as AsyncAPI: the official parser takes it."""

import asyncio
import json
import subprocess
from pathlib import Path

import pytest

from labkit import Event, Lab, LabError, NotAService, Service, command, on
from labkit.asyncapi import asyncapi
from labkit.shop import (
    Inventory,
    Notification,
    Order,
    OrderOrchestrator,
    OrderPlaced,
    Payment,
    PaymentCharged,
    Shipping,
    careful,
)

SERVICES = [Order, OrderOrchestrator, Payment, Inventory, Shipping, Notification]
JUDGE = Path(__file__).with_name("judge.js")


class Bent(Event):
    """A string was bent."""

    by: float


class Guitar(Service):
    """Has six strings."""

    @command
    async def tune(self, string: int, to: Bent | None = None) -> list[Bent]:
        """Turn a peg."""
        return []

    @on(Bent)
    async def hear(self, bent): ...


def test_what_a_service_takes_hears_answers_and_says_is_told_apart():
    document = asyncapi(Guitar, says=[Bent])
    assert document["info"]["title"] == "Guitar"
    assert document["info"]["description"] == "Has six strings."
    found = {
        name: (one["action"], one["tags"][0]["name"], one["summary"])
        for name, one in document["operations"].items()
    }
    assert found == {
        "receive.Guitar.tune": ("receive", "command", "Turn a peg."),
        "receive.Bent": ("receive", "event", "A string was bent."),
        "send.Bent": ("send", "event", "Bent: has happened; any number of receivers."),
    }
    addresses = {name: one["address"] for name, one in document["channels"].items()}
    assert addresses == {
        "Guitar.tune": "command/Guitar/tune",
        "Guitar.tune.reply": None,
        "Bent": "event/Bent",
    }


def test_a_payload_is_the_envelope_with_the_contract_in_it():
    document = asyncapi(Guitar, says=[])
    envelope, inside = document["components"]["messages"]["Guitar.tune"]["payload"]["allOf"]
    assert envelope == {"$ref": "#/components/schemas/CloudEvent"}
    assert inside["properties"]["data"]["required"] == ["string"]
    assert "struck" not in document["components"]["schemas"]["CloudEvent"]["properties"]


async def a_danced_order() -> Lab:
    async with Lab(Order, Payment, Inventory, Shipping, Notification, simulate=1) as lab:
        await lab.call(Order.place_order, order_id="o-1", amount=30)
        await lab.quiet()
    return lab


def test_what_it_says_may_be_read_from_a_trace():
    trace = asyncio.run(a_danced_order()).trace
    by_hand = asyncapi(Payment, says=[PaymentCharged])
    assert list(asyncapi(Payment, says=trace)["operations"]) == list(by_hand["operations"])
    assert "send.OrderPlaced" in asyncapi(Order, says=trace)["operations"]
    assert "send.OrderPlaced" not in asyncapi(Payment, says=trace)["operations"]


@pytest.mark.needs("node", "@asyncapi/parser")
def test_the_official_parser_takes_the_contracts_of_the_whole_shop(tmp_path, program):
    trace = asyncio.run(a_danced_order()).trace
    documents = {f"{one.__name__}.json": asyncapi(one, says=trace) for one in SERVICES}
    documents["guitar.json"] = asyncapi(Guitar, says=[Bent])
    documents["careful.json"] = asyncapi(careful.Payment, says=[PaymentCharged])
    broken = asyncapi(Payment, says=[])
    del broken["info"]["version"]
    documents["broken.json"] = broken
    for name, document in documents.items():
        document.save(tmp_path / name)
    judged = subprocess.run(
        [program("node"), str(JUDGE), *documents],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    )
    found = json.loads(judged.stdout)
    assert [name for name, said in found.items() if said["errors"]] == ["broken.json"]
    assert found["Payment.json"]["operations"] == {
        "receive.Payment.charge": ["receive", "command", "command/Payment/charge"],
        "receive.Payment.refund": ["receive", "command", "command/Payment/refund"],
        "receive.OrderPlaced": ["receive", "event", "event/OrderPlaced"],
        "send.PaymentCharged": ["send", "event", "event/PaymentCharged"],
    }


def test_bad_input_is_told_in_words(tmp_path):
    with pytest.raises(NotAService, match="asyncapi takes a service, such as Payment"):
        asyncapi(OrderPlaced, says=[])
    with pytest.raises(LabError, match="says takes events, such as OrderPlaced, or a trace"):
        asyncapi(Payment, says=["PaymentCharged"])
    with pytest.raises(LabError, match=r"payment\.json"):
        asyncapi(Payment, says=[]).save(tmp_path / "payment.yaml")
