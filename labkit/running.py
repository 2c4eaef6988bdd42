"""A running system: the members of a lab and their broker, all on the background thread."""

from __future__ import annotations

import asyncio
import copy
import math
import secrets
import shutil
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from labkit.steps import CRASHES, FALLS_ASLEEP, FALLS_MUTE, IS_BACK, YOU, Moment, What
from labkit.system.broker import Address, Broker
from labkit.system.death import POINTS, Mortal, MortalBooks
from labkit.system.errors import LabError, NotAService
from labkit.system.faults import Fault, Faulty, Luck
from labkit.system.ledger import Ledger
from labkit.system.message import Message, did_you_mean
from labkit.system.process import LEDGER, Apart, Letter, Process
from labkit.system.service import Service, handled, name_of
from labkit.system.simulation import Simulation
from labkit.system.transport import Wire, matches
from labkit.trace import Recorded

if TYPE_CHECKING:
    from labkit.system.books import LastingBooks
    from labkit.wiretap import Wiretap

# How long a message may be under way while nobody works, before it counts as lost.
LOST_SECONDS = 2.0
# By how much each of these moments changes what a service has in hand.
WORK: dict[What, int] = {"received": 1, "done": -1, "failed": -1}


Newcomer = type[Service] | Service | Apart


class You(Service):
    """The learner, who publishes and calls from a cell."""

    name = YOU  # type: ignore[override]  # it has no class of the learner's


@dataclass
class Member:
    """A service with its way to the broker; `anew` makes it as it was before it took part.

    apart: a service in a process of its own, which is then its wire; the faults are with it.
    """

    anew: Callable[[], Service]
    service: Service
    wire: Wire | Process
    luck: Luck
    faulty: Faulty | None = None
    apart: Apart | None = None
    awake: bool = True
    joined: bool = False
    mortal: Mortal | None = None

    @property
    def busy(self) -> int:
        """How many messages it holds back; of a process, how many it has in hand."""
        if isinstance(self.wire, Process):
            return self.wire.busy
        return self.faulty.holding if self.faulty else 0


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
        self.books: Ledger | LastingBooks = Ledger()
        self.moments: list[Moment] = []
        self.members: dict[str, Member] = {}
        self.you = You()
        self._waiting_to_join = _without_doubles(services)
        self._session = secrets.token_hex(4)
        self._folder: Path | None = None
        self._wiretap: Wiretap | None = None
        self._began = 0.0
        self._now: Callable[[], float] = time.monotonic  # until it is opened, on its loop
        self._at_work: Counter[str] = Counter()
        self._sent = 0
        self._under_way: set[tuple[str, str]] = set()
        self._listens: list[tuple[str, str]] = []
        self._listeners: dict[str, list[str]] = {}
        self._luck: dict[str, Luck] = {}
        self._replayed: set[str] = set()
        self._returning: dict[asyncio.Task[None], str] = {}
        for fault in self.faults:
            _must_be_here(fault.service, [name_of(_plain(service)) for service in services])
            _must_be_heard(fault, [_plain(service) for service in services])

    @property
    def ledger(self) -> Ledger:
        """What the services have done; what they write in a file is read anew each time."""
        return self.books if isinstance(self.books, Ledger) else Ledger(self.books.entries())

    async def open(self) -> None:
        self._now = asyncio.get_running_loop().time
        self._began = self._now()
        try:
            self.address = await self.broker.start()
            if any(isinstance(newcomer, Apart) for newcomer in self._waiting_to_join):
                await self._prepare_for_processes(self.address)
            await self._enter(self.you, You)
            for newcomer in self._waiting_to_join:
                await self._enter(*_made(newcomer))
        except BaseException:
            await self.close()
            raise

    async def close(self) -> None:
        for task in self._returning:
            task.cancel()
        shared = self.broker.name == "elsewhere"
        for member in self.members.values():
            await member.wire.close(forget=shared)
        if self._wiretap is not None:
            await self._wiretap.close(forget=shared)
        await self.broker.stop()
        if not isinstance(self.books, Ledger):
            written, self.books = self.books, self.ledger
            written.close()
        if self._folder is not None:
            shutil.rmtree(self._folder, ignore_errors=True)

    async def _prepare_for_processes(self, address: Address) -> None:
        # Not before they are needed: a simulation asks for no files and no sockets.
        from labkit.system.books import LastingBooks
        from labkit.wiretap import Wiretap

        self._folder = Path(tempfile.mkdtemp(prefix="labkit-"))
        self.books = LastingBooks(self._folder / LEDGER)
        self._wiretap = Wiretap(address, self._session, self.note, self._process)
        await self._wiretap.open()

    def _process(self, name: str) -> Process | None:
        member = self.members.get(name)
        return member.wire if member is not None and isinstance(member.wire, Process) else None

    async def join(self, newcomer: Newcomer) -> None:
        service, anew, apart = _made(newcomer)
        if apart is not None and self._wiretap is None:
            raise LabError(
                f"{service.name} can't join in a process of its own: this lab began with none.\n"
                f"Give it to the lab at once: `Lab(…, process({service.name}))`."
            )
        former = self.members.get(service.name)
        if former is not None:
            wire = former.wire
            for topic in former.service.topics:
                if topic not in service.topics and former.awake and not isinstance(wire, Process):
                    await wire.unsubscribe(topic)
            await wire.close()
            self._at_work[service.name] = 0
            self.note("leaves", service.name)
            self._expect_what_it_missed(service)
        await self._enter(service, anew, apart)

    async def crash(self, name: str) -> None:
        await self._die(name, CRASHES)

    async def _die(self, name: str, how: str) -> None:
        member = self._member(name)
        successor = self._wired(member.anew(), member.anew, member.apart)
        if isinstance(member.wire, Process):  # what it said at the last was still said by it
            await member.wire.die()
        if member.mortal is not None:
            member.mortal.end()
        self._absent(name, how)
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
        member.luck.faults.append(Fault("mute", name))
        if isinstance(member.wire, Process):
            await member.wire.tell("mute")
        self.note("struck", name, note=FALLS_MUTE)

    async def wake(self, name: str) -> None:
        member = self._member(name)
        luck = member.luck
        luck.faults = [fault for fault in luck.faults if fault.what != "mute"]
        if isinstance(member.wire, Process):
            await member.wire.tell("unmute")
        await self._return(name)

    async def _return(self, name: str) -> None:
        member = self._member(name)
        self.note("struck", name, note=IS_BACK)
        if not member.awake:
            member.awake = True
            self._expect_what_it_missed(member.service)
            await self._connect(member)

    async def replay_dead(self, name: str) -> int:
        """Send a service once more, and it alone, what it has given up; how many these were."""
        self._member(name)
        said = {m.message.id: m.message for m in self.moments if m.what == "sent" and m.message}
        letters = [m for m in said.values() if m.kind == "dead" and m.sender == name]
        again = [m for m in letters if m.id not in self._replayed and m.causationid in said]
        self._replayed.update(letter.id for letter in again)
        if again:
            self.note("struck", name, note="gets its dead letters again")
        yours = self.members[YOU].wire
        assert not isinstance(yours, Process)
        for letter in again:
            original = said[letter.causationid or ""]
            self._under_way.add((name, original.id))
            await yours.publish(f"retry/{name}", original)
        return len(again)

    async def restart_broker(self) -> None:
        if self.broker.name not in ("embedded", "mosquitto"):
            raise LabError(
                f"This lab has no broker that it could restart: its messages go by way of "
                f"{self.broker.name}.\nUse Lab(…, broker='mosquitto') or the lab's own."
            )
        self.note("struck", YOU, note="restarts the broker")
        await self.broker.stop()
        await self.broker.start()
        if self._wiretap is not None:
            await self._wiretap.reopen()
        for member in self.members.values():
            if isinstance(member.wire, Process) and self.broker.name == "embedded":
                member.wire.busy = 0  # that its work is done may have been forgotten with the rest

    async def quiet(self, at_most_seconds: float, at_most_messages: int | None) -> str:
        """Wait until all is handled; what is still going on when the patience ends, else ""."""
        began = changed = self._now()
        seen = -1
        while True:
            now = self._now()
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
        if self._wiretap is not None and message is not None and what != "sent":
            self._wiretap.seen(topic.replace("+", message.type.rpartition(".")[2]), message)
        seconds = self._now() - self._began
        self.moments.append(Moment(what, where, topic, message, seconds, note))
        if message is None:
            return self._come_or_go(what, where, topic)
        if what == "sent":
            self._sent += 1
            for name in self._awake_listeners(topic):
                self._under_way.add((name, message.id))
        elif what == "received":
            self._under_way.discard((where, message.id))
        elif what == "struck" and note.startswith("lost"):
            self._under_way = {known for known in self._under_way if known[1] != message.id}
        # A process keeps count by itself; and where nobody taps the wire, there is none.
        if what in WORK and (self._wiretap is None or self._process(where) is None):
            self._at_work[where] += WORK[what]

    def _come_or_go(self, what: What, where: str, topic: str) -> None:
        if what == "listens":
            self._listens.append((topic, where))
            self._listeners.clear()
        elif what == "leaves":
            self._listens = [known for known in self._listens if known[1] != where]
            self._listeners.clear()
            self._under_way = {known for known in self._under_way if known[0] != where}

    async def _enter(
        self, service: Service, anew: Callable[[], Service], apart: Apart | None = None
    ) -> None:
        member = self._wired(service, anew, apart)
        self.members[service.name] = member
        await self._connect(member)

    def _wired(
        self, service: Service, anew: Callable[[], Service], apart: Apart | None = None
    ) -> Member:
        assert self.address is not None
        name = service.name
        luck = self._luck.setdefault(name, Luck(name, self.faults, self.seed))
        if apart is not None:
            process = Process(
                name, self._letter(apart, self.address), luck, partial(self._has_ended, name)
            )
            return Member(anew, service, process, luck, apart=apart)
        wire: Wire
        if isinstance(self.broker, Simulation):
            wire = self.broker.wire(name)
        else:
            from labkit.system.mqtt import Mqtt  # a simulation needs no sockets

            wire = Mqtt(self.address, name, self._session)
        faulty = Faulty(wire, luck, partial(self._struck, name))
        faulty.opened(self._began)
        return Member(anew, service, wire, luck, faulty)

    def _letter(self, apart: Apart, address: Address) -> Letter:
        assert self._folder is not None
        opened = time.time() - (self._now() - self._began)
        return Letter(apart.recipe, address, self._session, self.seed, opened, self._folder)

    async def _connect(self, member: Member) -> None:
        # First the subscriptions, then the connection: what waits in the session comes at once.
        if member.faulty is not None and not member.joined:
            name = member.service.name
            inner = self._wiretap.before(member.faulty) if self._wiretap else member.faulty
            recorded = Recorded(inner, name, self.note)
            mortal = Mortal(recorded, member.luck, partial(self._is_killed, name))
            books = MortalBooks(self.books, mortal, handled)
            clock = self.broker.now if isinstance(self.broker, Simulation) else None
            await member.service.join(mortal, books, clock)
            member.joined, member.mortal = True, mortal
        await member.wire.open()

    def _struck(self, name: str, topic: str, message: Message, note: str) -> None:
        self.note("struck", name, topic, message, note)

    def _has_ended(self, name: str, fault: Fault | None) -> None:
        """Somebody else may have killed a process, or its own code; then nobody brings it back."""
        self._is_killed(name, fault or Fault("kill", name, seconds=math.inf))

    def _is_killed(self, name: str, fault: Fault) -> None:
        task = asyncio.get_running_loop().create_task(self._die_and_return(name, fault))
        self._returning[task] = name
        task.add_done_callback(self._returning.pop)

    async def _die_and_return(self, name: str, fault: Fault) -> None:
        await self._die(name, POINTS[fault.what])
        successor = self.members[name]
        if fault.seconds < math.inf:
            await asyncio.sleep(fault.seconds)
            if self.members[name] is successor and not successor.joined:  # nobody woke it before
                await self._return(name)

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
        held = [name for name, member in self.members.items() if member.busy]
        held += self._returning.values()
        return held + [name for name, count in self._at_work.items() if count > 0]

    def _member(self, name: str) -> Member:
        _must_be_here(name, self.members)
        return self.members[name]


def _must_be_here(name: str, here: Iterable[str]) -> None:
    if name not in here:
        there = ", ".join(who for who in here if who != YOU) or "no services at all"
        raise LabError(f"There is no {name} in this lab; there are {there}.")


def _must_be_heard(fault: Fault, services: Sequence[type[Service] | Service]) -> None:
    """A fault of a message that never comes would be a test that can't fail."""
    service = next(s for s in services if name_of(s) == fault.service)
    heard = [*(c.message_type for c in service.commands.values()), *service.reactions]
    if fault.of and fault.what != "before_publish" and fault.of not in heard:
        raise LabError(
            f"{fault.what}: {fault.service} does not listen to {fault.of}"
            f"{did_you_mean(fault.of, heard)}; it listens to {', '.join(heard) or 'nothing'}."
        )


def _plain(newcomer: Newcomer) -> type[Service] | Service:
    return newcomer.service if isinstance(newcomer, Apart) else newcomer


def _made(newcomer: Newcomer) -> tuple[Service, Callable[[], Service], Apart | None]:
    """A service, how to make it anew when it has crashed, and whether that is done elsewhere."""
    if isinstance(newcomer, Apart):
        return newcomer.face, lambda: newcomer.face, newcomer
    if isinstance(newcomer, type):
        return newcomer(), newcomer, None
    try:
        pristine = copy.deepcopy(newcomer)
    except Exception as error:
        return newcomer, partial(_not_again, newcomer.name, str(error)), None
    return newcomer, partial(copy.deepcopy, pristine), None


def _not_again(name: str, why: str) -> Service:
    raise LabError(
        f"{name} can't be crashed: the lab could not make it anew afterwards ({why}).\n"
        f"Give the lab the class, `Lab({name})`, and open files and databases in its __init__."
    )


def _without_doubles(services: Sequence[Newcomer]) -> list[Newcomer]:
    for name, times in Counter(name_of(_plain(service)) for service in services).items():
        if name == YOU:
            raise NotAService(f"A service can't be called {YOU}: that is who speaks from a cell.")
        if times > 1:
            raise NotAService(
                f"Two services are called {name}; nobody could tell them apart.\n"
                f"Give one of them another class name, such as `class Second{name}({name}):`."
            )
    return list(services)
