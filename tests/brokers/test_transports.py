"""A wire keeps the same promises on each broker and in simulation, where its time is virtual.

A probe opens wires, reports what it saw, and judges nothing. Where it has to see that something
does *not* come, it lets something come that would have to come later.
"""

import asyncio
import secrets
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from typing import Any

import pytest

from labkit.system.broker import broker_for
from labkit.system.errors import BadMessage
from labkit.system.message import Message, say
from labkit.system.mqtt import Mqtt
from labkit.system.simulation import Simulation
from labkit.system.transport import Wire
from tests.brokers.conftest import answers
from tests.brokers.hosting import Background, running

# How a probe comes by a wire: by the name of its owner. Who asks again takes the place of the last.
Wires = Callable[[str], Wire]
AMQTT_GIVES_UP_AFTER_SECONDS = 5.0


async def until(condition: Callable[[], object]) -> None:
    """Wait, in whatever time there is; a condition that stays false fails the probe."""
    async with asyncio.timeout(10):
        while not condition():  # noqa: ASYNC110  (in virtual time this costs nothing)
            await asyncio.sleep(0.002)


class Ear:
    """Remembers what came, and keeps in hand what it is told to hold."""

    def __init__(self, holds: Callable[[Any], bool] = lambda _: False) -> None:
        self.heard: list[Any] = []
        self._holds = holds

    async def __call__(self, message: Message) -> None:
        self.heard.append(message.data)
        if self._holds(message.data):
            await asyncio.Event().wait()

    async def hears(self, last: object) -> list[Any]:
        """What came before that."""
        await until(lambda: last in self.heard)
        return self.heard[: self.heard.index(last)]


def everything(_: object) -> bool:
    return True


async def opened(wires: Wires, name: str, **ears: Callable[[Message], Awaitable[None]]) -> Wire:
    """An open wire that listens to a topic for each of its ears."""
    wire = wires(name)
    for topic, ear in ears.items():
        await wire.subscribe(f"probe/{topic}", ear)
    await wire.open()
    return wire


async def speak(wire: Wire, *data: object, topic: str = "probe/a", who: str = "Speaker") -> None:
    """Say all that without waiting in between; return when the broker has it."""
    said = [say("event", "Said", who, what, nth=0) for what in data]
    unique = [m.model_copy(update={"id": f"{m.data}-{secrets.token_hex(4)}"[-60:]}) for m in said]
    await asyncio.gather(*(wire.publish(topic, message) for message in unique))


async def order_of_each_publisher(wires: Wires) -> list[bool]:
    """Whether what each of three says at the same time arrives in its order."""
    ear = Ear()
    await opened(wires, "Listener", a=ear)
    names = ["One", "Two", "Three"]
    speakers = {name: await opened(wires, name) for name in names}
    spoken = {name: [f"{name} {number}" for number in range(100)] for name in names}
    await asyncio.gather(*(speak(speakers[name], *spoken[name]) for name in names))
    await until(lambda: len(ear.heard) == 300)
    return [[d for d in ear.heard if d.startswith(name)] == spoken[name] for name in names]


async def a_burst(wires: Wires) -> bool:
    """Whether 500 messages, published without a pause, come once each and in their order."""
    ear = Ear()
    await opened(wires, "Listener", a=ear)
    await speak(await opened(wires, "Speaker"), *range(500), "end")
    return await ear.hears("end") == list(range(500))


async def publish_and_leave(wires: Wires) -> int:
    """How many of 200 messages arrive whose publisher is killed when it has said the last."""
    ear = Ear()
    await opened(wires, "Listener", a=ear)
    speaker = await opened(wires, "Speaker")
    await speak(speaker, *range(200))
    await speaker.die()
    await until(lambda: len(ear.heard) == 200)
    return len(set(ear.heard))


async def unacknowledged(wires: Wires) -> dict[str, list[Any]]:
    """Of five messages the second is done when the listener dies: what comes again, and again."""
    first, again, third = Ear(lambda data: data != 1), Ear(), Ear()
    listener = await opened(wires, "Listener", a=first)
    speaker = await opened(wires, "Speaker")
    await speak(speaker, *range(5))
    await until(lambda: len(first.heard) == 5)
    await listener.die()
    listener = await opened(wires, "Listener", a=again)
    await speak(speaker, "end")
    seen = {"first": list(first.heard), "again": await again.hears("end")}
    await speak(listener, "seen?", topic="probe/b")  # what it acknowledged before has been seen too
    await listener.die()
    await opened(wires, "Listener", a=third)
    await speak(speaker, "end of all")
    return {**seen, "acknowledged": await third.hears("end of all")}


async def a_slow_acknowledgement(wires: Wires) -> dict[str, list[Any]]:
    """What comes while a message is in hand for longer than amqtt waits, and after a reconnect."""
    ear, again = Ear(lambda data: data == "slow"), Ear()
    listener = await opened(wires, "Listener", a=ear)
    speaker = await opened(wires, "Speaker")
    await speak(speaker, "slow")
    await until(lambda: ear.heard)
    await asyncio.sleep(AMQTT_GIVES_UP_AFTER_SECONDS + 0.5)
    await speak(speaker, "end")
    meanwhile = await ear.hears("end")
    await listener.die()
    await opened(wires, "Listener", a=again)
    await speak(speaker, "end")
    return {"meanwhile": meanwhile, "again": await again.hears("end")}


async def order_across_a_crash(wires: Wires) -> bool:
    """Whether 250 messages in hand and 250 later ones come in their order after a crash."""
    first, again = Ear(everything), Ear()
    listener = await opened(wires, "Listener", a=first)
    speaker = await opened(wires, "Speaker")
    await speak(speaker, *range(250))
    await until(lambda: len(first.heard) == 250)
    await listener.die()
    await speak(speaker, *range(250, 500))
    await opened(wires, "Listener", a=again)
    await speak(speaker, "end")
    return await again.hears("end") == list(range(500))


async def a_persistent_session(wires: Wires) -> dict[str, bool]:
    """Whether ten messages wait for one who sleeps, and for one who was killed, in order."""
    ear, again = Ear(), Ear()
    listener = await opened(wires, "Listener", a=ear)
    speaker = await opened(wires, "Speaker")
    await listener.sleep()
    await speak(speaker, *range(10))
    asleep = list(ear.heard)
    await listener.open()
    await until(lambda: len(ear.heard) == 10)
    await listener.die()
    await speak(speaker, *range(10, 20))
    await opened(wires, "Listener", a=again)
    await speak(speaker, "end")
    return {
        "nothing in its sleep": asleep == [],
        "awake": ear.heard == list(range(10)),
        "back": await again.hears("end") == list(range(10, 20)),
    }


async def a_forgotten_session(wires: Wires) -> list[Any]:
    """What waits for one whose session was forgotten when it left."""
    ear = Ear()
    listener = await opened(wires, "Listener", a=Ear())
    speaker = await opened(wires, "Speaker")
    await listener.close(forget=True)
    await speak(speaker, *range(3))
    await opened(wires, "Listener", a=ear)
    await speak(speaker, "end")
    return await ear.hears("end")


async def work_before_sleep(wires: Wires) -> list[Any]:
    """What a handler hears that waits for a reply while its owner wants to sleep."""
    asked, answered, told = asyncio.Event(), asyncio.Event(), Ear()

    async def ask(message: Message) -> None:
        asked.set()
        await answered.wait()
        await speak(asker, message.data, topic="probe/told")

    async def take_reply(_: Message) -> None:
        answered.set()

    await opened(wires, "Listener", told=told)
    asker = await opened(wires, "Asker", a=ask)
    await asker.subscribe("reply/Asker", take_reply)
    speaker = await opened(wires, "Speaker")
    await speak(speaker, "question")
    await asked.wait()
    asleep = asyncio.create_task(asker.sleep())
    await asyncio.sleep(0)
    await speak(speaker, "answer", topic="reply/Asker")
    await asleep
    await until(lambda: told.heard)
    return told.heard


async def speech_in_sleep(wires: Wires) -> list[Any]:
    """What one hears of one who speaks in its sleep, before and after it wakes up."""
    ear = Ear()
    await opened(wires, "Listener", a=ear)
    sleeper, speaker = await opened(wires, "Sleeper"), await opened(wires, "Speaker")
    await sleeper.sleep()
    murmuring = asyncio.create_task(speak(sleeper, "murmur"))
    await asyncio.sleep(0.05)
    await speak(speaker, "morning")
    await ear.hears("morning")
    await sleeper.open()
    await murmuring
    await until(lambda: len(ear.heard) == 2)
    return ear.heard


async def unsubscribing(wires: Wires) -> list[Any]:
    """What still comes after it, to the same wire and to the next one of that session."""
    ear, again = Ear(), Ear()
    listener = await opened(wires, "Listener", a=ear, b=ear)
    speaker = await opened(wires, "Speaker")
    await listener.unsubscribe("probe/a")
    await speak(speaker, "x")
    await speak(speaker, "end", topic="probe/b")
    heard = await ear.hears("end")
    await listener.die()
    await speak(speaker, "y")
    await opened(wires, "Listener", b=again)
    await speak(speaker, "end", topic="probe/b")
    return heard + await again.hears("end")


async def overlapping(wires: Wires) -> int:
    """How many copies one gets whose two subscriptions cover a topic."""
    ear, listener = Ear(), wires("Listener")
    await listener.subscribe("probe/#", ear)
    await listener.subscribe("probe/a", ear)
    await listener.open()
    await speak(await opened(wires, "Speaker"), "x", "end")
    return len(await ear.hears("end"))


async def wildcards(wires: Wires) -> dict[str, list[Any]]:
    """Which of five topics each pattern covers."""
    ears = {pattern: Ear() for pattern in ("/+", "/+/c", "/#")}
    for number, (pattern, ear) in enumerate(ears.items()):
        listener = await opened(wires, f"Listener{number}", end=ear)
        await listener.subscribe(f"probe/a{pattern}", ear)
    speaker = await opened(wires, "Speaker")
    for below in ("", "/b", "/b/c", "/b/d", "/b/c/d"):
        await speak(speaker, below or "itself", topic=f"probe/a{below}")
    await speak(speaker, "end", topic="probe/end")
    return {pattern: await ear.hears("end") for pattern, ear in ears.items()}


async def two_listeners(wires: Wires) -> list[list[Any]]:
    """What each of two gets who listen to the same."""
    ears = Ear(), Ear()
    for name, ear in zip(("One", "Two"), ears, strict=True):
        await opened(wires, name, a=ear)
    await speak(await opened(wires, "Speaker"), 1, 2, "end")
    return [await ear.hears("end") for ear in ears]


async def large_payloads(wires: Wires) -> dict[str, Any]:
    """Which sizes arrive whole, in kB; and what becomes of more than a megabyte."""
    ear = Ear()
    await opened(wires, "Listener", a=ear)
    speaker = await opened(wires, "Speaker")
    for size in (64, 256, 990):
        await speak(speaker, "x" * 1000 * size)
    try:
        await speak(speaker, "x" * 1_000_001)
    except BadMessage:
        await speak(speaker, "refused")
    arrived = await ear.hears("refused")
    return {"whole": [len(data) // 1000 for data in arrived if set(data) == {"x"}]}


async def statuses(wires: Wires) -> dict[str, list[Any]]:
    """What is told of one who comes and goes in each way; and what one learns who comes late."""
    early, seen = Ear(), list[Any]()
    watcher = await opened(wires, "Watcher")
    await watcher.subscribe("status/Walker", early)

    async def learn() -> None:
        await until(lambda: len(early.heard) > len(seen))
        late = Ear()
        latecomer = await opened(wires, f"Latecomer{len(seen)}")
        await latecomer.subscribe("status/Walker", late)
        await until(lambda: late.heard)
        seen.append(late.heard[0])

    walker = await opened(wires, "Walker", a=Ear())
    await learn()
    await walker.sleep()
    await learn()
    await walker.open()
    await learn()
    await walker.die()
    await learn()
    walker = await opened(wires, "Walker", a=Ear())
    await learn()
    await walker.close()
    await learn()
    return {"early": early.heard, "late": seen}


async def a_status_on_reopening(wires: Wires) -> list[Any]:
    """What a watcher is told that sleeps and wakes, of one who stays."""
    ear = Ear()
    await opened(wires, "Walker")
    watcher = wires("Watcher")
    await watcher.subscribe("status/Walker", ear)
    await watcher.open()
    await until(lambda: len(ear.heard) == 1)
    await watcher.sleep()
    await watcher.open()
    await until(lambda: len(ear.heard) == 2)
    return ear.heard


async def words_of_the_dead(wires: Wires) -> list[Any]:
    """What one hears of one that died in mid-work, whose handler and whose tasks still speak."""
    ear, working, tasks = Ear(), asyncio.Event(), list[asyncio.Task[None]]()

    async def later() -> None:
        await asyncio.sleep(0.05)
        await speak(mortal, "from a task", topic="probe/told")

    async def work(_: Message) -> None:
        tasks.append(asyncio.create_task(later()))
        working.set()
        try:
            await asyncio.Event().wait()
        finally:
            await speak(mortal, "from finally", topic="probe/told")

    await opened(wires, "Listener", told=ear)
    mortal = await opened(wires, "Mortal", a=work)
    speaker = await opened(wires, "Speaker")
    await speak(speaker, "work")
    await working.wait()
    async with asyncio.timeout(5):
        await mortal.die()
    await asyncio.wait(tasks, timeout=0.1)
    for task in tasks:
        task.cancel()
    await speak(speaker, "end", topic="probe/told")
    return await ear.hears("end")


async def an_inheritance(wires: Wires) -> dict[str, list[Any]]:
    """What a successor hears that listens to less, and its dead predecessor."""
    old, new, replies = Ear(everything), Ear(), Ear()
    speaker = await opened(wires, "Speaker")
    mortal = await opened(wires, "Mortal", a=old, b=old)
    await mortal.subscribe("reply/Mortal", old)
    await mortal.die()
    await speak(speaker, "answer", topic="reply/Mortal")
    await speak(speaker, "dropped")
    successor = await opened(wires, "Mortal", b=new)
    await speak(speaker, "end", topic="probe/b")
    heard = await new.hears("end")
    await successor.subscribe("reply/Mortal", replies)
    await until(lambda: replies.heard)
    return {"old": old.heard, "new": heard, "kept until it listens": replies.heard}


@dataclass(frozen=True)
class Feature:
    """A probe, and what it must see; its name stands in the table of what the brokers answer."""

    name: str
    probe: Callable[[Wires], Awaitable[Any]]
    expected: Any

    def __str__(self) -> str:
        return f"{self.probe.__name__}"


COMES_AND_GOES = ["online", "offline"] * 3
FEATURES = [
    Feature("order of each of three publishers", order_of_each_publisher, [True] * 3),
    Feature("burst of 500, in order", a_burst, True),
    Feature("publish 200, leave at once", publish_and_leave, 200),
    Feature(
        "unacknowledged, then crash",
        unacknowledged,
        {"first": [0, 1, 2, 3, 4], "again": [0, 2, 3, 4], "acknowledged": []},
    ),
    Feature(
        "acknowledged after 5.5 s",
        a_slow_acknowledgement,
        {"meanwhile": ["slow"], "again": ["slow"]},
    ),
    Feature("500 across a crash, in order", order_across_a_crash, True),
    Feature(
        "persistent session, 10 waiting",
        a_persistent_session,
        {"nothing in its sleep": True, "awake": True, "back": True},
    ),
    Feature("clean session", a_forgotten_session, []),
    Feature("a reply before sleep", work_before_sleep, ["question"]),
    Feature("speech in sleep waits", speech_in_sleep, ["morning", "murmur"]),
    Feature("unsubscribing", unsubscribing, []),
    Feature("overlapping subscriptions", overlapping, 1),
    Feature(
        "wildcards",
        wildcards,
        {"/+": ["/b"], "/+/c": ["/b/c"], "/#": ["itself", "/b", "/b/c", "/b/d", "/b/c/d"]},
    ),
    Feature("two listeners, a copy each", two_listeners, [[1, 2], [1, 2]]),
    Feature("payloads up to 990 kB, not more", large_payloads, {"whole": [64, 256, 990]}),
    Feature("status, last will", statuses, {"early": COMES_AND_GOES, "late": COMES_AND_GOES}),
    Feature("retained, on each opening", a_status_on_reopening, ["online", "online"]),
    Feature("the dead are silent", words_of_the_dead, []),
    Feature(
        "a successor hears for itself",
        an_inheritance,
        {"old": [], "new": [], "kept until it listens": ["answer"]},
    ),
]

Probing = Callable[[Callable[[Wires], Awaitable[Any]]], Any]


@pytest.fixture(
    scope="module",
    params=[
        "simulation",
        "embedded",
        pytest.param("mosquitto", marks=pytest.mark.needs("mosquitto")),
    ],
)
def world(request: pytest.FixtureRequest) -> Iterator[tuple[str, Probing]]:
    """The name of a world, and how to run a probe there, on topics that nobody else has."""
    with ExitStack() as stack:
        if request.param == "simulation":
            yield request.param, in_virtual_time
            return
        address = stack.enter_context(running(broker_for(request.param)))
        here = stack.enter_context(listening())

        def in_real_time(probe: Callable[[Wires], Awaitable[Any]]) -> Any:
            own = secrets.token_hex(4)
            home = replace(address, namespace=own)
            return here.run(tidily(probe, lambda name: Mqtt(home, name, own)), within_seconds=30)

        yield request.param, in_real_time


# What aiomqtt leaves behind where a connection is cut: a reason that nobody asks for, a socket
# that is closed before it could be watched. A lab's own loop keeps silent about the second.
OF_AIOMQTT = ("Future exception was never retrieved", "Exception in callback BaseSelectorEventLoop")


@contextmanager
def listening() -> Iterator[Background]:
    """A loop for the wires, which has complained of nothing else in the end."""
    here = Background()
    try:
        yield here
    finally:
        here.close()
    assert [words for words in here.complaints if not words.startswith(OF_AIOMQTT)] == []


def in_virtual_time(probe: Callable[[Wires], Awaitable[Any]]) -> Any:
    simulation = Simulation(seed=1)
    return asyncio.run(simulation.loop.run(tidily(probe, simulation.wire)))


async def tidily(probe: Callable[[Wires], Awaitable[Any]], wires: Wires) -> Any:
    """What a probe saw; its wires are closed, and their sessions forgotten."""
    made: list[Wire] = []

    def wire(name: str) -> Wire:
        made.append(wires(name))
        return made[-1]

    try:
        return await probe(wire)
    finally:
        await asyncio.gather(*(one.close(forget=True) for one in made))


@pytest.mark.parametrize("feature", FEATURES, ids=str)
def test_a_wire_keeps_what_the_protocol_promises(
    world: tuple[str, Probing], feature: Feature, request: pytest.FixtureRequest
) -> None:
    name, probing = world
    row = request.config.stash[answers].setdefault(feature.name, {})
    # Where the broker itself was asked the same, only both answers together are ok.
    before = row.get(name, "ok")
    row[name] = "gave no answer"
    found = probing(feature.probe)
    row[name] = before if found == feature.expected else f"{found}"
    assert found == feature.expected


def test_each_feature_has_a_name_of_its_own() -> None:
    assert set(Counter(feature.name for feature in FEATURES).values()) == {1}
