"""A simulation: a broker in memory, on virtual time, whose every chance comes from a seed."""

from __future__ import annotations

import asyncio
import gc
import hashlib
import struct
from asyncio import events
from collections.abc import Callable, Coroutine, Generator, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from contextvars import Context, copy_context
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from heapq import heappop, heappush
from itertools import count
from typing import Any, TypeVar, TypeVarTuple

from labkit.system.broker import Address
from labkit.system.errors import LabError
from labkit.system.message import Message, carried, status
from labkit.system.transport import Deliver, matches

T = TypeVar("T")
Ts = TypeVarTuple("Ts")
BEGINNING = datetime(2026, 1, 1)  # in UTC, which `now` says: a time zone would tell it slowly
# How long a message is under way to the broker, and from there to one receiver.
TO_BROKER_SECONDS = 0.0005, 0.002
TO_RECEIVER_SECONDS = 0.001, 0.010
# How far behind an earlier message on the same way it may come: all interleavings get their chance.
BEHIND_SECONDS = 0.002
# How many virtual moments pass before the other loop has its turn (a cell may be interrupted),
# and how many turns of that loop one may need to say the next thing at the same virtual moment.
MOMENTS_A_TURN, COURTESY_TURNS = 200, 4


@contextmanager
def uncollected() -> Iterator[None]:
    """Look for no garbage meanwhile: in a trace that only grows that takes a tenth of the time."""
    collects = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if collects:
            gc.enable()


class Due:
    """A message's next moment on its way. A third of all that happens are these, so it is light."""

    __slots__ = "_args", "_callback"
    _cancelled = False

    def __init__(self, callback: Callable[..., object], args: tuple[Any, ...]) -> None:
        self._callback, self._args = callback, args

    def _run(self) -> None:
        self._callback(*self._args)


class Turn(asyncio.TimerHandle):
    """Asyncio's handle of what waits for its turn, or its time, but for the debugging of itself."""

    __slots__ = ()
    _repr = _source_traceback = None

    def __init__(
        self,
        when: float,
        callback: Callable[..., object],
        args: tuple[Any, ...],
        loop: VirtualTime,
        context: Context | None,
    ) -> None:
        self._context = copy_context() if context is None else context
        self._when, self._callback, self._args, self._loop = when, callback, args, loop
        self._cancelled = False

    def cancel(self) -> None:
        self._cancelled = True
        self._callback = self._args = None  # type: ignore[assignment]  # as asyncio has it


class VirtualTime(asyncio.BaseEventLoop):
    """An event loop whose clock jumps to the next thing that is due, and waits for nothing.

    It needs no thread and no socket: whoever awaits something on it turns it by hand.
    """

    def __init__(self) -> None:
        super().__init__()
        self._virtual = 0.0
        self._due: list[tuple[float, int, asyncio.Handle | Due]] = []
        self._numbers = count()
        self._idle, self._moments_left, self._courtesy = False, 0, 0

    def time(self) -> float:
        return self._virtual

    async def run(self, work: Coroutine[Any, Any, T], _: object = None, **__: object) -> T:
        """Await something that runs on virtual time, from a loop on which time is real."""
        task = self.create_task(work)
        # Without it the clock would move on after the end, to what is due next.
        task.add_done_callback(self._pause)
        self._courtesy = COURTESY_TURNS
        with uncollected():
            try:
                while not task.done():
                    # Others may want to begin something at the same virtual moment.
                    await asyncio.sleep(0)
                    if self._courtesy:
                        self._courtesy -= 1
                    else:
                        self._turn(task)
            except asyncio.CancelledError:
                task.cancel()
                raise
        return task.result()

    def start(self, work: Coroutine[Any, Any, T]) -> Future[T]:
        """What nobody waits for any more needs no end: there is nothing to be let go of."""
        work.close()
        for task in asyncio.all_tasks(self):
            task._log_destroy_pending = False  # type: ignore[attr-defined]  # as asyncio.gather does
        ended: Future[T] = Future()
        ended.cancel()
        return ended

    def call_exception_handler(self, context: dict[str, Any]) -> None:
        # What waits in a lab that is closed waits for ever, and that is no mistake.
        if not context.get("message", "").startswith("Task was destroyed"):
            super().call_exception_handler(context)

    blocked: tuple[str, ...] = ()
    stuck = False

    def _pause(self, _: object) -> None:
        self._courtesy = COURTESY_TURNS
        self.stop()

    def _turn(self, task: asyncio.Task[Any]) -> None:
        """Run all that is due, and move the clock to what is due next, some moments long."""
        outer = events._get_running_loop()
        events._set_running_loop(None)
        try:
            self._idle, self._moments_left = False, MOMENTS_A_TURN
            self.run_forever()
        finally:
            events._set_running_loop(outer)
        if self._idle and not task.done():
            task.cancel()
            raise LabError("Nothing more can happen in this simulation: all wait for each other.")

    # What asyncio's own loop does in each round, without asking the system for news: here nothing
    # ever comes from outside.

    def create_task(
        self,
        coro: Coroutine[Any, Any, T] | Generator[Any, None, T],
        *,
        name: object = None,
        context: Context | None = None,
    ) -> asyncio.Task[T]:
        return asyncio.Task(coro, loop=self, name=name, context=context)  # type: ignore[arg-type]

    def call_soon(
        self, callback: Callable[[*Ts], object], *args: *Ts, context: Context | None = None
    ) -> asyncio.Handle:
        handle = Turn(self._virtual, callback, args, self, context)
        self._ready.append(handle)  # type: ignore[attr-defined]
        return handle

    def call_at(
        self,
        when: float,
        callback: Callable[[*Ts], object],
        *args: *Ts,
        context: Context | None = None,
    ) -> asyncio.TimerHandle:
        timer = Turn(when, callback, args, self, context)
        self._put(when, timer)
        return timer

    def later(self, seconds: float, callback: Callable[[*Ts], object], *args: *Ts) -> None:
        """As `call_later`, for what nobody will cancel and what can't fail."""
        self._put(self._virtual + seconds, Due(callback, args))

    def _put(self, when: float, handle: asyncio.Handle | Due) -> None:
        # As tuples, which are compared in C; what is due at the same moment keeps its order.
        heappush(self._due, (when, next(self._numbers), handle))

    def _run_once(self) -> None:
        """One round after the other, until somebody calls for a stop."""
        ready, due = self._ready, self._due  # type: ignore[attr-defined]
        stopping = False
        while not stopping:
            if not ready and not self._stopping:  # type: ignore[attr-defined]
                self._move_on()
            while due and due[0][0] <= self._virtual:
                ready.append(heappop(due)[2])
            for _ in range(len(ready)):
                handle = ready.popleft()
                if not handle._cancelled:
                    handle._run()
            stopping = self._stopping  # type: ignore[attr-defined]

    def _move_on(self) -> None:
        """Move the clock to what is due next."""
        due = self._due
        while due and due[0][2]._cancelled:
            heappop(due)
        if not due:
            self._idle = True
            self.stop()
        elif due[0][0] > self._virtual:
            self._virtual = due[0][0]
            self._moments_left -= 1
            if not self._moments_left:
                self.stop()

    def _write_to_self(self) -> None:
        pass


@dataclass
class Session:
    """What the broker keeps of one client: its subscriptions, and what it has not acknowledged."""

    name: str
    line: Line | None = None
    topics: dict[str, None] = field(default_factory=dict)
    waiting: dict[int, tuple[str, Message]] = field(default_factory=dict)
    announced: int = 0


class Simulation:
    """The broker in memory. It keeps what MQTT promises at QoS 1, and no more.

    At least once; in order from one publisher to one subscriber as long as nothing is redelivered;
    a session outlives its connection; a status is retained, and a last will turns it to offline.
    How long each message takes, dice of its own decide.
    """

    name = "simulation"

    def __init__(self, seed: int) -> None:
        self.seed = seed
        self.loop = VirtualTime()
        self._sessions: dict[str, Session] = {}
        self._retained: dict[str, Message] = {}
        self._receivers: dict[str, list[Session]] = {}
        self._due: dict[str, float] = {}
        self._number = 0

    async def start(self) -> Address:
        return Address("in memory", 0)

    async def stop(self) -> None:
        """All that is still under way is forgotten with the lab."""
        self._sessions.clear()
        self._receivers.clear()

    def now(self) -> str:
        """The virtual time, as messages carry it."""
        return f"{(BEGINNING + timedelta(seconds=self.loop.time())).isoformat()}+00:00"

    def session(self, name: str) -> Session:
        return self._sessions.setdefault(name, Session(name))

    def forget(self, session: Session) -> None:
        """Drop a session with all that waits in it."""
        self._sessions.pop(session.name, None)
        self._receivers.clear()

    def wire(self, name: str) -> Wire:
        return Wire(self, name)

    async def take(self, topic: str, message: Message, sender: str) -> None:
        """Receive a message from a client; when this returns, it is acknowledged."""
        arrival = self.loop.create_future()
        self.loop.later(self._delay(sender, "broker", message, TO_BROKER_SECONDS), _come, arrival)
        await arrival
        self._spread(topic, message, sender)

    def announce(self, session: Session, state: str) -> None:
        """Tell all who want to know, and each who will, that a participant comes or goes."""
        session.announced += 1
        topic = f"status/{session.name}"
        told = status(session.name, state, f"{session.announced}", self.now())
        self._retained[topic] = told
        self._spread(topic, told, session.name)

    def subscribe(self, session: Session, pattern: str) -> None:
        """What is said from now on will come, and what is retained comes now."""
        session.topics[pattern] = None
        self._receivers.clear()
        for topic, message in self._retained.items():
            if matches(pattern, topic):
                self._send(topic, message, message.sender, session)

    def unsubscribe(self, session: Session, pattern: str) -> None:
        session.topics.pop(pattern, None)
        self._receivers.clear()

    def resend(self, session: Session) -> None:
        """What a client has not acknowledged comes again when it is back, in the old order."""
        for number in list(session.waiting):
            self.loop.call_soon(self._hand_over, session, number)

    def _spread(self, topic: str, message: Message, sender: str) -> None:
        """Send a message to all who subscribed."""
        for session in self._subscribed(topic):
            self._send(topic, message, sender, session)

    def _subscribed(self, topic: str) -> list[Session]:
        if topic not in self._receivers:
            self._receivers[topic] = [
                session
                for session in self._sessions.values()
                if any(matches(pattern, topic) for pattern in session.topics)
            ]
        return self._receivers[topic]

    def _send(self, topic: str, message: Message, sender: str, session: Session) -> None:
        self._number += 1
        session.waiting[self._number] = topic, message
        delay = self._delay(f"{sender} to", session.name, message, TO_RECEIVER_SECONDS)
        self.loop.later(delay, self._hand_over, session, self._number)

    def _hand_over(self, session: Session, number: int) -> None:
        if session.line is not None and number in session.waiting:
            session.line.arrived(number, *session.waiting[number])

    def _delay(
        self, sender: str, receiver: str, message: Message, between: tuple[float, float]
    ) -> float:
        # Dice of its own for each message and way: the fate of one hangs on no other. A digest is
        # the same on every Python, and costs an eighth of a random.Random made for one throw.
        way = f"{self.seed} {sender} {receiver}"
        thrown = hashlib.blake2b(f"{way} {message.id}".encode(), digest_size=8).digest()
        first, second = struct.unpack(">II", thrown)
        now = self.loop.time()
        due = now + between[0] + first / 2**32 * (between[1] - between[0])
        # What was sent before on the same way arrives before (MQTT 3.1.1, section 4.6).
        due = max(due, self._due.get(way, 0.0) + second / 2**32 * BEHIND_SECONDS)
        self._due[way] = due
        return float(due - now)


def _come(arrival: asyncio.Future[None]) -> None:
    if not arrival.done():  # whoever waited for it may have been cancelled
        arrival.set_result(None)


class Wire:
    """A participant's transport in a simulation; see labkit.system.mqtt for the real one."""

    def __init__(self, simulation: Simulation, name: str) -> None:
        self._simulation, self._name = simulation, name
        self._main = Line(simulation, name)
        # As over MQTT: what a predecessor was answered waits until somebody listens for replies.
        self._replies = Line(simulation, f"{name}-replies")
        self._awake, self._dead = asyncio.Event(), False

    async def open(self) -> None:
        self._main.open()
        self._simulation.announce(self._main.session, "online")
        self._awake.set()

    async def publish(self, topic: str, message: Message) -> None:
        arriving = carried(topic, message)
        if not self._awake.is_set():
            await self._awake.wait()
        if self._dead:  # what a dead process still does, nobody sees: so it ends here
            raise asyncio.CancelledError
        await self._simulation.take(topic, arriving, self._name)

    async def subscribe(self, topic: str, deliver: Deliver) -> None:
        if topic.startswith("reply/"):
            self._replies.subscribe(topic, deliver)
            self._replies.open()
        else:
            self._main.subscribe(topic, deliver)

    async def unsubscribe(self, topic: str) -> None:
        self._main.unsubscribe(topic)

    async def close(self, *, forget: bool = False) -> None:
        await self.die()
        if forget:
            for line in (self._main, self._replies):
                self._simulation.forget(line.session)

    async def sleep(self) -> None:
        self._main.takes_work = False
        await self._main.end_of_work()
        self._awake.clear()
        self._leave()

    async def die(self) -> None:
        self._dead = True
        self._awake.set()  # whoever waits for it to wake up learns that it never will
        for line in (self._replies, self._main):
            await line.drop_work()
        self._replies.leave()
        self._leave()

    def _leave(self) -> None:
        if self._main.leave():
            self._simulation.announce(self._main.session, "offline")


class Line:
    """One connection, and what its owner does with what comes over it."""

    def __init__(self, simulation: Simulation, name: str) -> None:
        self._simulation, self.session = simulation, simulation.session(name)
        self._topics: dict[str, Deliver] = {}
        self._known: dict[str, Deliver | None] = {}
        self._at_work: dict[int, asyncio.Task[None]] = {}
        self.takes_work = True

    def open(self) -> None:
        self.session.line, self.takes_work = self, True
        self._simulation.resend(self.session)
        for topic in self._topics:
            self._simulation.subscribe(self.session, topic)

    def leave(self) -> bool:
        """Whether it was connected until now."""
        connected = self.session.line is self
        if connected:
            self.session.line = None
        return connected

    def subscribe(self, topic: str, deliver: Deliver) -> None:
        """Before `open` it is only noted: what waits in the session needs its receiver."""
        self._topics.setdefault(topic, deliver)
        self._known.clear()
        if self.session.line is self:
            self._simulation.subscribe(self.session, topic)

    def unsubscribe(self, topic: str) -> None:
        self._topics.pop(topic, None)
        self._known.clear()
        self._simulation.unsubscribe(self.session, topic)

    def arrived(self, number: int, topic: str, message: Message) -> None:
        if not self.takes_work or number in self._at_work:
            return
        deliver = self._deliver(topic)
        if deliver is None:  # a subscription of an earlier life of this session
            self.session.waiting.pop(number, None)
            return
        work = self._work(number, message, deliver)
        self._at_work[number] = self._simulation.loop.create_task(work)

    def _deliver(self, topic: str) -> Deliver | None:
        if topic not in self._known:
            fitting = (d for t, d in self._topics.items() if matches(t, topic))
            self._known[topic] = next(fitting, None)
        return self._known[topic]

    async def end_of_work(self) -> None:
        await asyncio.gather(*self._at_work.values(), return_exceptions=True)

    async def drop_work(self) -> None:
        self.takes_work = False
        for task in self._at_work.values():
            task.cancel()
        await self.end_of_work()

    async def _work(self, number: int, message: Message, deliver: Deliver) -> None:
        try:
            await deliver(message)
            self.session.waiting.pop(number, None)
        finally:
            self._at_work.pop(number, None)
