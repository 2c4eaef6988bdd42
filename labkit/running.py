"""A running system: the members of a lab and their broker, all on the background thread."""

from __future__ import annotations

import asyncio
import copy
import secrets
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial

from labkit.steps import CRASHES, FALLS_ASLEEP, FALLS_MUTE, IS_BACK, YOU, Moment, What
from labkit.system.broker import Address, Broker
from labkit.system.errors import LabError, NotAService
from labkit.system.faults import Fault, Faulty
from labkit.system.ledger import Ledger
from labkit.system.message import Message
from labkit.system.mqtt import Mqtt
from labkit.system.service import Service, name_of
from labkit.system.simulation import Simulation
from labkit.system.transport import Wire, matches
from labkit.trace import Recorded

# How long a message may be under way while nobody works, before it counts as lost.
LOST_SECONDS = 2.0


Newcomer = type[Service] | Service


class You(Service):
    """The learner, who publishes and calls from a cell."""

    name = YOU  # type: ignore[override]  # it has no class of the learner's


@dataclass
class Member:
    """A service with its way to the broker; `anew` makes it as it was before it took part."""

    anew: Callable[[], Service]
    service: Service
    wire: Wire
    faulty: Faulty
    awake: bool = True
    joined: bool = False


class Running:
    """Puts recorder, faults and MQTT around each service, and knows when all is quiet."""

    def __init__(
        self,
        services: Sequence[Newcomer],
        broker: Broker | Simulation,
        faults: Sequence[Fault],
        seed: int,
    ) -> None:
        self.broker, self.faults, self.seed = broker, list(faults), seed
        self.address: Address | None = None
        self.ledger = Ledger()
        self.moments: list[Moment] = []
        self.members: dict[str, Member] = {}
        self.you = You()
        self._waiting_to_join = _without_doubles(services)
        self._session = secrets.token_hex(4)
        self._began = 0.0
        self._at_work: Counter[str] = Counter()
        self._sent = 0
        self._under_way: set[tuple[str, str]] = set()
        self._listens: list[tuple[str, str]] = []
        self._listeners: dict[str, list[str]] = {}
        for fault in self.faults:
            _must_be_here(fault.service, [name_of(service) for service in services])

    async def open(self) -> None:
        self._began = _now()
        try:
            self.address = await self.broker.start()
            await self._enter(self.you, You)
            for newcomer in self._waiting_to_join:
                await self._enter(*_made(newcomer))
        except BaseException:
            await self.close()
            raise

    async def close(self) -> None:
        shared = self.broker.name == "elsewhere"
        for member in self.members.values():
            await member.wire.close(forget=shared)
        await self.broker.stop()

    async def join(self, newcomer: Newcomer) -> None:
        service, anew = _made(newcomer)
        former = self.members.get(service.name)
        if former is not None:
            for topic in former.service.topics:
                if topic not in service.topics and former.awake:
                    await former.wire.unsubscribe(topic)
            await former.wire.close()
            self._at_work[service.name] = 0
            self.note("leaves", service.name)
            self._expect_what_it_missed(service)
        await self._enter(service, anew)

    async def crash(self, name: str) -> None:
        member = self._member(name)
        successor = self._wired(member.anew(), member.anew)
        self._absent(name, CRASHES)
        await member.wire.die()
        self._at_work[name] = 0
        self.members[name] = successor
        successor.awake = False

    async def sleep(self, name: str) -> None:
        member = self._member(name)
        await member.wire.sleep()
        self._absent(name, FALLS_ASLEEP)

    async def mute(self, name: str) -> None:
        member = self._member(name)
        member.faulty.faults.append(Fault("mute", name))
        self.note("struck", name, note=FALLS_MUTE)

    async def wake(self, name: str) -> None:
        member = self._member(name)
        member.faulty.faults = [f for f in member.faulty.faults if f.what != "mute"]
        self.note("struck", name, note=IS_BACK)
        if not member.awake:
            member.awake = True
            self._expect_what_it_missed(member.service)
            await self._connect(member)

    async def quiet(self, at_most_seconds: float, at_most_messages: int | None) -> str:
        """Wait until all is handled; what is still going on when the patience ends, else ""."""
        began = changed = _now()
        seen = -1
        while True:
            now = _now()
            if seen != len(self.moments):
                seen, changed = len(self.moments), now
            if not self._busy() and now - changed > (LOST_SECONDS if self._under_way else 0.05):
                self.note("quiet", YOU)
                return ""
            if at_most_messages is not None and self._sent >= at_most_messages:
                return f"{at_most_messages} messages have been sent, and it goes on."
            if now - began > at_most_seconds:
                busy = ", ".join(sorted(self._busy())) or "messages"
                return f"after {at_most_seconds:g} s {busy} still at work."
            await asyncio.sleep(0.01)

    def note(
        self,
        what: What,
        where: str,
        topic: str = "",
        message: Message | None = None,
        note: str = "",
    ) -> None:
        """Write down a moment, and keep count of what is under way."""
        seconds = _now() - self._began
        self.moments.append(Moment(what, where, topic, message, seconds, note))
        if what == "listens":
            self._listens.append((topic, where))
            self._listeners.clear()
        elif what == "leaves":
            self._listens = [known for known in self._listens if known[1] != where]
            self._listeners.clear()
            self._under_way = {known for known in self._under_way if known[0] != where}
        if message is None:
            return
        if what == "sent":
            self._sent += 1
            if not any(fault.what == "mute" for fault in self.members[where].faulty.faults):
                self._under_way.update((name, message.id) for name in self._awake_listeners(topic))
        elif what == "received":
            self._under_way.discard((where, message.id))
            self._at_work[where] += 1
        else:
            self._at_work[where] -= 1

    async def _enter(self, service: Service, anew: Callable[[], Service]) -> None:
        member = self._wired(service, anew)
        self.members[service.name] = member
        await self._connect(member)

    def _wired(self, service: Service, anew: Callable[[], Service]) -> Member:
        assert self.address is not None
        wire: Wire
        if isinstance(self.broker, Simulation):
            wire = self.broker.wire(service.name)
        else:
            wire = Mqtt(self.address, service.name, self._session)
        return Member(anew, service, wire, Faulty(wire, service.name, self.faults, self.seed))

    async def _connect(self, member: Member) -> None:
        # First the subscriptions, then the connection: what waits in the session comes at once.
        if not member.joined:
            recorded = Recorded(member.faulty, member.service.name, self.note)
            clock = self.broker.now if isinstance(self.broker, Simulation) else None
            await member.service.join(recorded, self.ledger, clock)
            member.joined = True
        await member.wire.open()

    def _absent(self, name: str, what: str) -> None:
        self.members[name].awake = False
        self._under_way = {(who, id) for who, id in self._under_way if who != name}
        self.note("struck", name, note=what)

    def _expect_what_it_missed(self, service: Service) -> None:
        """Count as under way what the broker has kept for one that comes back."""
        name = service.name
        done = {
            m.message.id for m in self.moments if m.where == name and m.what == "done" and m.message
        }
        self._under_way.update(
            (name, m.message.id)
            for m in self.moments
            if m.what == "sent" and m.message and m.message.id not in done
            if any(matches(topic, m.topic) for topic in service.topics)
        )

    def _awake_listeners(self, topic: str) -> list[str]:
        if topic not in self._listeners:
            names = (name for pattern, name in self._listens if matches(pattern, topic))
            self._listeners[topic] = list(dict.fromkeys(names))
        return [name for name in self._listeners[topic] if self.members[name].awake]

    def _busy(self) -> list[str]:
        held = [name for name, member in self.members.items() if member.faulty.holding]
        return held + [name for name, count in self._at_work.items() if count > 0]

    def _member(self, name: str) -> Member:
        _must_be_here(name, self.members)
        return self.members[name]


def _now() -> float:
    return asyncio.get_running_loop().time()


def _must_be_here(name: str, here: Iterable[str]) -> None:
    if name not in here:
        there = ", ".join(who for who in here if who != YOU) or "no services at all"
        raise LabError(f"There is no {name} in this lab; there are {there}.")


def _made(newcomer: Newcomer) -> tuple[Service, Callable[[], Service]]:
    """A service, and how to make it anew when it has crashed."""
    if isinstance(newcomer, type):
        return newcomer(), newcomer
    try:
        pristine = copy.deepcopy(newcomer)
    except Exception as error:
        return newcomer, partial(_not_again, newcomer.name, str(error))
    return newcomer, partial(copy.deepcopy, pristine)


def _not_again(name: str, why: str) -> Service:
    raise LabError(
        f"{name} can't be crashed: the lab could not make it anew afterwards ({why}).\n"
        f"Give the lab the class, `Lab({name})`, and open files and databases in its __init__."
    )


def _without_doubles(services: Sequence[Newcomer]) -> list[Newcomer]:
    for name, times in Counter(name_of(service) for service in services).items():
        if name == YOU:
            raise NotAService(f"A service can't be called {YOU}: that is who speaks from a cell.")
        if times > 1:
            raise NotAService(
                f"Two services are called {name}; nobody could tell them apart.\n"
                f"Give one of them another class name, such as `class Second{name}({name}):`."
            )
    return list(services)
