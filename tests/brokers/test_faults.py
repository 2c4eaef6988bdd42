"""Bad luck is the same everywhere: each fault strikes alike in simulation and on both brokers."""

import asyncio
import math
from contextlib import suppress

import pytest

from labkit import (
    CommandFailed,
    Event,
    HumanTaskOpened,
    Lab,
    LabError,
    NoReply,
    Service,
    Unavailable,
    after_effect,
    before_effect,
    before_publish,
    command,
    delay,
    duplicate,
    kill,
    mute,
    on,
    partition,
    reorder,
    reply_lost,
    slow,
    unavailable,
)
from labkit.shop import OrderPlaced
from labkit.shop.careful import Inventory, Notification, Order, OrderOrchestrator, Payment, Shipping
from labkit.system.broker import Broker

MOSQUITTO = pytest.param("mosquitto", marks=pytest.mark.needs("mosquitto"))
EVERYWHERE = ["simulation", "embedded", "mosquitto"]
everywhere = pytest.mark.parametrize("where", ["simulation", "embedded", MOSQUITTO])
on_each_broker = pytest.mark.parametrize("where", ["embedded", MOSQUITTO])


def lab_at(where, *services, seed=1, **how):
    """A lab in one of the three worlds, with the same dice."""
    world = {"simulate": seed} if where == "simulation" else {"broker": where}
    return Lab(*services, seed=seed, **world, **how)


class Counted(Event):
    number: int


class Told(Event):
    number: int


class Teller(Service):
    @on(Counted)
    async def count(self, counted: Counted):
        self.effect("counted", counted.number)
        await self.publish(Told(number=counted.number))

    @command
    async def add(self, number: int) -> int:
        self.effect("added", number)
        return number + 1


class Listener(Service):
    @command
    async def add(self, number: int) -> int:
        return number + 1

    @on(Told)
    async def hear(self, told: Told):
        self.effect("heard", told.number)


def tell(where, *faults, numbers=(1,), services=(Teller, Listener)):
    async def run():
        async with lab_at(where, *services, faults=faults) as lab:
            for number in numbers:
                await lab.publish(Counted(number=number))
            return await lab.quiet(), lab.ledger

    return asyncio.run(run())


def notes(trace):
    return [m.note for m in trace if m.what == "struck"]


def arrivals(trace):
    """When each event came to the Teller, and which."""
    came = [m for m in trace if m.what == "received" and m.where == "Teller"]
    return [(m.message.data["number"], m.seconds) for m in came]


@everywhere
def test_who_is_unavailable_can_not_be_asked(where):
    async def run():
        async with lab_at(where, Teller, faults=[unavailable(Teller.add, nth=1)]) as lab:
            with pytest.raises(Unavailable):
                await lab.call(Teller.add, number=1)
            return await lab.call(Teller.add, number=2), lab.ledger.keys("added")

    assert asyncio.run(run()) == (3, ["2"])


@everywhere
@pytest.mark.parametrize("fault", [slow, delay])
def test_what_is_late_is_late_and_overtaken(where, fault):
    trace, _ = tell(where, fault(Teller, 0.3, nth=1), numbers=(1, 2))
    (first, early), (second, late) = arrivals(trace)
    assert (first, second) == (2, 1)
    assert 0.2 < late - early < 2
    assert notes(trace) == [f"{fault.__name__}: 0.3 s"]


@everywhere
def test_what_comes_twice_is_done_twice(where):
    trace, ledger = tell(where, duplicate(Teller))
    assert ledger.keys("counted") == ["1", "1"]
    assert notes(trace) == ["delivered twice"]


@everywhere
def test_the_next_one_passes(where):
    trace, _ = tell(where, reorder(Teller, nth=2), numbers=(1, 2, 3))
    assert [number for number, _ in arrivals(trace)] == [1, 3, 2]
    assert notes(trace) == ["overtaken"]


@everywhere
@pytest.mark.parametrize("fault", [reply_lost(Teller.add), mute(Teller)])
def test_an_answer_is_lost_and_the_work_is_done(where, fault):
    async def run():
        async with lab_at(where, Teller, faults=[fault]) as lab:
            with pytest.raises(NoReply):
                await lab.call(Teller.add, number=1, timeout_seconds=0.3)
            return lab.ledger.keys("added"), notes(await lab.quiet())

    added, (note,) = asyncio.run(run())
    assert added == ["1"]
    assert note.startswith("lost: ")


@everywhere
def test_a_partition_holds_back_what_is_said_to_one_and_what_it_says(where):
    class Chatterbox(Service):
        """Hears before the cut, and speaks in it."""

        @on(Counted)
        async def say(self, counted: Counted):
            await asyncio.sleep(0.3)
            for number in range(3):
                await self.publish(Told(number=10 * counted.number + number))

    async def run():
        cut = partition(Chatterbox, 0.8, begins_seconds=0.2)
        async with lab_at(where, Chatterbox, Listener, faults=[cut]) as lab:
            await lab.publish(Counted(number=1))
            await lab._loop.run(asyncio.sleep(0.25))
            await lab.publish(Counted(number=2))
            await lab.publish(Counted(number=3))
            return await lab.quiet(), lab.ledger

    trace, ledger = asyncio.run(run())
    heard = [entry.key for entry in ledger if entry.effect == "heard"]
    for number in "123":
        assert [key for key in heard if key[0] == number] == [f"{number}{n}" for n in range(3)]
    came = [m for m in trace if m.what == "received" and m.where in ("Chatterbox", "Listener")]
    assert came[0].message.data["number"] == 1
    assert all(m.seconds > 0.99 for m in came[1:])
    assert [m.message.data["number"] for m in came if m.where == "Chatterbox"] == [1, 2, 3]


DEATHS = {
    kill: ("crashes", 1),
    before_effect: ("crashes before an effect", 1),
    after_effect: ("crashes after an effect", 2),
    before_publish: ("crashes before it speaks", 2),
}


@everywhere
@pytest.mark.parametrize("death", DEATHS)
def test_a_service_dies_at_its_point_and_does_its_work_when_it_is_back(where, death):
    words, effects = DEATHS[death]
    trace, ledger = tell(where, death(Teller, nth=1, back_after_seconds=0.1), numbers=(1, 2))
    assert notes(trace) == [words, "is back"]
    assert ledger.keys("counted").count("1") == effects
    assert ledger.keys("heard") == ["1", "2"]


@everywhere
def test_a_death_for_good_is_one(where):
    trace, ledger = tell(where, kill(Teller, back_after_seconds=math.inf))
    assert notes(trace) == ["crashes"]
    assert len(ledger) == 0


class Stubborn(Service):
    """Speaks and acts on its way out, and in a task that outlives its handler."""

    @on(Counted)
    async def live_on(self, counted: Counted):
        self.task = asyncio.create_task(self.later(counted.number))
        try:
            self.effect("counted", counted.number)
            await self.publish(Told(number=counted.number))
        except BaseException:
            await self.publish(Told(number=100))
        finally:
            with suppress(BaseException):
                self.effect("finally", counted.number)
            await self.publish(Told(number=200))

    async def later(self, number):
        await asyncio.sleep(0.05)
        self.effect("later", number)
        await self.publish(Told(number=300))


@everywhere
@pytest.mark.parametrize("death", DEATHS)
def test_the_dead_neither_speak_nor_act(where, death):
    async def run():
        faults = [death(Stubborn, back_after_seconds=math.inf)]
        async with lab_at(where, Stubborn, Listener, faults=faults) as lab:
            await lab.publish(Counted(number=1))
            await lab.quiet()
            await lab._loop.run(asyncio.sleep(0.1))
            return await lab.quiet(), lab.ledger

    trace, ledger = asyncio.run(run())
    assert [entry.effect for entry in ledger] == ["counted"] * (DEATHS[death][1] - 1)
    assert trace.sent(Told) == []


CHANCES = [
    unavailable(Payment, 0.3),
    slow(Inventory, 0.01, 0.3),
    delay(Shipping, 0.02, 0.3),
    duplicate(Notification, 0.3),
    reply_lost(Notification, 0.3),
    duplicate(Inventory, 0.2),
]


@pytest.mark.needs("mosquitto")
def test_one_seed_strikes_the_same_messages_in_the_same_way_everywhere():
    async def run(where, seed):
        services = Order, Payment, Inventory, Shipping, Notification
        async with lab_at(where, *services, seed=seed, faults=CHANCES) as lab:
            for number in range(20):
                await lab.publish(OrderPlaced(order_id=f"o-{number}", amount=3))
            asked = [
                lab.call(Notification.notify, order_id=f"o-{number}", timeout_seconds=0.5)
                for number in range(20)
            ]
            await asyncio.gather(*asked, return_exceptions=True)
            trace = await lab.quiet()
            return {(m.message.id, m.where, m.note) for m in trace if m.what == "struck"}

    first, *others = (asyncio.run(run(where, 7)) for where in EVERYWHERE)
    assert others == [first, first]
    assert {note for _, _, note in first} == {
        "unavailable",
        "slow: 0.01 s",
        "delay: 0.02 s",
        "delivered twice",
        "lost: its reply never arrives",
    }
    assert asyncio.run(run("simulation", 8)) != first


@pytest.mark.needs("mosquitto")
@pytest.mark.parametrize("death", DEATHS)
def test_one_seed_kills_at_the_same_messages_everywhere(death):
    async def run(where):
        faults = [death(Payment, 0.4, back_after_seconds=0.02)]
        async with lab_at(where, Payment, faults=faults, seed=5) as lab:
            died = []
            for number in range(6):
                before = len(notes(lab.trace))
                await lab.call(Payment.charge, order_id=f"o-{number}", amount=3)
                died.append(notes(await lab.quiet())[before:])
            return died, lab.ledger.keys("charged")

    first, *others = (asyncio.run(run(where)) for where in EVERYWHERE)
    assert others == [first, first]
    assert [] in first[0]
    assert [DEATHS[death][0], "is back"] in first[0]
    assert first[1] == [f"o-{number}" for number in range(6)]


@everywhere
def test_dead_letters_are_handled_again_by_the_one_that_gave_them_up(where):
    class Brother(Teller):
        pass

    async def run():
        services = Teller, Brother, Listener
        async with lab_at(where, *services, faults=[unavailable(Teller, nth=2)]) as lab:
            for number in (1, 2, 3):
                await lab.publish(Counted(number=number))
            await lab.quiet()
            counts = [await lab.replay_dead(Teller)]
            trace = await lab.quiet()
            counts.append(await lab.replay_dead(Teller))
            by_teller = [e.key for e in lab.ledger if e.service == "Teller"]
            by_brother = [e.key for e in lab.ledger if e.service == "Brother"]
            return counts, sorted(by_teller), sorted(by_brother), trace

    counts, by_teller, by_brother, trace = asyncio.run(run())
    assert counts == [1, 0]
    assert by_teller == by_brother == ["1", "2", "3"]
    again = [m.id for m in trace.received(Counted, by=Teller)]
    assert sorted(again) == sorted([*(m.id for m in trace.sent(Counted, by="you")), "you-2"])


def everything(*services):
    """A bad day, in small."""
    return [partition(Payment, 0.3, begins_seconds=0.05)] + [
        fault
        for service in services
        for fault in (
            duplicate(service, 0.2),
            reorder(service, 0.2),
            delay(service, 0.6, 0.1),
            reply_lost(service, 0.2),
            kill(service, 0.1, back_after_seconds=0.2),
            after_effect(service, 0.1, back_after_seconds=0.2),
        )
    ]


@pytest.mark.parametrize("seed", range(1, 4))
def test_a_bad_day_of_the_careful_shop_ends_well_on_a_broker_too(seed):
    async def orchestrated(lab):
        async def place(number):
            with suppress(CommandFailed):
                order = {"order_id": f"o-{number}", "amount": 3}
                await lab.call(OrderOrchestrator.place_order, **order, timeout_seconds=1.5)

        await asyncio.gather(*(place(number) for number in range(6)))

    async def danced(lab):
        for number in range(6):
            await lab.publish(OrderPlaced(order_id=f"o-{number}", amount=3))

    async def run(conductor, style):
        services = conductor, Payment, Inventory(stock=4), Shipping(vans=3)
        faults = everything(type(conductor), Payment, Inventory, Shipping)
        async with lab_at("embedded", *services, faults=faults, seed=seed) as lab:
            await style(lab)
            return await lab.quiet(), lab.ledger

    for conductor, style in (
        (OrderOrchestrator(timeout_seconds=0.2), orchestrated),
        (Order(), danced),
    ):
        trace, ledger = asyncio.run(run(conductor, style))
        human = {message.data["order_id"] for message in trace.sent(HumanTaskOpened)}
        assert set(ledger.orphaned()) <= human
        assert not set(ledger.shipped()) & set(ledger.keys("refunded"))
        assert ledger.doubled() == []
        assert len(ledger.shipped()) <= 3
        assert len(set(notes(trace))) >= 3


async def there(lab, service):
    """What a service answers; None, where it is not there yet."""
    with suppress(NoReply):
        return await lab.call(service.add, number=1, timeout_seconds=0.3)


@on_each_broker
def test_the_services_are_back_by_themselves_when_the_lab_has_restarted_its_broker(where):
    async def run():
        async with lab_at(where, Teller, Listener) as lab:
            await lab.publish(Counted(number=1))
            await lab.quiet()
            await lab.restart_broker()
            async with asyncio.timeout(10):
                for service in (Teller, Listener):
                    while await there(lab, service) is None:
                        pass
            await lab.publish(Counted(number=2))
            return await lab.quiet(), lab.ledger.keys("heard")

    trace, heard = asyncio.run(run())
    assert heard == ["1", "2"]
    assert "you restarts the broker" in trace.text()


def test_a_simulation_and_a_broker_elsewhere_are_not_for_the_lab_to_restart():
    async def run():
        async with Lab(Teller, simulate=1) as lab:
            with pytest.raises(LabError, match="has no broker that it could restart"):
                await lab.restart_broker()

    asyncio.run(run())


@on_each_broker
def test_the_status_of_a_service_is_kept_for_whoever_asks_late(where):
    states = []

    async def run():
        async with lab_at(where, Teller, Listener) as lab:
            you = lab._system.members["you"].wire

            async def learn(message):
                states.append((message.sender, message.data))

            await lab._loop.run(you.subscribe("status/Teller", learn))
            async with asyncio.timeout(5):
                for count, act in ((1, lab.crash), (2, lab.wake), (3, lab.sleep), (4, None)):
                    while len(states) < count:  # noqa: ASYNC110  (the lab lives on another loop)
                        await asyncio.sleep(0.01)
                    if act:
                        await act(Teller)
            assert isinstance(lab.broker, Broker)

    asyncio.run(run())
    assert states == [("Teller", state) for state in ("online", "offline", "online", "offline")]
