"""From moments to steps: one entry a message, in the logical order of the run."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

from labkit.system.message import Message
from labkit.system.transport import matches

What = Literal["listens", "leaves", "sent", "received", "done", "failed", "struck", "quiet"]
YOU = "you"
CRASHES, FALLS_ASLEEP, FALLS_MUTE, IS_BACK = "crashes", "falls asleep", "falls mute", "is back"


class Moment(NamedTuple):
    """One message at one end of its way; or that someone listens, or what befell a service."""

    what: What
    where: str
    topic: str = ""
    message: Message | None = None
    seconds: float = 0.0
    note: str = ""


@dataclass(frozen=True)
class Step:
    """One message with all that came of it, as a picture or a table shows it."""

    sender: str
    message: Message
    topic: str
    reached: tuple[str, ...]
    missed: tuple[str, ...]
    failed: dict[str, str] = field(default_factory=dict)
    late: bool = False
    struck: dict[str, str] = field(default_factory=dict)

    @property
    def label(self) -> str:
        """What was said: `charge`, `charge done`, `OrderPlaced`."""
        return " ".join(self._said.split())

    @property
    def _said(self) -> str:
        if self.message.kind == "reply":
            command, _, outcome = self.message.type.rpartition(".")
            name = command.rpartition(".")[2]
            return f"{name} {self.message.reason or outcome}"
        if self.message.kind == "dead":
            return f"dead letter {self.message.type}"
        return self.message.type.rpartition(".")[2]

    def __str__(self) -> str:
        told = ", ".join(self.reached) or "nobody"
        line = f"{self.sender} → {told}: {self.label}"
        line += "".join(f"; never reached {name}" for name in self.missed)
        line += "".join(f"; fault at {name}: {what}" for name, what in self.struck.items())
        return line + "".join(f"; {name} failed: {why}" for name, why in self.failed.items())


@dataclass(frozen=True)
class Mark:
    """Something that befell a service: it crashes, sleeps, wakes."""

    service: str
    note: str

    def __str__(self) -> str:
        return f"{self.service} {self.note}"


Place = tuple[int, int, int, str, str]
Handling = tuple[str, str]


def in_logical_order(moments: Iterable[Moment]) -> list[Step | Mark]:
    """Every message with what came of it: after its cause, concurrent ones in a settled order.

    Each handling (one service at work on one message) is a process with a Lamport clock of its
    own: what it says comes after what it received, and nothing else orders two handlings. So two
    runs which differ only in timing have the same steps (Lamport 1978).
    """
    return [entry for _, entry in at_logical_times(moments)]


def at_logical_times(moments: Iterable[Moment]) -> list[tuple[int, Step | Mark]]:
    """The same, each with its logical time; what is concurrent may have the same one."""
    order = _Order()
    for moment in moments:
        order.take(moment)
    placed = sorted(order.placed(), key=lambda pair: pair[0])
    return [(place[0], entry) for place, entry in placed]


class _Order:
    """The clocks, and what is known of each message, while the moments go by."""

    def __init__(self) -> None:
        self.clock: dict[Handling, int] = defaultdict(int)
        self.floor = self.latest = 0
        self.listening: list[tuple[str, str]] = []
        self.rank: dict[str, int] = {YOU: -1}
        self.roots: dict[str, int] = {}
        self.known: dict[tuple[str, str], _Known] = {}
        self.asked: dict[str, Message] = {}
        self.marks: list[tuple[Place, Mark]] = []
        self.ended: set[Handling] = set()
        self._covered: dict[str, list[str]] = {}

    def take(self, moment: Moment) -> None:
        what, where, message = moment.what, moment.where, moment.message
        if what == "listens":
            self.rank.setdefault(where, len(self.rank))
            if (moment.topic, where) not in self.listening:
                self.listening.append((moment.topic, where))
                self._covered.clear()
        elif what == "leaves":
            self.listening = [known for known in self.listening if known[1] != where]
            self._covered.clear()
        elif what == "quiet":
            self._all_is_settled()
        elif what == "struck" and message is not None:
            if (known := self.known.get(_identity(message))) is not None:
                known.struck.setdefault(where, moment.note)
        elif what == "struck":
            self._all_is_settled()
            self.marks.append(((self._tick((YOU, "")), -1, 0, "", ""), Mark(where, moment.note)))
        elif message is None:
            return
        elif what == "sent":
            self.asked[message.id] = message
            time = self._tick((where, message.causationid or ""))
            self.known[_identity(message)] = _Known(
                message, where, moment.topic, time, self._cover(moment.topic)
            )
        elif what == "received":
            self._received(moment, message)
        else:
            self.ended.add((where, message.id))
            if what == "failed":
                self.known[_identity(message)].failed[where] = moment.note

    def placed(self) -> Iterable[tuple[Place, Step | Mark]]:
        yield from self.marks
        for known in self.known.values():
            message = known.message
            story = self.roots.setdefault(message.story, len(self.roots))
            place = known.time, story, self.rank.get(known.sender, 99), message.type, message.id
            yield place, known.step(self.rank)

    def _received(self, moment: Moment, message: Message) -> None:
        if (
            _identity(message) not in self.known
        ):  # said outside the lab: nobody noted that it was sent
            time = self._tick((message.sender, ""))
            self.known[_identity(message)] = _Known(
                message, message.sender, moment.topic, time, self._cover(moment.topic)
            )
        known = self.known[_identity(message)]
        known.reached.append(moment.where)
        handling = moment.where, message.id
        command = self.asked.get(message.causationid or "")
        if message.kind == "reply" and command is not None:
            handling = moment.where, command.causationid or ""
            if handling in self.ended:
                # Nobody waits for it any more; it is told when it came, after what came before.
                known.late, known.time = True, self.latest + 1
                self.latest = known.time
                return
        self.clock[handling] = max(self.clock[handling], known.time + 1)
        self.latest = max(self.latest, known.time + 1)

    def _tick(self, handling: Handling) -> int:
        self.clock[handling] = max(self.clock[handling], self.floor) + 1
        self.latest = max(self.latest, self.clock[handling])
        return self.clock[handling]

    def _all_is_settled(self) -> None:
        self.floor = self.latest

    def _cover(self, topic: str) -> list[str]:
        """Who listens to a topic now; one who joins later has missed nothing."""
        if topic not in self._covered:
            names = [where for pattern, where in self.listening if matches(pattern, topic)]
            self._covered[topic] = list(dict.fromkeys(names))
        return self._covered[topic]


def _identity(message: Message) -> tuple[str, str]:
    """What makes a message itself (CloudEvents 1.0: source and id)."""
    return message.source, message.id


@dataclass
class _Known:
    message: Message
    sender: str
    topic: str
    time: int
    listeners: list[str]
    reached: list[str] = field(default_factory=list)
    failed: dict[str, str] = field(default_factory=dict)
    late: bool = False
    struck: dict[str, str] = field(default_factory=dict)

    def step(self, rank: dict[str, int]) -> Step:
        return Step(
            sender=self.sender,
            message=self.message,
            topic=self.topic,
            reached=tuple(sorted(self.reached, key=lambda name: rank.get(name, 99))),
            missed=tuple(name for name in self.listeners if name not in self.reached),
            failed=dict(sorted(self.failed.items())),
            late=self.late,
            struck=dict(sorted(self.struck.items())),
        )
