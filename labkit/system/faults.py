"""Faults: what may go wrong, where and when, as plain values that a seed turns into bad luck."""

from __future__ import annotations

import asyncio
import math
import random
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal, TypedDict, Unpack

from labkit.system.errors import LabError
from labkit.system.message import Event, Message, did_you_mean
from labkit.system.service import Command, Service, name_of
from labkit.system.transport import Deliver, Transport

Death = Literal["kill", "before_effect", "after_effect", "before_publish"]
What = (
    Literal["unavailable", "slow", "delay", "duplicate", "reorder", "reply_lost", "mute"]
    | Literal["partition"]
    | Death
)
Where = type[Service] | Command[Any, Any]
Kind = type[Event] | Command[Any, Any] | None

DEATHS: tuple[Death, ...] = ("kill", "before_effect", "after_effect", "before_publish")
# How long a message may be held back to let the next one pass, and how far behind a copy comes.
OVERTAKEN_SECONDS, COPY_SECONDS = 0.2, 0.02
# More tries than this nobody makes.
MOST_TRIES = 20


@dataclass(frozen=True)
class Fault:
    """One thing that can go wrong at one service.

    of: the type of message that it strikes, or any. chance: for each such message by itself.
    nth: only the nth of them. after: only those after so many. seconds: how long it lasts.
    """

    what: What
    service: str
    of: str = ""
    chance: float = 1.0
    nth: int | None = None
    after: int = 0
    seconds: float = 0.0
    begins_seconds: float = 0.0

    def __post_init__(self) -> None:
        if not 0 <= self.chance <= 1:
            raise LabError(
                f"{self.what}: a chance lies between 0 and 1; this one is {self.chance}."
            )
        for seconds in (self.seconds, self.begins_seconds):
            forever = seconds == math.inf and self.what in DEATHS
            if not (0 <= seconds < math.inf or forever):
                raise LabError(f"{self.what}: {seconds} seconds is not a time to wait.")
        if self.nth is not None and not (isinstance(self.nth, int) and self.nth >= 1):
            raise LabError(f"{self.what}: nth counts from 1; this one is {self.nth}.")
        if not (isinstance(self.after, int) and self.after >= 0):
            raise LabError(f"{self.what}: after counts messages; this one is {self.after}.")


class When(TypedDict, total=False):
    """When a fault strikes: `message=OrderPlaced` only that type, `nth=3` only the third such
    message, `after=2` only those after the first two. A message that comes again is not counted.
    """

    message: Kind
    nth: int
    after: int


class WhenItDies(When, total=False):
    """Also when it is back: `back_after_seconds=1.0` as a rule; `math.inf`: not by itself."""

    back_after_seconds: float


def unavailable(where: Where, chance: float = 1.0, **when: Unpack[When]) -> Fault:
    """The service can't be asked: its handler fails before it has done anything."""
    return _fault("unavailable", where, chance, when)


def slow(where: Where, seconds: float, chance: float = 1.0, **when: Unpack[When]) -> Fault:
    """The service waits that many seconds before it handles a message."""
    return _fault("slow", where, chance, when, seconds)


def delay(where: Where, seconds: float, chance: float = 1.0, **when: Unpack[When]) -> Fault:
    """A message to the service is that many seconds longer on its way."""
    return _fault("delay", where, chance, when, seconds)


def duplicate(where: Where, chance: float = 1.0, **when: Unpack[When]) -> Fault:
    """A message reaches the service twice, as a broker may deliver it (*at least once*)."""
    return _fault("duplicate", where, chance, when)


def reorder(where: Where, chance: float = 1.0, **when: Unpack[When]) -> Fault:
    """A message reaches the service after the one that comes behind it."""
    return _fault("reorder", where, chance, when)


def reply_lost(where: Where, chance: float = 1.0, **when: Unpack[When]) -> Fault:
    """The service does what it is told, and its answer never arrives."""
    message = when.get("message")
    if isinstance(message, type) and issubclass(message, Event):
        raise LabError(
            f"reply_lost: nobody answers {message.__name__}, for it is an event.\n"
            "message= takes a command here, such as Payment.charge."
        )
    return _fault("reply_lost", where, chance, when)


def mute(service: type[Service]) -> Fault:
    """The service hears and works, but nothing that it says arrives."""
    return Fault("mute", name_of(service))


def partition(service: type[Service], seconds: float, *, begins_seconds: float = 0.0) -> Fault:
    """The service is cut off from the broker for a while: what is said waits on either side.

    begins_seconds: how long after the lab is opened.
    """
    name = name_of(service)
    return Fault("partition", name, seconds=seconds, begins_seconds=begins_seconds)


def kill(where: Where, chance: float = 1.0, **when: Unpack[WhenItDies]) -> Fault:
    """The service dies when a message reaches it."""
    return _fault("kill", where, chance, when)


def before_effect(where: Where, chance: float = 1.0, **when: Unpack[WhenItDies]) -> Fault:
    """The service dies just before an effect that the message would have: nothing is done."""
    return _fault("before_effect", where, chance, when)


def after_effect(where: Where, chance: float = 1.0, **when: Unpack[WhenItDies]) -> Fault:
    """The service dies just after an effect of the message: it is done, and nobody was told."""
    return _fault("after_effect", where, chance, when)


def before_publish(where: Where, chance: float = 1.0, **when: Unpack[WhenItDies]) -> Fault:
    """The service dies just before it says something; `message=`: what it was about to say."""
    return _fault("before_publish", where, chance, when)


def _fault(
    what: What, where: Where, chance: float, when: Mapping[str, Any], seconds: float | None = None
) -> Fault:
    known = {*When.__annotations__, *(("back_after_seconds",) if what in DEATHS else ())}
    for name in set(when) - known:
        near = did_you_mean(name, known)
        raise LabError(f"{what} has no {name}{near}; it has {', '.join(sorted(known))}.")
    message = when.get("message")
    if isinstance(where, Command):
        if message is not None:
            raise LabError(f"{what}({where.message_type}) names its message already.")
        service, of = where.service, where.message_type
    else:
        service, of = name_of(where), _type_of(what, message)
    if seconds is None:
        seconds = when.get("back_after_seconds", 1.0 if what in DEATHS else 0.0)
    return Fault(what, service, of, chance, when.get("nth"), when.get("after", 0), seconds)


def _type_of(what: str, message: object) -> str:
    if message is None:
        return ""
    if isinstance(message, Command):
        return message.message_type
    if isinstance(message, type) and issubclass(message, Event):
        return message.__name__
    raise LabError(
        f"{what}: message= takes an event such as OrderPlaced or a command such as Payment.charge, "
        f"and was given {message!r:.60}."
    )


class Luck:
    """What befalls one service: the dice and the counts, which outlive its crashes."""

    def __init__(self, owner: str, faults: Iterable[Fault], seed: int) -> None:
        self.owner, self._seed = owner, seed
        self.faults = [fault for fault in faults if fault.service == owner]
        self._counts: Counter[Fault] = Counter()
        self._seen: Counter[tuple[Fault, str]] = Counter()
        self._numbers: dict[tuple[Fault, str], int] = {}

    def has(self, what: What) -> bool:
        """Whether such a fault befalls it for all that it does."""
        return any(fault.what == what for fault in self.faults)

    def strikes(self, message: Message, *what: What) -> list[Fault]:
        """Which of its faults of these kinds strike this message, this time."""
        if not self.faults:
            return []
        return [f for f in self.faults if f.what in what and self._strikes(f, message)]

    def tries_struck(self, fault: Fault, message: Message) -> int:
        """For how many tries in a row, after a first one, the service stays unavailable."""
        dice = (self._throw(fault, message, attempt) for attempt in range(1, MOST_TRIES))
        return next((n for n, thrown in enumerate(dice) if thrown >= fault.chance), MOST_TRIES)

    def _strikes(self, fault: Fault, message: Message) -> bool:
        if not _is_meant(fault, message):
            return False
        times = self._seen[fault, message.id]
        self._seen[fault, message.id] += 1
        if times == 0:
            self._counts[fault] += 1
            self._numbers[fault, message.id] = self._counts[fault]
        elif fault.what in DEATHS or fault.nth is not None:
            return False  # it has come again, and what killed the service once is over
        number = self._numbers[fault, message.id]
        if fault.nth is not None and number != fault.nth:
            return False
        return number > fault.after and self._throw(fault, message, 100 * times) < fault.chance

    def _throw(self, fault: Fault, message: Message, attempt: int) -> float:
        # Dice of its own for each message and receiver: the fate of one
        # hangs on no other, so a seed means the same over any broker.
        again = f" {attempt}" if attempt else ""
        return random.Random(f"{self._seed} {fault.what} {message.id} {self.owner}{again}").random()


def _is_meant(fault: Fault, message: Message) -> bool:
    if fault.what == "before_publish":  # a command's answer is meant by its command
        about = message.type.rpartition(".")[0] if message.kind == "reply" else message.type
        return fault.of in ("", about)
    if fault.what == "reply_lost":
        return message.kind == "reply" and message.type.startswith(f"{fault.of}." * bool(fault.of))
    return message.kind in ("command", "event") and fault.of in ("", message.type)


Note = Callable[[str, Message, str], None]


class Faulty:
    """A transport with faults around it; each one that strikes is noted: topic, message, words."""

    def __init__(self, inner: Transport, luck: Luck, note: Note) -> None:
        self._inner, self.luck, self._note = inner, luck, note
        self.holding = 0  # messages held back just now
        self._line = asyncio.Lock()
        self._passed: asyncio.Event | None = None  # while a message waits to be overtaken
        self._opened = 0.0

    async def publish(self, topic: str, message: Message) -> None:
        if not self.luck.faults:
            return await self._inner.publish(topic, message)
        await self._cut_off(topic, message)
        if self.luck.has("mute"):
            self._note(topic, message, "lost: nothing that it says arrives")
        elif self.luck.strikes(message, "reply_lost"):
            self._note(topic, message, "lost: its reply never arrives")
        else:
            await self._inner.publish(topic, message)

    async def subscribe(self, topic: str, deliver: Deliver) -> None:
        async def befallen(message: Message) -> None:
            if not self.luck.faults:
                return await deliver(message)
            self.holding += 1
            try:
                await self._cut_off(topic, message)
                message = await self._befall(topic, message)
            finally:
                self.holding -= 1
            copies = len(self.luck.strikes(message, "duplicate"))
            if not copies:
                return await deliver(message)
            self._note(topic, message, "delivered twice" if copies == 1 else "delivered often")
            await self._several(deliver, message, copies)

        await self._inner.subscribe(topic, befallen)

    async def _befall(self, topic: str, message: Message) -> Message:
        for fault in self.luck.strikes(message, "slow", "delay"):
            self._note(topic, message, f"{fault.what}: {fault.seconds:g} s")
            await asyncio.sleep(fault.seconds)
        overtaken = self.luck.strikes(message, "reorder")
        if self._passed is not None:
            # It passes one that waits, and can't wait itself: if all waited, nobody would pass.
            self._passed.set()
            self._passed = None
        elif overtaken:
            await self._let_the_next_pass(topic, message)
        for fault in self.luck.strikes(message, "unavailable"):
            times = 1 + self.luck.tries_struck(fault, message)
            self._note(topic, message, "unavailable")
            message = message.model_copy(update={"struck": self.luck.owner, "struck_times": times})
        return message

    async def _let_the_next_pass(self, topic: str, message: Message) -> None:
        self._passed = passed = asyncio.Event()
        try:
            async with asyncio.timeout(OVERTAKEN_SECONDS):
                await passed.wait()
        except TimeoutError:  # nothing came behind it
            if self._passed is passed:
                self._passed = None
            return
        self._note(topic, message, "overtaken")

    async def _several(self, deliver: Deliver, message: Message, copies: int) -> None:
        async def later(nth: int) -> None:
            dice = random.Random(f"{message.id} {self.luck.owner} copy {nth}")
            await asyncio.sleep(dice.uniform(0, COPY_SECONDS))
            await deliver(message)

        await asyncio.gather(deliver(message), *(later(nth) for nth in range(copies)))

    async def _cut_off(self, topic: str, message: Message) -> None:
        """Wait until the line to the broker is whole again, in the order of coming."""
        cuts = [fault for fault in self.luck.faults if fault.what == "partition"]
        if not cuts:
            return
        if any(self._seconds_left(cut) > 0 for cut in cuts):
            self._note(topic, message, "held back: no connection")
        async with self._line:
            for cut in cuts:
                await asyncio.sleep(self._seconds_left(cut))

    def _seconds_left(self, cut: Fault) -> float:
        now = asyncio.get_running_loop().time() - self._opened
        left = cut.begins_seconds + cut.seconds - now
        # A clock that stands at the very end may be a rounding error before it.
        return left if now >= cut.begins_seconds and left > 1e-6 else 0.0

    def opened(self, seconds: float) -> None:
        """When the lab was opened, on the clock of its loop: partitions count from there."""
        self._opened = seconds
