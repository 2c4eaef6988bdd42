"""A lab on each broker: both styles, faults on purpose, mistakes, and what never hangs."""

import asyncio
import gc
import subprocess
import sys
import textwrap
import threading
import time
from contextlib import suppress

import pytest

from labkit import (
    BrokerError,
    CommandFailed,
    Event,
    Lab,
    LabError,
    NoReply,
    NotAService,
    Refused,
    Service,
    Unavailable,
    command,
    on,
    unavailable,
)
from labkit.shop import (
    Inventory,
    Notification,
    Order,
    OrderConfirmed,
    OrderOrchestrator,
    OrderPlaced,
    Payment,
    Shipping,
)
from labkit.system.embedded import Embedded
from labkit.system.loop import the_loop

ORCHESTRA = [OrderOrchestrator, Payment, Inventory, Shipping]
DANCERS = [Payment, Notification, Inventory, Shipping, Order]
MOSQUITTO = pytest.param("mosquitto", marks=pytest.mark.needs("mosquitto"))
on_each_broker = pytest.mark.parametrize("broker", ["embedded", MOSQUITTO])

DIRECTED = """\
you → OrderOrchestrator: place_order
OrderOrchestrator → Payment: charge
Payment → OrderOrchestrator: charge done
OrderOrchestrator → Inventory: reserve
Inventory → OrderOrchestrator: reserve done
OrderOrchestrator → Shipping: ship
Shipping → OrderOrchestrator: ship done
OrderOrchestrator → you: place_order done"""

DANCED = """\
you → Payment, Notification: OrderPlaced
Payment → Inventory: PaymentCharged
Notification → nobody: CustomerNotified
Inventory → Shipping: InventoryReserved
Shipping → Order: ShipmentDispatched
Order → nobody: OrderConfirmed"""


async def place(lab, number=1):
    return await lab.call(OrderOrchestrator.place_order, order_id=f"o-{number}", amount=30)


async def until(condition):
    async with asyncio.timeout(10):
        while not condition():  # noqa: ASYNC110  (the lab lives on another loop)
            await asyncio.sleep(0.01)


async def tell(lab, number=1):
    await lab.publish(OrderPlaced(order_id=f"o-{number}", amount=30))


@on_each_broker
def test_a_directed_order_tells_the_same_story_each_time(broker):
    async def run():
        async with Lab(*ORCHESTRA, broker=broker) as lab:
            await place(lab)
            return (await lab.quiet()).text()

    assert {asyncio.run(run()) for _ in range(5)} == {DIRECTED}


@on_each_broker
def test_a_danced_order_tells_the_same_story_each_time(broker):
    async def run():
        async with Lab(*DANCERS, broker=broker) as lab:
            await tell(lab)
            return (await lab.quiet()).text()

    assert {asyncio.run(run()) for _ in range(5)} == {DANCED}


@pytest.mark.needs("mosquitto")
def test_a_run_has_the_same_ids_on_both_brokers_and_their_causes_form_a_tree():
    async def run(broker):
        async with Lab(*DANCERS, broker=broker) as lab:
            for number in range(5):
                await tell(lab, number)
            trace = await lab.quiet()
            return {(m.id, m.causationid) for m in trace.sent()}

    ids = asyncio.run(run("embedded"))
    assert ids == asyncio.run(run("mosquitto"))
    names = {id for id, _ in ids}
    assert len(names) == len(ids) == 30
    assert all(cause in names for _, cause in ids if cause)


@on_each_broker
def test_fifty_orders_at_once_do_not_keep_out_the_replies_they_wait_for(broker):
    async def run():
        async with Lab(*ORCHESTRA, broker=broker) as lab:
            answers = await asyncio.gather(*(place(lab, number) for number in range(50)))
            await lab.quiet()
            return answers, lab.card()

    answers, card = asyncio.run(run())
    assert len(set(answers)) == 50
    assert (card.orders, card.confirmed, card.messages) == (50, 50, 400)


@on_each_broker
def test_what_is_asked_at_once_is_numbered_as_it_was_asked(broker):
    async def run():
        async with Lab(*ORCHESTRA, broker=broker) as lab:
            await asyncio.gather(*(place(lab, number) for number in range(1, 51)))
            return await lab.quiet()

    asked = asyncio.run(run()).sent(OrderOrchestrator.place_order)
    assert {m.data["order_id"]: m.id for m in asked} == {f"o-{n}": f"you-{n}" for n in range(1, 51)}


@on_each_broker
def test_what_is_said_to_a_sleeper_is_kept_for_it(broker):
    async def run():
        async with Lab(*DANCERS, broker=broker) as lab:
            await lab.sleep(Notification)
            for number in range(20):
                await tell(lab, number)
            await lab.quiet()
            before = len(lab.ledger.keys("mailed")), len(lab.trace.lost())
            await lab.wake(Notification)
            await lab.quiet()
            mailed = [e.key for e in lab.ledger if e.effect == "mailed"]
            return before, mailed, lab.trace.lost(), len(lab.ledger.keys("shipped"))

    before, mailed, lost, shipped = asyncio.run(run())
    assert before == (0, 20)
    assert mailed == [f"o-{number}" for number in range(20)]
    assert (lost, shipped) == ([], 20)


class Slowly(Service):
    """Has its effect at the end of its work, so that a crash in the middle leaves none."""

    @on(OrderPlaced)
    async def work(self, order):
        self.effect("begun", order.order_id)
        await asyncio.sleep(0.2)
        self.effect("ended", order.order_id)


@on_each_broker
def test_work_that_a_crash_cut_off_is_done_after_it(broker):
    async def run():
        async with Lab(Slowly, broker=broker) as lab:
            for number in range(5):
                await tell(lab, number)
            await until(lambda: len(lab.ledger.keys("begun")) == 5)
            await lab.crash(Slowly)
            cut_off = len(lab.ledger.keys("ended"))
            await lab.wake(Slowly)
            await lab.quiet()
            return cut_off, lab.ledger.keys("begun"), lab.ledger.keys("ended")

    cut_off, begun, ended = asyncio.run(run())
    assert cut_off == 0
    assert len(begun) == 10
    assert ended == [f"o-{number}" for number in range(5)]


@on_each_broker
def test_a_mute_service_works_and_is_not_heard(broker):
    async def run():
        async with Lab(*DANCERS, broker=broker) as lab:
            await lab.mute(Payment)
            await tell(lab)
            await lab.quiet()
            charged = lab.ledger.keys("charged")
            await lab.wake(Payment)
            await tell(lab, 2)
            await lab.quiet()
            return charged, lab.ledger.keys("shipped"), lab.trace.lost()

    charged, shipped, lost = asyncio.run(run())
    assert (charged, shipped) == (["o-1"], ["o-2"])
    assert [(message.type, who) for message, who in lost] == [("PaymentCharged", "Inventory")]


@pytest.mark.needs("mosquitto")
def test_a_seed_strikes_the_same_messages_on_both_brokers():
    async def run(broker, seed):
        faults = [unavailable(Payment, 0.3)]
        async with Lab(Payment, broker=broker, faults=faults, seed=seed) as lab:
            for number in range(40):
                with suppress(Unavailable):
                    await lab.call(Payment.charge, order_id=f"o-{number}", amount=1)
            return lab.ledger.keys("charged")

    here = asyncio.run(run("embedded", 7))
    assert here == asyncio.run(run("mosquitto", 7)) != asyncio.run(run("embedded", 8))
    assert 0 < len(here) < 40


@on_each_broker
def test_a_broker_that_dies_and_returns_is_found_again(broker):
    async def run():
        async with Lab(*ORCHESTRA, broker=broker) as lab:
            await place(lab, 1)
            await lab._loop.run(lab.broker.stop())
            await lab._loop.run(lab.broker.start())
            parcel = await place(lab, 2)
            await lab.quiet()
            return parcel, lab.ledger.keys("shipped")

    assert asyncio.run(run()) == ("parcel o-2", ["o-1", "o-2"])


@on_each_broker
def test_a_newcomer_joins_a_running_lab_and_nobody_is_touched(broker):
    class Loyalty(Service):
        @on(OrderPlaced)
        async def give_points(self, order):
            self.effect("points", order.order_id)

    async def run():
        async with Lab(*DANCERS, broker=broker) as lab:
            await tell(lab, 1)
            await lab.quiet()
            await lab.join(Loyalty)
            await tell(lab, 2)
            trace = await lab.quiet()
            return lab.ledger.keys("points"), lab.ledger.keys("shipped"), trace.lost()

    assert asyncio.run(run()) == (["o-2"], ["o-1", "o-2"], [])


class Heard(Event):
    what: str


class Clumsy(Service):
    """Fails in each way in which a handler can."""

    @on(OrderPlaced)
    async def drop(self, order):
        self.effect("tried", order.order_id)
        raise ValueError("butterfingers")

    @command
    async def fail(self) -> int:
        raise ValueError("butterfingers")

    @command
    async def refuse(self) -> int:
        raise Refused("not today")

    @command
    async def leave(self) -> int:
        sys.exit(3)

    @command
    async def answer_with_a_thread(self):
        return threading.current_thread()

    @command
    async def answer_too_much(self) -> str:
        return "x" * 2_000_000

    @command
    async def break_its_promise(self) -> int:
        return "many"

    @command
    async def fine(self) -> int:
        return 1


@on_each_broker
@pytest.mark.parametrize(
    ("asked", "error", "words"),
    [
        ("fail", CommandFailed, "Clumsy.fail failed: ValueError: butterfingers"),
        ("refuse", Refused, "Clumsy.refuse said no: not today"),
        ("leave", CommandFailed, "called for the end of the program"),
        ("answer_with_a_thread", CommandFailed, "can't travel as JSON"),
        ("answer_too_much", CommandFailed, "claim check"),
        ("break_its_promise", CommandFailed, "promises int and answered 'many'"),
    ],
)
def test_the_caller_hears_how_a_command_failed_and_the_service_goes_on(broker, asked, error, words):
    async def run():
        async with Lab(Clumsy, broker=broker) as lab:
            with pytest.raises(error, match=words):
                await lab.call(getattr(Clumsy, asked))
            assert await lab.call(Clumsy.fine) == 1
            await lab.quiet()

    asyncio.run(run())


@on_each_broker
def test_an_event_that_nobody_could_handle_is_a_dead_letter_and_the_cell_is_told(broker, capsys):
    async def run():
        async with Lab(Clumsy, Payment, broker=broker) as lab:
            await tell(lab)
            trace = await lab.quiet()
            return trace, lab.ledger.keys("tried"), lab.ledger.keys("charged")

    trace, tried, charged = asyncio.run(run())
    assert len(tried) == 1 + Clumsy.retries
    assert charged == ["o-1"]
    [dead] = [m for m in trace.sent() if m.kind == "dead"]
    assert (dead.sender, dead.type, dead.reason) == (
        "Clumsy",
        "OrderPlaced",
        "ValueError: butterfingers",
    )
    assert (
        "Clumsy could not handle OrderPlaced: ValueError: butterfingers" in capsys.readouterr().out
    )


def test_a_handler_that_blocks_is_named_and_nothing_is_lost(capsys):
    class Blocking(Service):
        @on(Heard)
        async def sit(self, heard):
            time.sleep(1.2)  # noqa: ASYNC251  (the mistake that is tested)

    async def run():
        async with Lab(Blocking, *DANCERS) as lab:
            await lab.publish(Heard(what="a"))
            for number in range(10):
                await tell(lab, number)
            await lab.quiet()
            return len(lab.ledger.keys("shipped"))

    assert asyncio.run(run()) == 10
    assert "Blocking, handling Heard, blocks all services" in capsys.readouterr().out


def test_after_a_handler_that_never_gives_way_the_next_lab_has_a_new_start(monkeypatch, capsys):
    ended = threading.Event()

    class Stubborn(Service):
        @command
        async def hold(self) -> None:
            ended.wait()

    monkeypatch.setattr("labkit.system.loop.STUCK_SECONDS", 1.0)

    async def run():
        async with Lab(Stubborn) as lab:
            holding = asyncio.ensure_future(lab.call(Stubborn.hold))
            await until(lambda: "Stubborn, handling Stubborn.hold" in capsys.readouterr().out)
            await until(lambda: lab._loop.stuck)
            holding.cancel()
        async with Lab(*ORCHESTRA) as lab:
            return await place(lab)

    try:
        assert asyncio.run(run()) == "parcel o-1"
        assert "the next lab has a new start" in capsys.readouterr().out
    finally:
        ended.set()


def test_a_reply_that_never_comes_names_the_service():
    async def run():
        async with Lab(Payment) as lab:
            with pytest.raises(NoReply, match=r"Shipping.ship gave you no reply within 0.2 s"):
                await lab.call(Shipping.ship, order_id="o-1", timeout_seconds=0.2)

    asyncio.run(run())


@pytest.mark.parametrize(
    ("services", "words"),
    [
        ([42], "Lab takes services and was given 42"),
        ([int], "Lab takes services"),
        ([Payment, Payment], "Two services are called Payment"),
        ([type("you", (Service,), {})], "can't be called you"),
    ],
)
def test_what_is_no_service_is_refused_with_a_mend(services, words):
    with pytest.raises(NotAService, match=words):
        Lab(*services)


@pytest.mark.parametrize(
    ("broker", "words"),
    [
        ("mqtt://127.0.0.1:1", "No MQTT broker at mqtt://127.0.0.1:1"),
        ("mqtt://a..b", "a..b"),
    ],
)
def test_no_broker_at_the_url_says_what_to_do(broker, words):
    async def run():
        async with Lab(Payment, broker=broker):
            pass

    with pytest.raises(BrokerError, match=words):
        asyncio.run(run())


@on_each_broker
def test_wrong_credentials_say_where_they_belong(broker):
    async def run():
        async with Lab(Payment, broker=broker) as lab:
            url = f"mqtt://somebody:wrong@{lab.address.host}:{lab.address.port}/x"
            async with Lab(Payment, broker=url):
                pass

    with pytest.raises(BrokerError, match="Check the user and password"):
        asyncio.run(run())


@on_each_broker
def test_learners_on_a_shared_broker_do_not_meet_by_accident(broker):
    async def run():
        async with Lab(broker=broker) as host:
            at = host.address
            url = f"mqtt://{at.username}:{at.password}@{at.host}:{at.port}"
            async with Lab(*DANCERS, broker=url) as one, Lab(*DANCERS, broker=url) as other:
                await tell(one)
                await one.quiet()
                await other.quiet()
                return len(one.trace.sent(OrderConfirmed)), len(other.trace)

    assert asyncio.run(run()) == (1, 0)


def test_a_closed_lab_says_that_it_is_closed():
    async def run():
        lab = Lab(Payment)
        with pytest.raises(LabError, match="not open"):
            await tell(lab)
        async with lab:
            await tell(lab)
            await lab.quiet()
        for late in (tell(lab), lab.quiet(), lab.crash(Payment)):
            with pytest.raises(LabError, match="closed"):
                await late
        with pytest.raises(LabError, match="Make a new one"):
            await lab.open()
        await lab.close()
        assert len(lab.trace) == 2

    asyncio.run(run())


def test_an_interrupted_call_leaves_the_lab_usable():
    class Slow(Service):
        @command
        async def nap(self) -> int:
            await asyncio.sleep(30)
            return 1

        @command
        async def answer(self) -> int:
            return 2

    async def run():
        async with Lab(Slow) as lab:
            waiting = asyncio.ensure_future(lab.call(Slow.nap, timeout_seconds=60))
            await until(lambda: lab.trace.received(Slow.nap))
            waiting.cancel()
            with pytest.raises(asyncio.CancelledError):
                await waiting
            return await lab.call(Slow.answer)

    assert asyncio.run(run()) == 2


@on_each_broker
def test_closing_a_storm_leaves_no_work_behind(broker):
    class Echoing(Service):
        @on(Heard)
        async def echo(self, heard):
            await self.publish(heard)

    async def work():
        return [task.get_name() for task in asyncio.all_tasks() if "handling" in task.get_name()]

    async def run():
        async with Lab(Echoing, broker=broker) as lab:
            await asyncio.gather(*(lab.publish(Heard(what="a")) for _ in range(20)))
            await lab.quiet(at_most_messages=200)
        return await the_loop().run(work())

    assert asyncio.run(run()) == []


@on_each_broker
def test_a_service_that_is_replaced_hands_over_and_all_becomes_quiet(broker):
    async def run():
        async with Lab(*DANCERS, broker=broker) as lab:
            for number in range(20):
                await tell(lab, number)
            await lab.join(Notification)
            await lab.quiet()
            return set(lab.ledger.keys("mailed")), lab.trace.lost()

    mailed, lost = asyncio.run(run())
    assert (len(mailed), lost) == (20, [])


def test_opening_a_lab_again_and_again_leaves_nothing_behind():
    async def run():
        counts = []
        for _ in range(12):
            lab = await Lab(*ORCHESTRA).open()
            await place(lab)
            del lab
            gc.collect()
            tasks = await the_loop().run(_tasks())
            counts.append((threading.active_count(), tasks))
        return counts

    async def _tasks():
        return len(asyncio.all_tasks())

    counts = asyncio.run(run())
    assert max(tasks for _, tasks in counts[4:]) <= counts[3][1] + 2
    assert counts[-1][0] <= counts[3][0] + 1


def test_the_port_of_the_lab_can_be_chosen_and_a_taken_one_is_named():
    async def run():
        async with Lab(Payment) as lab:
            with pytest.raises(BrokerError, match=str(lab.address.port)):
                await Lab(Payment, broker=Embedded(port=lab.address.port)).open()

    asyncio.run(run())


@pytest.mark.parametrize("broker", ["embedded", MOSQUITTO])
def test_a_forgotten_lab_ends_with_its_program_and_says_nothing(broker):
    code = f"""
        import asyncio
        from labkit import Lab
        from labkit.shop import Payment
        async def run():
            lab = await Lab(Payment, broker={broker!r}).open()
            await lab.call(Payment.charge, order_id="o-1", amount=3)
            return lab
        lab = asyncio.run(run())
        print("done")
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)], capture_output=True, text=True, timeout=30
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "done\n", "")
