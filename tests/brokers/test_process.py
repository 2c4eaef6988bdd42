"""Services in processes of their own: a `kill -9` is a real death, and the shop's totals hold."""

import asyncio
import os
import signal
import subprocess
import sys
import textwrap
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib import import_module
from pathlib import Path

import aiomqtt
import pytest

from labkit import (
    CommandFailed,
    Event,
    Lab,
    LabError,
    NoReply,
    NotAService,
    Refused,
    Service,
    after_effect,
    command,
    delay,
    kill,
    mute,
    on,
    process,
)
from labkit.shop import OrderPlaced
from labkit.shop.careful import Inventory, Notification, Order, OrderOrchestrator, Payment, Shipping
from labkit.system.books import LastingBooks
from labkit.system.ledger import Entry

MOSQUITTO = pytest.param("mosquitto", marks=pytest.mark.needs("mosquitto"))
on_each_broker = pytest.mark.parametrize("broker", ["embedded", MOSQUITTO])
ORDERS = [f"o-{number}" for number in range(200)]
VANS = 190


class Begun(Event):
    order_id: str


class Slowly(Service):
    """Has its effect at the end of its work, so that a death in the middle leaves none."""

    @on(OrderPlaced)
    async def work(self, order):
        self.effect("begun", order.order_id)
        await self.publish(Begun(order_id=order.order_id))
        await asyncio.sleep(0.3)
        self.effect("ended", order.order_id)

    @command
    async def stop_by_itself(self) -> None:
        os._exit(3)


class Watcher(Service):
    """Hears of the start of work, in the lab."""

    @on(Begun)
    async def look(self, begun):
        self.effect("seen", begun.order_id)


async def until(condition):
    async with asyncio.timeout(20):
        while not condition():  # noqa: ASYNC110  (the lab lives on another loop)
            await asyncio.sleep(0.01)


async def tell(lab, order_id="o-1"):
    await lab.publish(OrderPlaced(order_id=order_id, amount=30))


def number_of(lab, service=Payment) -> int:
    """The pid of a service's process."""
    return lab._system.members[service.__name__].wire.pid


def folder_of(lab) -> Path:
    return lab._system._folder


def ps(pid: int, what: str) -> str:
    """One column of what the operating system tells of a process."""
    asked = ["ps", "-o", f"{what}=", "-p", str(pid)]
    return subprocess.run(asked, capture_output=True, text=True).stdout.strip()


# -- what is the same ----------------------------------------------------------------------------


@on_each_broker
@pytest.mark.parametrize(
    "services", [(OrderOrchestrator, Shipping), (Notification, Shipping, Order)]
)
def test_a_service_in_a_process_tells_the_same_story_as_in_the_lab(broker, services):
    async def run(*services):
        async with Lab(*services, broker=broker) as lab:
            if OrderOrchestrator in services:
                await lab.call(OrderOrchestrator.place_order, order_id="o-1", amount=30)
            else:
                await tell(lab)
            trace = await lab.quiet()
            return trace.text(), trace.lost(), {(e.key, e.effect) for e in lab.ledger}

    apart = asyncio.run(run(process(Payment), process(Inventory), *services))
    assert apart == asyncio.run(run(Payment, Inventory, *services))
    assert len(apart[0].splitlines()) >= 5


@on_each_broker
def test_a_trace_of_many_orders_is_as_long_and_in_the_same_order(broker):
    async def run(*services):
        async with Lab(*services, Inventory, Shipping, broker=broker) as lab:
            for number in range(50):
                await tell(lab, f"o-{number}")
            trace = await lab.quiet()
            return len(trace.sent()), trace.lost(), trace.story("o-49").text()

    assert asyncio.run(run(process(Payment))) == asyncio.run(run(Payment))


def test_a_service_in_a_process_can_take_the_place_of_another():
    async def run():
        async with Lab(process(Payment), Inventory) as lab:
            for number, newcomer in enumerate((process(Inventory), process(Payment), Payment)):
                await tell(lab, f"o-{number}")
                await lab.quiet()
                await lab.join(newcomer)
            await tell(lab, "o-3")
            trace = await lab.quiet()
            return lab.ledger.keys("reserved"), trace.lost()

    assert asyncio.run(run()) == ([f"o-{number}" for number in range(4)], [])


@on_each_broker
def test_learners_with_processes_on_a_shared_broker_do_not_meet(broker):
    async def run():
        async with Lab(broker=broker) as host:
            at = host.address
            url = f"mqtt://{at.username}:{at.password}@{at.host}:{at.port}"
            mine, other = (Lab(process(Payment), Inventory, broker=url) for _ in range(2))
            async with mine, other:
                await tell(mine)
                await mine.quiet()
                await other.quiet()
                return mine.ledger.keys("reserved"), mine.trace.lost(), len(other.trace)

    assert asyncio.run(run()) == (["o-1"], [], 0)


def test_a_message_that_fills_its_limit_is_told_of_too():
    class Large(Event):
        text: str

    class Reader(Service):
        @on(Large)
        async def read(self, large):
            self.effect("read", str(len(large.text)))

    async def run():
        async with Lab(process(Reader)) as lab:
            await lab.publish(Large(text="x" * 950_000))
            trace = await lab.quiet()
            return trace.lost(), lab.ledger.keys("read")

    assert asyncio.run(run()) == ([], ["950000"])


def test_an_instance_is_sent_as_it_is():
    async def run():
        async with Lab(Inventory, process(Shipping(vans=1))) as lab:
            await lab.call(Shipping.ship, order_id="o-1")
            with pytest.raises(Refused, match="no van"):
                await lab.call(Shipping.ship, order_id="o-2")
            await lab.crash(Shipping)
            await lab.wake(Shipping)
            with pytest.raises(Refused, match="no van"):
                await lab.call(Shipping.ship, order_id="o-3")
            return lab.ledger.keys("shipped")

    assert asyncio.run(run()) == ["o-1"]


def test_a_service_of_a_script_can_be_sent_even_after_it_was_in_use():
    code = """
        import asyncio
        from labkit import Event, Lab, Service, command, on, process
        class Ordered(Event):
            order_id: str
        class Paid(Event):
            order_id: str
        class Payment(Service):
            @on(Ordered)
            async def charge(self, order):
                await self.publish(Paid(order_id=order.order_id))
            @command
            async def refund(self, order: Ordered) -> Paid:
                return Paid(order_id=order.order_id)
        async def run():
            order = Ordered(order_id="o-1")
            for payment in (Payment, process(Payment), process(Payment)):
                async with Lab(payment) as lab:
                    await lab.publish(order)
                    print(await lab.call(Payment.refund, order=order))
                    print(await lab.quiet())
        asyncio.run(run())
    """
    done = script(code)
    first, second, third = done.stdout.split("order_id='o-1'")[1:]
    assert first == second == third
    assert (done.stderr, "Payment → nobody: Paid" in first) == ("", True)


def script(code: str) -> subprocess.CompletedProcess[str]:
    """Run a program, whose classes are those of `__main__` as they are in a notebook."""
    command = [sys.executable, "-c", textwrap.dedent(code)]
    return subprocess.run(command, capture_output=True, text=True, timeout=30)


# -- death ---------------------------------------------------------------------------------------


@on_each_broker
def test_work_that_a_kill_cut_off_comes_back_and_is_done(broker):
    async def run():
        async with Lab(process(Slowly), Watcher, broker=broker) as lab:
            for number in range(5):
                await tell(lab, f"o-{number}")
            await until(lambda: len(lab.ledger.keys("seen")) == 5)
            pid = number_of(lab, Slowly)
            await lab.crash(Slowly)
            assert ps(pid, "stat") == ""
            await lab.quiet(at_most_seconds=5)  # what it had in hand keeps nobody waiting
            cut_off = lab.ledger.keys("ended")
            await lab.wake(Slowly)
            assert number_of(lab, Slowly) != pid
            trace = await lab.quiet()
            return cut_off, lab.ledger, trace

    cut_off, ledger, trace = asyncio.run(run())
    assert cut_off == []
    assert len(ledger.keys("begun")) == 10
    assert ledger.keys("ended") == [f"o-{number}" for number in range(5)]
    assert (len(trace.received(OrderPlaced, by=Slowly)), trace.lost()) == (10, [])


@asynccontextmanager
async def foreign(lab) -> AsyncIterator[aiomqtt.Client]:
    """Another client at the lab's broker, which knows nothing of labkit."""
    at = lab.address
    async with aiomqtt.Client(
        at.host, at.port, username=at.username, password=at.password
    ) as client:
        yield client


@on_each_broker
def test_the_last_will_says_that_a_killed_process_is_offline(broker):
    async def run():
        states = []
        async with Lab(process(Payment), broker=broker) as lab, foreign(lab) as client:
            await client.subscribe("status/Payment", qos=1)
            async with asyncio.timeout(10):
                async for message in client.messages:
                    states.append("offline" if b'"offline"' in message.payload else "online")
                    match len(states):
                        case 1:
                            os.kill(number_of(lab), signal.SIGKILL)
                        case 2:
                            await until(lambda: "Payment crashes" in lab.trace.text())
                            await lab.wake(Payment)
                        case 3:
                            await lab.call(Payment.charge, order_id="o-1", amount=3)
                            await lab.sleep(Payment)
                        case 4:
                            return states, str(lab.trace)

    states, story = asyncio.run(run())
    assert states == ["online", "offline", "online", "offline"]
    assert "Payment crashes\nPayment is back" in story
    assert "Status" not in story
    assert "Moment" not in story


@on_each_broker
def test_a_process_that_ends_by_itself_has_crashed(broker):
    async def run():
        async with Lab(process(Slowly), broker=broker) as lab:
            with pytest.raises(NoReply):
                await lab.call(Slowly.stop_by_itself, timeout_seconds=0.5)
            await until(lambda: "Slowly crashes" in str(lab.trace))
            await lab.quiet()

    asyncio.run(run())


@on_each_broker
def test_a_fault_ends_the_process_once_and_the_lab_wakes_it(broker):
    pids = set()

    async def run():
        faults = [after_effect(Payment, nth=2, back_after_seconds=0.1), kill(Payment, nth=4)]
        async with Lab(process(Payment), Inventory, faults=faults, broker=broker) as lab:
            for number in range(6):
                await tell(lab, f"o-{number}")
                await lab.quiet()
                pids.add(number_of(lab))
            return lab.trace.text(), lab.ledger, lab.trace.lost()

    story, ledger, lost = asyncio.run(run())
    assert len(pids) == 3
    assert None not in pids
    assert story.count("Payment crashes after an effect\nPayment is back") == 1
    assert story.count("Payment crashes\nPayment is back") == 1
    assert (ledger.doubled(), lost) == ([], [])
    assert ledger.keys("charged") == ledger.keys("reserved") == [f"o-{n}" for n in range(6)]


def test_what_a_fault_has_counted_outlives_a_kill():
    async def run():
        faults = [kill(Payment, nth=3, back_after_seconds=0.1)]
        async with Lab(process(Payment), faults=faults) as lab:
            for number in range(4):
                if number == 2:
                    await lab.crash(Payment)
                    await lab.wake(Payment)
                await tell(lab, f"o-{number}")
                await lab.quiet()
            return [str(mark) for mark in lab.trace.steps() if "Payment" in str(mark)[:7]]

    told = asyncio.run(run())
    marks = [line for line in told if "→" not in line]
    assert marks == ["Payment crashes", "Payment is back"] * 2


def test_other_faults_act_inside_the_process_and_are_told():
    async def run():
        faults = [delay(Payment.charge, 2.5), mute(Inventory)]
        async with Lab(process(Payment), process(Inventory), faults=faults) as lab:
            asking = asyncio.ensure_future(lab.call(Payment.charge, order_id="o-1", amount=3))
            await until(lambda: lab.trace.sent(Payment.charge))
            before = len((await lab.quiet()).received(Payment.charge))  # it waits for what is held
            await asking
            await tell(lab, "o-2")
            await lab.quiet(at_most_seconds=10)
            return before, lab.trace, lab.ledger.keys("reserved")

    before, trace, reserved = asyncio.run(run())
    assert (before, reserved) == (1, ["o-2"])
    assert "charge; fault at Payment: delay: 2.5 s" in str(trace)
    assert "InventoryReserved; fault at Inventory: lost: nothing that it says" in str(trace)


@on_each_broker
def test_a_mute_process_works_and_is_not_heard_until_it_wakes(broker):
    async def run():
        async with Lab(process(Payment), Inventory, broker=broker) as lab:
            await lab.mute(Payment)
            await tell(lab, "o-1")
            await lab.quiet()
            await lab.wake(Payment)
            await tell(lab, "o-2")
            await lab.quiet()
            return lab.ledger.keys("charged"), lab.ledger.keys("reserved")

    assert asyncio.run(run()) == (["o-1", "o-2"], ["o-2"])


# -- two hundred orders --------------------------------------------------------------------------


def held(ledger) -> None:
    """Nobody was charged twice, nobody for nothing, and no parcel was both sent and paid back."""
    assert ledger.doubled() == []
    assert ledger.orphaned() == []
    assert set(ledger.shipped()) & set(ledger.keys("refunded")) == set()
    assert len(ledger.shipped()) <= VANS


async def directed(lab, order_id) -> None:
    """Place an order, again where no answer came, until it is known how it ended."""
    while True:
        try:
            return await lab.call(
                OrderOrchestrator.place_order, order_id=order_id, amount=30, timeout_seconds=8
            )
        except NoReply:
            continue
        except CommandFailed:
            return None


async def orchestrated(broker, mishap):
    conductor = OrderOrchestrator(timeout_seconds=0.5, tries=6)
    services = [conductor, process(Payment), Inventory, Shipping(vans=VANS)]
    async with Lab(*services, broker=broker) as lab:
        happening = asyncio.ensure_future(when_sixty_are_charged(lab, mishap))
        for batch in range(0, len(ORDERS), 50):
            await asyncio.gather(*(directed(lab, id) for id in ORDERS[batch : batch + 50]))
        charged = await happening
        trace = await lab.quiet()
        return charged, lab.ledger, trace


async def choreographed(broker, mishap):
    services = [process(Payment), Inventory, Shipping(vans=VANS), Order]
    async with Lab(*services, broker=broker) as lab:
        happening = asyncio.ensure_future(when_sixty_are_charged(lab, mishap))
        for id in ORDERS:
            await tell(lab, id)
        charged = await happening
        trace = await lab.quiet()
        return charged, lab.ledger, trace


async def when_sixty_are_charged(lab, mishap):
    await until(lambda: len(lab.ledger.keys("charged")) >= 60)
    await mishap(lab)
    return len(lab.ledger.keys("charged"))


async def kill_payment(lab):
    await lab.crash(Payment)
    assert len(lab.ledger.keys("charged")) < len(ORDERS)
    await lab.wake(Payment)


async def restart_the_broker(lab):
    await lab.restart_broker()


@on_each_broker
@pytest.mark.parametrize("mishap", [kill_payment, restart_the_broker])
def test_directed_orders_all_end_well(broker, mishap):
    _, ledger, _ = asyncio.run(orchestrated(broker, mishap))
    held(ledger)
    ended = {*ledger.shipped(), *ledger.keys("refunded"), *ledger.keys("rejected")}
    assert ended == set(ORDERS)
    assert ledger.keys("refunded")


@pytest.mark.parametrize(
    ("broker", "mishap"),
    [
        ("embedded", kill_payment),
        pytest.param("mosquitto", kill_payment, marks=pytest.mark.needs("mosquitto")),
        pytest.param("mosquitto", restart_the_broker, marks=pytest.mark.needs("mosquitto")),
    ],
)
def test_danced_orders_all_end_well(broker, mishap):
    _, ledger, trace = asyncio.run(choreographed(broker, mishap))
    held(ledger)
    assert set(ledger.keys("charged")) == set(ORDERS)
    assert (len(ledger.shipped()), len(ledger.keys("refunded"))) == (VANS, len(ORDERS) - VANS)
    assert trace.lost() == []


def test_a_broker_that_keeps_nothing_over_a_stop_may_leave_danced_orders_stuck_but_none_doubled():
    """The embedded broker gives up one guarantee: what it had taken, and not delivered, is gone."""
    _, ledger, _ = asyncio.run(choreographed("embedded", restart_the_broker))
    assert ledger.doubled() == []
    assert set(ledger.shipped()) & set(ledger.keys("refunded")) == set()


# -- what nobody sees ----------------------------------------------------------------------------


def test_a_process_shows_no_password_and_is_not_interrupted_with_the_kernel():
    async def run():
        async with Lab(process(Payment)) as lab:
            pid, folder = number_of(lab), folder_of(lab)
            seen = ps(pid, "args")
            assert "labkit" in seen
            assert lab.address.password not in seen
            assert lab.address.host not in seen
            assert ps(pid, "pgid") != ps(os.getpid(), "pgid")
            await lab.call(Payment.charge, order_id="o-1", amount=3)
        assert ps(pid, "stat") == ""
        assert not folder.exists()
        assert lab.ledger.keys("charged") == ["o-1"]  # it stays

    asyncio.run(run())


def test_a_killed_kernel_leaves_no_process_behind():
    code = """
        import asyncio, time
        from labkit import Lab, process
        from labkit.shop import Payment
        async def run():
            lab = await Lab(process(Payment)).open()
            print(lab._system.members["Payment"].wire.pid, lab._system._folder, flush=True)
            time.sleep(60)
        asyncio.run(run())
    """
    command = [sys.executable, "-c", textwrap.dedent(code)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as kernel:
        assert kernel.stdout is not None
        pid, folder = kernel.stdout.readline().split()
        assert ps(int(pid), "stat")
        kernel.kill()
    # An orphan that has ended may stay as a zombie, where nobody buries it.
    asyncio.run(until(lambda: ps(int(pid), "stat")[:1] in ("", "Z") and not Path(folder).exists()))


def test_a_forgotten_lab_with_a_process_ends_with_its_program_and_says_nothing():
    code = """
        import asyncio
        from labkit import Lab, process
        from labkit.shop import Payment
        async def run():
            lab = await Lab(process(Payment)).open()
            await lab.call(Payment.charge, order_id="o-1", amount=3)
            print(lab._system._folder)
            return lab
        lab = asyncio.run(run())
    """
    done = script(code)
    assert (done.returncode, done.stderr) == (0, "")
    asyncio.run(until(lambda: not Path(done.stdout.strip()).exists()))


def test_two_who_write_in_the_same_books_can_do_a_thing_once_only(tmp_path):
    first, second = LastingBooks(tmp_path / "books"), LastingBooks(tmp_path / "books")
    entry = Entry("Payment", "charged", "o-1", 30, because := "m-1", "o-1")
    assert (first.write(entry), second.write(entry)) == (True, False)
    again = Entry("Payment", "charged", "o-1", 30, because)  # without a key, whatever happens
    assert (first.write(again), second.write(again)) == (True, True)
    assert second.find("Payment", "charged", "o-1") == entry
    assert second.find("Payment", "charged", "o-2") is None
    assert first.count("Payment", "charged") == 3
    assert first.entries() == [entry, again, again]


# -- mistakes ------------------------------------------------------------------------------------


class Unlucky(Service):
    def __init__(self, locked: object = None) -> None:
        self.locked = locked


def test_what_is_no_service_or_in_memory_only_has_no_process():
    with pytest.raises(NotAService, match="needs a service, such as Payment, and was given 42"):
        process(42)
    with pytest.raises(LabError, match="can't have Payment in a process"):
        Lab(process(Payment), simulate=1)
    with pytest.raises(NotAService, match="Two services are called Payment"):
        Lab(process(Payment), Payment)

    async def run():
        async with Lab(Payment) as lab:
            with pytest.raises(LabError, match="this lab began with none"):
                await lab.join(process(Inventory))

    asyncio.run(run())


def test_a_service_that_holds_what_cannot_travel_is_told_what_it_is():
    lock = threading.Lock()

    class Closed(Service):
        @command
        async def work(self) -> None:
            lock.acquire()

    with pytest.raises(NotAService, match=r"(?s)Closed can't be sent .* its lock .* __init__"):
        process(Closed)
    with pytest.raises(NotAService, match=r"Unlucky can't be sent .* its locked can't travel"):
        process(Unlucky(lock))


def test_a_process_that_dies_at_its_start_says_why():
    class Broke(Service):
        def __init__(self):
            raise ValueError("no money")

    async def run():
        with pytest.raises(LabError, match=r"(?s)Broke was to run .*ValueError: no money"):
            await Lab(process(Broke), Payment).open()

    asyncio.run(run())


def test_a_class_that_the_process_cannot_import_says_why(tmp_path, monkeypatch):
    (tmp_path / "gone.py").write_text(
        "from labkit import Service\nclass Gone(Service):\n    pass\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    Gone = import_module("gone").Gone

    (tmp_path / "gone.py").unlink()

    async def run():
        with pytest.raises(LabError, match="ModuleNotFoundError: No module named 'gone'"):
            await Lab(process(Gone)).open()

    asyncio.run(run())


def test_a_command_that_fails_in_a_process_is_answered(capsys):
    class Clumsy(Service):
        @command
        async def drop(self) -> None:
            raise ValueError("butterfingers")

        @on(OrderPlaced)
        async def drop_it(self, order):
            raise ValueError("butterfingers")

    async def run():
        async with Lab(process(Clumsy)) as lab:
            with pytest.raises(CommandFailed, match="ValueError: butterfingers"):
                await lab.call(Clumsy.drop)
            await tell(lab)
            problems = (await lab.quiet()).problems()
            return problems, await lab.replay_dead(Clumsy), await lab.quiet()

    problems, again, trace = asyncio.run(run())
    assert (len(problems), again, len(trace.failed(OrderPlaced))) == (2, 1, 2)
    assert "Clumsy could not handle OrderPlaced: ValueError: butter" in capsys.readouterr().out
