"""A lab runs a system: the same on either broker, and whatever a learner does to it, it says so."""

import asyncio
import gc
import json
import re
import socket
import subprocess
import sys
import threading
import time

import pytest
from IPython.core.interactiveshell import InteractiveShell
from traitlets.config import Config

from labkit.lab import Lab
from labkit.shop import (
    Inventory,
    InventoryReservationRejected,
    InventoryReserved,
    Notification,
    Order,
    OrderOrchestrator,
    OrderPlaced,
    Payment,
    Shipping,
)
from labkit.system.broker import broker_for
from labkit.system.embedded import Embedded
from labkit.system.errors import (
    BadMessage,
    BrokerError,
    CommandFailed,
    LabError,
    NoReply,
    NotAService,
    Refused,
    Unavailable,
)
from labkit.system.faults import slow, unavailable
from labkit.system.loop import the_loop
from labkit.system.message import Event
from labkit.system.mosquitto import Mosquitto
from labkit.system.service import Service, command, on
from labkit.trace import Trace
from tests.brokers.probes import Client
from tests.brokers.scenes import BROKERS, cloud_event, on_both_brokers, scene, tell, until

ORCHESTRATED = (OrderOrchestrator, Payment, Inventory, Shipping)
CHOREOGRAPHED = (Order, Payment, Inventory, Shipping, Notification)
EITHER_STYLE = pytest.mark.parametrize("style", ["orchestrated", "choreographed"])
TOLD = {
    "orchestrated": """\
you → OrderOrchestrator: place_order
OrderOrchestrator → Payment: charge
Payment → OrderOrchestrator: charge done
OrderOrchestrator → Inventory: reserve
Inventory → OrderOrchestrator: reserve done
OrderOrchestrator → Shipping: ship
Shipping → OrderOrchestrator: ship done
OrderOrchestrator → you: place_order done""",
    "choreographed": """\
you → Payment, Notification: OrderPlaced
Payment → Inventory: PaymentCharged
Notification → nobody: CustomerNotified
Inventory → Shipping: InventoryReserved
Shipping → Order: ShipmentDispatched
Order → nobody: OrderConfirmed""",
}


async def orders(style: str, count: int = 1, **settings: object) -> tuple[Trace, Lab]:
    """A run of so many orders in one of the two styles."""
    services = ORCHESTRATED if style == "orchestrated" else CHOREOGRAPHED
    async with Lab(*services, **settings) as lab:
        for n in range(1, count + 1):
            order = {"order_id": f"o-{n}", "amount": 30}
            if style == "orchestrated":
                await lab.call(OrderOrchestrator.place_order, **order)
            else:
                await lab.publish(OrderPlaced(**order))
        return await lab.quiet(), lab


# What a run is


@EITHER_STYLE
@on_both_brokers
async def test_an_order_is_told_in_the_same_words_ten_times(broker, style):
    runs = [(await orders(style, broker=broker))[0] for _ in range(10)]
    assert {trace.text() for trace in runs} == {TOLD[style]}


@EITHER_STYLE
@pytest.mark.needs("mosquitto")
@scene
async def test_the_same_run_has_the_same_ids_on_either_broker(style):
    one, other = [(await orders(style, 3, broker=b))[0] for b in ("embedded", "mosquitto")]
    assert {m.id for m in one.sent()} == {m.id for m in other.sent()}
    assert one.text() == other.text()


@EITHER_STYLE
@on_both_brokers
async def test_causes_form_a_tree_with_one_root_a_story(broker, style):
    trace, _ = await orders(style, 3, broker=broker)
    sent = {message.id: message for message in trace.sent()}
    assert len(sent) == len(trace)
    for message in sent.values():
        why = trace.why(message)
        assert why[0].causationid is None
        assert why[0].id == message.story
        assert all(cause.id in sent for cause in why)
    assert len({message.story for message in sent.values()}) == 3


@EITHER_STYLE
@on_both_brokers
async def test_a_message_is_handled_once_where_nothing_goes_wrong(broker, style):
    _, lab = await orders(style, 5, broker=broker)
    card = lab.card()
    assert (card.orders, card.confirmed, card.doubled, card.orphaned) == (5, 5, 0, 0)


@on_both_brokers
async def test_fifty_orders_at_once_are_told_in_the_same_words_again(broker):
    async def run():
        async with Lab(*CHOREOGRAPHED, broker=broker) as lab:
            placed = [OrderPlaced(order_id=f"o-{n}", amount=n) for n in range(50)]
            await asyncio.gather(*(lab.publish(order) for order in placed))
            return (await lab.quiet()).text()

    assert await run() == await run()


@on_both_brokers
async def test_who_reacts_to_two_events_reacts_to_both(broker):
    async with Lab(Order, broker=broker) as lab:
        assert lab.trace.listeners("InventoryReservationRejected") == ["Order"]
        assert lab.trace.listeners("ShipmentRejected") == ["Order"]


@pytest.mark.needs("mosquitto")
@scene
async def test_a_seed_strikes_the_same_messages_on_either_broker():
    async def struck(broker, seed):
        faults = [unavailable(Payment, 0.5), slow(Inventory, 0.01, 0.5)]
        trace, _ = await orders("choreographed", 20, broker=broker, faults=faults, seed=seed)
        return sorted(message.id for message in trace.failed(by=Payment))

    embedded = await struck("embedded", 7)
    assert 0 < len(embedded) < 20
    assert await struck("mosquitto", 7) == embedded
    assert await struck("embedded", 8) != embedded


@on_both_brokers
async def test_a_slow_service_does_all_that_it_was_told(broker):
    trace, lab = await orders("choreographed", 3, broker=broker, faults=slow(Payment, 0.1))
    assert lab.card().confirmed == 3
    assert trace.failed() == []


@on_both_brokers
async def test_a_run_without_end_is_told_of_and_ended(broker, capsys):
    class Ping(Event):
        pass

    class Echo(Service):
        @on(Ping)
        async def again(self, ping):
            await self.publish(ping)

    async with Lab(Echo, broker=broker) as lab:
        await lab.publish(Ping())
        trace = await lab.quiet(at_most_messages=50)
        assert len(trace) >= 50
    assert "50 messages have been sent, and it goes on" in capsys.readouterr().out


# What a learner writes wrong


@pytest.mark.parametrize("no_service", ["Payment", OrderPlaced, None, 3, [Payment, Inventory], Lab])
def test_what_is_no_service_can_not_be_in_a_lab(no_service):
    with pytest.raises(NotAService, match=r"Lab takes services .*\n.*`Lab\(Payment\)`"):
        Lab(no_service)


def test_two_services_of_one_name_can_not_be_told_apart():
    with pytest.raises(NotAService, match="Two services are called Payment"):
        Lab(Payment, Inventory, Payment())


def test_nobody_can_be_called_as_the_learner_is():
    with pytest.raises(NotAService, match="can't be called you"):
        Lab(type("you", (Service,), {}))


def test_a_service_that_needs_settings_is_to_be_given_as_an_instance():
    class Bank(Service):
        def __init__(self, money):
            self.money = money

    with pytest.raises(NotAService, match=r"money.*\n.*`Lab\(Bank\(…\)\)`"):
        Lab(Bank)
    assert "Bank" in repr(type(Lab(Bank(3)))) or Lab(Bank(3))


@scene
async def test_a_lab_that_is_not_open_or_closed_says_so_at_once():
    lab = Lab(Payment)
    says = [
        lambda: lab.publish(OrderPlaced(order_id="o-1", amount=3)),
        lambda: lab.call(Payment.charge, order_id="o-1", amount=3),
        lambda: lab.quiet(),
        lambda: lab.sleep(Payment),
        lambda: lab.join(Inventory),
    ]
    for say in says:
        with pytest.raises(LabError, match="The lab is not open"):
            await say()
    async with lab:
        await lab.call(Payment.charge, order_id="o-1", amount=3)
    for say in says:
        with pytest.raises(LabError, match="The lab is closed"):
            await say()
    with pytest.raises(LabError, match="This lab is closed. Make a new one"):
        await lab.open()
    assert lab.ledger.keys("charged") == ["o-1"]


@on_both_brokers
async def test_a_bad_call_is_told_of_before_anything_is_said(broker):
    async with Lab(Payment, broker=broker) as lab:
        for bad, complaint in [
            (lambda: lab.call(Payment.charge, order_id="o-1"), "amount is missing"),
            (lambda: lab.call(Payment.charge_new_order, order=3), "mark it with @command"),
            (lambda: lab.call("Payment.charge"), "call takes a command"),
            (lambda: lab.publish(OrderPlaced), "publish takes an event that you made"),
            (lambda: lab.publish({"order_id": "o-1"}), "publish takes an event"),
        ]:
            with pytest.raises(BadMessage, match=complaint):
                await bad()
        assert len(lab.trace) == 0
        await lab.call(Payment.charge, order_id="o-1", amount=3)
        assert lab.ledger.keys("charged") == ["o-1"]


@on_both_brokers
async def test_who_is_not_in_the_lab_can_not_fall_asleep(broker):
    async with Lab(Payment, broker=broker) as lab:
        for strike in (lab.sleep, lab.crash, lab.mute, lab.wake):
            with pytest.raises(LabError, match="There is no Inventory in this lab"):
                await strike(Inventory)
            with pytest.raises(LabError):
                await strike("Payment")
        await lab.call(Payment.charge, order_id="o-1", amount=3)


class Clumsy(Service):
    """What goes wrong in handlers, each in one command."""

    @command
    async def fail(self) -> None:
        raise KeyError("no such customer")

    @command
    async def refuse(self) -> None:
        raise Refused("the till is closed")

    @command
    async def promise(self) -> int:
        return "a lot"

    @command
    async def answer(self):
        return threading.Lock()

    @command
    async def tell_all(self) -> str:
        return "x" * 2_000_000

    @command
    async def leave(self) -> None:
        sys.exit(1)

    @command
    async def be_cancelled(self) -> None:
        raise asyncio.CancelledError

    @command
    async def hostile(self) -> None:
        raise ValueError("a\nb\r\nc\u2028d")

    @command
    async def wait(self) -> None:
        await asyncio.Event().wait()

    @command
    async def take(self, stock: int) -> InventoryReserved | InventoryReservationRejected:
        if stock:
            return InventoryReserved(order_id="o-1")
        return InventoryReservationRejected(order_id="o-1", reason="nothing left")

    @command
    async def work(self) -> str:
        return "done"


@pytest.mark.parametrize(
    ("name", "error", "reason"),
    [
        ("fail", CommandFailed, "Clumsy.fail failed: KeyError: 'no such customer'"),
        ("refuse", Refused, "Clumsy.refuse said no: the till is closed"),
        ("promise", CommandFailed, "Clumsy.promise promises int and answered 'a lot'"),
        ("answer", CommandFailed, "can't travel as JSON"),
        ("tell_all", CommandFailed, "claim check"),
        ("leave", CommandFailed, "SystemExit"),
        ("be_cancelled", CommandFailed, "ancelled"),
        ("hostile", CommandFailed, "ValueError: a"),
    ],
)
@on_both_brokers
async def test_a_command_that_fails_tells_the_caller_why_and_the_service_works_on(
    broker, name, error, reason
):
    async with Lab(Clumsy, broker=broker) as lab:
        with pytest.raises(CommandFailed) as caught:
            await lab.call(getattr(Clumsy, name))
        assert type(caught.value) is error
        assert reason in str(caught.value)
        assert await lab.call(Clumsy.work) == "done"
        trace = await lab.quiet()
    assert len(trace.text().splitlines()) == 4


@on_both_brokers
async def test_a_command_may_answer_with_one_of_two_events(broker):
    async with Lab(Clumsy, broker=broker) as lab:
        answers = [await lab.call(Clumsy.take, stock=stock) for stock in (1, 0)]
    assert [type(answer) for answer in answers] == [InventoryReserved, InventoryReservationRejected]


class Asking(Service):
    """Passes on whatever it hears."""

    @command
    async def ask(self) -> None:
        await self.call(Inventory.reserve, order_id="o-1", timeout_seconds=0.2)


@pytest.mark.parametrize(
    ("stock", "faults", "error"),
    [
        (0, [], Refused),
        (1, [unavailable(Inventory)], Unavailable),
        (1, [slow(Inventory, 9)], CommandFailed),
    ],
    ids=["refused", "unavailable", "no reply"],
)
@on_both_brokers
async def test_a_reason_stays_what_it_is_across_two_services(broker, stock, faults, error):
    async with Lab(Asking, Inventory(stock=stock), broker=broker, faults=faults) as lab:
        with pytest.raises(CommandFailed, match="Inventory") as caught:
            await lab.call(Asking.ask)
    assert type(caught.value) is error


@pytest.mark.parametrize("why", ["absent", "asleep", "mute", "at work"])
@on_both_brokers
async def test_a_reply_that_never_comes_is_told_of_in_time_with_the_name_of_who_owes_it(
    broker, why
):
    services = [Payment] if why == "absent" else [Payment, Clumsy]
    async with Lab(*services, broker=broker) as lab:
        if why == "asleep":
            await lab.sleep(Clumsy)
        if why == "mute":
            await lab.mute(Clumsy)
        began = time.monotonic()
        owed = Clumsy.wait if why == "at work" else Clumsy.work
        with pytest.raises(
            NoReply, match=r"gave you no reply within 0\.2 s\.\nIs Clumsy in the lab"
        ):
            await lab.call(owed, timeout_seconds=0.2)
        assert 0.2 <= time.monotonic() - began < 2
        await lab.call(Payment.charge, order_id="o-1", amount=3)


class Careless(Service):
    """Fails at orders of no amount, as often as it is asked."""

    def __init__(self) -> None:
        self.tries: list[str] = []

    @on(OrderPlaced)
    async def take(self, order: OrderPlaced) -> None:
        self.tries.append(order.order_id)
        if order.amount == 0 or (order.amount == 1 and self.tries.count(order.order_id) < 3):
            raise ValueError("no amount")
        self.effect("taken", order.order_id)


@on_both_brokers
async def test_a_reaction_that_fails_is_tried_again_and_then_a_dead_letter(broker, capsys):
    careless = Careless()
    async with Lab(careless, broker=broker) as lab:
        for n in (0, 3):
            await lab.publish(OrderPlaced(order_id=f"o-{n}", amount=n))
        trace = await lab.quiet()
    assert sorted(careless.tries) == ["o-0"] * (1 + Careless.retries) + ["o-3"]
    [dead] = [message for message in trace.sent() if message.kind == "dead"]
    assert (dead.type, dead.data["order_id"]) == ("OrderPlaced", "o-0")
    assert dead.reason == "ValueError: no amount"
    assert trace.why(dead)[0].data["order_id"] == "o-0"
    assert len(trace.failed(OrderPlaced, by=Careless)) == 1
    told = "Careless could not handle OrderPlaced: ValueError: no amount\n"
    assert capsys.readouterr().out == told


@on_both_brokers
async def test_a_reaction_that_succeeds_at_last_has_not_failed(broker):
    async with Lab(Careless, broker=broker) as lab:
        await lab.publish(OrderPlaced(order_id="o-1", amount=1))
        trace = await lab.quiet()
    assert trace.failed() == []
    assert lab.ledger.keys("taken") == ["o-1"]


@on_both_brokers
async def test_a_handler_that_blocks_is_named_and_nothing_is_lost(broker, capsys):
    class Rude(Service):
        @command
        async def nap(self):
            time.sleep(1)  # noqa: ASYNC251 -- this is the mistake

    async with Lab(Rude, *CHOREOGRAPHED, broker=broker) as lab:
        nap = asyncio.create_task(lab.call(Rude.nap))
        for n in range(10):
            await lab.publish(OrderPlaced(order_id=f"o-{n}", amount=3))
        await nap
        await lab.quiet()
    told = capsys.readouterr().out
    assert "Rude, handling Rude.nap, blocks all services" in told
    assert "await asyncio.sleep" in told
    assert lab.card().confirmed == 10


# What others send


BAD_PAYLOADS = {
    "no JSON": (b"hello", "not JSON"),
    "binary": (b"\x00\xff\xfe", "not JSON"),
    "empty": (b"", "not JSON"),
    "brackets": (b"[" * 100_000, "not JSON"),
    "no CloudEvent": (b'{"order_id": "o-1"}', "no CloudEvent"),
    "another version": (
        json.dumps(cloud_event("OrderPlaced", specversion="0.3")).encode(),
        "specversion",
    ),
    "2 MB": (
        json.dumps(cloud_event("OrderPlaced", {"order_id": "x" * 2_000_000})).encode(),
        "claim check",
    ),
    "no data": (json.dumps(cloud_event("OrderPlaced")).encode(), "OrderPlaced needs an object"),
    "a missing field": (
        json.dumps(cloud_event("OrderPlaced", {"order_id": "o-1"})).encode(),
        "amount is missing",
    ),
    "a wrong field": (
        json.dumps(cloud_event("OrderPlaced", {"order_id": "o-1", "amount": "much"})).encode(),
        "amount='much'",
    ),
    "another type": (json.dumps(cloud_event("OrderLost", {})).encode(), "OrderLost"),
}


@on_both_brokers
async def test_what_can_not_be_read_is_a_dead_letter_and_the_next_order_goes_through(broker):
    async with Lab(*CHOREOGRAPHED, broker=broker) as lab:
        with Client(lab.address) as undertaker:
            undertaker.subscribe("dead/Payment")
            for payload, _ in BAD_PAYLOADS.values():
                await tell(lab.address, "event/OrderPlaced", payload)
            await until(lambda: len(lab.trace.failed(by=Payment)) == len(BAD_PAYLOADS))
            buried = undertaker.receive(len(BAD_PAYLOADS))
        await lab.publish(OrderPlaced(order_id="o-1", amount=3))
        trace = await lab.quiet()
    reasons = sorted(json.loads(letter.payload)["reason"] for letter in buried)
    for _, reason in BAD_PAYLOADS.values():
        assert any(reason in told for told in reasons), reason
    assert lab.card().confirmed == 1
    assert len(trace.failed(by=Notification)) == len(BAD_PAYLOADS)


@on_both_brokers
async def test_an_event_with_a_field_too_many_is_read_all_the_same(broker):
    async with Lab(Payment, broker=broker) as lab:
        order = {"order_id": "o-1", "amount": 3, "coupon": "HALF"}
        await tell(lab.address, "event/OrderPlaced", cloud_event("OrderPlaced", order))
        await until(lambda: lab.trace.done(OrderPlaced))
    assert lab.ledger.keys("charged") == ["o-1"]


@pytest.mark.parametrize(
    ("name", "data", "reason"),
    [
        ("refnd", {"order_id": "o-1", "amount": 3}, "did you mean refund?"),
        ("charge", {"order_id": "o-1"}, "amount is missing"),
        ("charge", {"order_id": "o-1", "amount": 3, "tip": 1}, "it has no tip"),
        ("charge", None, "needs an object with its arguments"),
        ("charge", ["o-1", 3], "needs an object with its arguments"),
    ],
)
@on_both_brokers
async def test_a_bad_command_from_outside_is_answered_with_what_is_wrong(
    broker, name, data, reason
):
    said = cloud_event(f"Payment.{name}", data, replyto="erp")
    async with Lab(Payment, broker=broker) as lab:
        with Client(lab.address) as erp:
            erp.subscribe("reply/erp")
            await tell(lab.address, f"command/Payment/{name}", said)
            [reply] = erp.receive()
        answer = json.loads(reply.payload)
        assert (answer["kind"], answer["causationid"]) == ("reply", "erp-1")
        assert (answer["type"], answer["reason"]) == (f"Payment.{name}.failed", "failed")
        assert reason in answer["data"]
        assert await lab.call(Payment.charge, order_id="o-2", amount=3)
    assert lab.ledger.keys("charged") == ["o-2"]


@on_both_brokers
async def test_a_command_from_outside_is_obeyed_and_answered(broker):
    said = cloud_event("Payment.charge", {"order_id": "o-1", "amount": 3}, replyto="erp")
    async with Lab(Payment, broker=broker) as lab:
        with Client(lab.address) as erp:
            erp.subscribe("reply/erp")
            await tell(lab.address, "command/Payment/charge", said)
            [reply] = erp.receive()
    assert json.loads(reply.payload)["data"] == "receipt for o-1"


@pytest.mark.parametrize("replyto", ["#", "a/+", "", "x" * 70_000])
@on_both_brokers
async def test_an_answer_to_an_impossible_address_harms_nobody(broker, replyto):
    said = cloud_event("Payment.charge", {"order_id": "o-1", "amount": 3}, replyto=replyto)
    async with Lab(Payment, broker=broker) as lab:
        await tell(lab.address, "command/Payment/charge", said)
        await until(lambda: lab.trace.done(Payment.charge) or lab.trace.failed(Payment.charge))
        await lab.call(Payment.charge, order_id="o-2", amount=3)
        await lab.quiet()
    assert "o-2" in lab.ledger.keys("charged")


# Which broker


@pytest.mark.parametrize(
    ("url", "complaint"),
    [
        ("mqtt://127.0.0.1:1", "No MQTT broker at mqtt://127.0.0.1:1"),
        ("mqtt://nowhere.invalid", "No MQTT broker at mqtt://nowhere.invalid"),
        ("mqtt://a..b", "a..b"),
        ("http://127.0.0.1", "is no address of a broker"),
        ("mqtt://", "the host is missing"),
        ("rabbit", "No broker is called 'rabbit'"),
        ("", "No broker is called ''"),
        (17, "No broker is called 17"),
    ],
)
@scene
async def test_a_broker_that_is_not_there_is_named_with_what_to_do(url, complaint):
    with pytest.raises(BrokerError) as caught:
        async with Lab(Payment, broker=url):
            pass
    assert complaint in str(caught.value)
    assert len(str(caught.value).splitlines()) > 1


@on_both_brokers
async def test_a_wrong_password_is_told_of_and_not_shown(broker):
    async with Lab(Payment, broker=broker) as lab:
        url = f"mqtt://somebody:secret@{lab.address.host}:{lab.address.port}"
        with pytest.raises(BrokerError, match="refused") as caught:
            await Lab(Payment, broker=url).open()
        assert "Check the user and password" in str(caught.value)
        assert "secret" not in str(caught.value)
        await lab.call(Payment.charge, order_id="o-1", amount=3)


@pytest.mark.parametrize("broker", BROKERS)
@scene
async def test_a_port_in_use_is_named(broker):
    kind = {"embedded": Embedded, "mosquitto": Mosquitto}[broker]
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(BrokerError, match=f"127.0.0.1:{port}, but can't"):
            await Lab(Payment, broker=kind(port)).open()


@on_both_brokers
async def test_two_labs_share_a_broker_by_its_url_without_hearing_each_other(broker):
    async with Lab(broker=broker) as host:
        at = host.address
        url = f"mqtt://{at.username}:{at.password}@{at.host}:{at.port}"
        async with Lab(Payment, broker=url) as one, Lab(Payment, broker=url) as other:
            await one.publish(OrderPlaced(order_id="o-1", amount=3))
            await one.quiet()
            await other.quiet()
            assert (len(one.ledger), len(other.ledger)) == (1, 0)


# Open and closed


@on_both_brokers
async def test_two_labs_at_once_do_not_disturb_each_other(broker):
    async with Lab(Payment, broker=broker) as one, Lab(Payment, broker=broker) as other:
        await asyncio.gather(
            *(one.publish(OrderPlaced(order_id=f"a-{n}", amount=3)) for n in range(10)),
            *(other.publish(OrderPlaced(order_id=f"b-{n}", amount=3)) for n in range(10)),
        )
        traces = [await one.quiet(), await other.quiet()]
        await one.close()
        await other.call(Payment.charge, order_id="b-10", amount=3)
    assert [len(trace.received(OrderPlaced)) for trace in traces] == [10, 10]
    assert all(key.startswith("b-") for key in other.ledger.keys("charged"))


@on_both_brokers
async def test_a_cell_that_is_run_twenty_times_leaves_nothing_behind(broker):
    async def live():
        """How many threads and tasks there are, once all that ends has ended."""
        gc.collect()
        await the_loop().run(asyncio.sleep(0))
        return threading.active_count(), len(asyncio.all_tasks(the_loop().loop))

    lab, counts = None, []
    for _ in range(20):
        lab = await Lab(Payment, Inventory, broker=broker).open()
        await lab.call(Payment.charge, order_id="o-1", amount=3)
        counts.append(await live())
    assert len(set(counts[1:])) == 1, counts
    await lab.close()
    await until(lambda: len(asyncio.all_tasks(the_loop().loop)) == 0)


@on_both_brokers
async def test_a_lab_closed_twice_is_closed(broker):
    lab = await Lab(Payment, broker=broker).open()
    assert repr(lab) == "Lab (open): you, Payment" or "open" in repr(lab)
    await asyncio.gather(lab.close(), lab.close())
    await lab.close()
    assert "closed" in repr(lab)


@on_both_brokers
async def test_an_error_in_the_body_closes_the_lab_and_is_seen(broker):
    with pytest.raises(ZeroDivisionError):
        async with Lab(Payment, broker=broker) as lab:
            address = lab.address
            1 / 0  # noqa: B018
    with pytest.raises(OSError, match="refused"):
        socket.create_connection((address.host, address.port), 1)


@on_both_brokers
async def test_a_cell_that_is_interrupted_leaves_the_lab_usable(broker):
    async with Lab(Clumsy, Payment, broker=broker) as lab:
        for _ in range(3):
            waiting = asyncio.create_task(lab.call(Clumsy.wait))
            await until(lambda: lab.trace.received(Clumsy.wait))
            waiting.cancel()
            with pytest.raises(asyncio.CancelledError):
                await waiting
        assert await lab.call(Payment.charge, order_id="o-1", amount=3) == "receipt for o-1"


@on_both_brokers
async def test_an_opening_that_is_interrupted_leaves_nothing_behind(broker):
    opening = asyncio.create_task(Lab(Payment, broker=broker).open())
    await asyncio.sleep(0)
    opening.cancel()
    with pytest.raises(asyncio.CancelledError):
        await opening
    await until(lambda: len(asyncio.all_tasks(the_loop().loop)) == 0)


def test_a_lab_that_was_opened_on_one_loop_is_used_on_another():
    lab = asyncio.run(Lab(Payment).open())
    charged = lab.call(Payment.charge, order_id="o-1", amount=3)
    assert asyncio.run(charged) == "receipt for o-1"
    asyncio.run(lab.close())


@scene
async def test_a_lab_is_opened_in_a_thread_beside_a_running_loop():
    def elsewhere():
        async def run():
            async with Lab(Payment) as lab:
                return await lab.call(Payment.charge, order_id="o-1", amount=3)

        return asyncio.run(run())

    assert await asyncio.to_thread(elsewhere) == "receipt for o-1"


@on_both_brokers
async def test_a_broker_object_is_used_as_it_is(broker):
    async with Lab(Payment, broker=broker_for(broker)) as lab:
        assert lab.broker.name == broker
        await lab.call(Payment.charge, order_id="o-1", amount=3)


LEFT_OPEN = """
import asyncio
from labkit.lab import Lab
from labkit.shop import OrderPlaced, Payment

async def cell():
    lab = await Lab(Payment, broker={broker!r}).open()
    await lab.publish(OrderPlaced(order_id="o-1", amount=3))
    await lab.quiet()
    return lab

lab = asyncio.run(cell())
print(lab.address.port, flush=True)
{then}
"""


def listens(port):
    with socket.socket() as knock:
        return knock.connect_ex(("127.0.0.1", port)) == 0


@pytest.mark.parametrize("broker", BROKERS)
@scene
async def test_a_lab_that_is_never_closed_ends_with_the_program_and_says_nothing(broker):
    program = [sys.executable, "-c", LEFT_OPEN.format(broker=broker, then="")]
    ended = subprocess.run(program, capture_output=True, text=True, timeout=30, check=False)
    assert (ended.returncode, ended.stderr) == (0, "")
    await until(lambda: not listens(int(ended.stdout)))


@pytest.mark.parametrize("broker", BROKERS)
@scene
async def test_a_program_that_is_killed_leaves_no_broker_behind(broker):
    text = LEFT_OPEN.format(broker=broker, then="input()")
    program = subprocess.Popen(
        [sys.executable, "-c", text], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    with program:
        port = int(program.stdout.readline())
        assert listens(port)
        program.kill()
    await until(lambda: not listens(port))


# What a learner sees of an error


CELLS = {
    "a bad event": "from labkit.shop import OrderPlaced\nOrderPlaced(order_id='o-1')",
    "a command that fails": """
from labkit.lab import Lab
from labkit.shop import Inventory
async with Lab(Inventory(stock=0)) as lab:
    await lab.call(Inventory.reserve, order_id="o-1")""",
    "a wrong broker": """
from labkit.lab import Lab
lab = await Lab(broker="mqtt://127.0.0.1:1").open()""",
}
SHOWN = {
    "a bad event": ("BadMessage: OrderPlaced: amount is missing.", "OrderPlaced(order_id='o-1')"),
    "a command that fails": ("Refused: Inventory.reserve said no", "await lab.call(Inventory"),
    "a wrong broker": ("BrokerError: No MQTT broker at mqtt://127.0.0.1:1", "lab = await Lab("),
}


@pytest.mark.parametrize("cell", CELLS)
def test_an_error_shows_the_learners_line_and_none_of_labkits(cell, capsys):
    shell = InteractiveShell(config=Config(HistoryManager={"enabled": False}))
    shell.run_cell(CELLS[cell])
    shown = re.sub(r"\x1b\[[0-9;]*m", "", capsys.readouterr().out)
    message, line = SHOWN[cell]
    assert message in shown
    assert line in shown.splitlines()[-1]
    assert "Traceback" not in shown
    assert "labkit/" not in shown
    assert len(shown.splitlines()) <= 4
