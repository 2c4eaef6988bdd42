"""The trace: a plain list of what was said, heard and done, at which all else looks."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, ClassVar

from labkit.steps import Mark, Moment, Step, What, in_logical_order
from labkit.system.errors import LabError
from labkit.system.message import Event, Message
from labkit.system.service import Command, name_of, reason
from labkit.system.transport import Deliver, Transport, matches

Kind = type[Event] | Command[Any, Any] | str | None


class Trace:
    """What happened in a run. Shows itself as a sequence diagram.

    The order in which it tells is logical: after its cause, and what is concurrent always in the
    same order (Lamport 1978). So the same run tells the same story on any broker.
    """

    drawn_by: ClassVar[Callable[[Trace], Any] | None] = None
    heard_by: ClassVar[Callable[[Trace], Any] | None] = None

    def __init__(self, moments: Iterable[Moment] = ()) -> None:
        self.moments = list(moments)

    def __iter__(self) -> Iterator[Moment]:
        return iter(self.moments)

    def __len__(self) -> int:
        """How many messages were sent."""
        return len(self.sent())

    # What one asks of it

    def sent(self, kind: Kind = None, *, by: object = None) -> list[Message]:
        """The messages sent: of one event or command, by one service, or all."""
        return self._messages("sent", kind, by)

    def received(self, kind: Kind = None, *, by: object = None) -> list[Message]:
        """The messages that arrived, once for each arrival."""
        return self._messages("received", kind, by)

    def done(self, kind: Kind = None, *, by: object = None) -> list[Message]:
        """The messages handled to the end."""
        return self._messages("done", kind, by)

    def failed(self, kind: Kind = None, *, by: object = None) -> list[Message]:
        """The messages whose handler failed; `problems` tells why."""
        return self._messages("failed", kind, by)

    def problems(self) -> list[str]:
        """Who failed at what, and why: one line each."""
        return [
            f"{service} could not handle {' '.join(step.message.type.split())}: {why}"
            for step in self.steps()
            if isinstance(step, Step)
            for service, why in step.failed.items()
        ]

    def listeners(self, kind: Kind) -> list[str]:
        """Who listens to an event or a command."""
        topic, found = _topic(kind), dict[str, None]()
        for moment in self.moments:
            if moment.what == "leaves":
                found.pop(moment.where, None)
            elif moment.what == "listens" and matches(moment.topic, topic):
                found[moment.where] = None
        return list(found)

    def lost(self) -> list[tuple[Message, str]]:
        """Each message with a listener whom it never reached."""
        return [
            (step.message, name)
            for step in self.steps()
            if isinstance(step, Step)
            for name in step.missed
        ]

    def unheard(self) -> list[Message]:
        """The messages to which nobody listened."""
        return [
            step.message
            for step in self.steps()
            if isinstance(step, Step) and not step.reached and not step.missed
        ]

    def why(self, message: Message) -> Why:
        """The chain of causes that led to a message, the first cause first."""
        if not isinstance(message, Message):
            raise LabError(
                f"why takes a message of this trace, and was given {message!r:.60}.\n"
                "For example: trace.why(trace.sent(OrderConfirmed)[0])."
            )
        known = {m.message.id: m.message for m in self.moments if m.message is not None}
        chain, told = [message], {message.id}
        while (cause := known.get(chain[-1].causationid or "")) and cause.id not in told:
            chain.append(cause)
            told.add(cause.id)
        return Why(reversed(chain))

    def story(self, key: str | Message) -> Trace:
        """Only what belongs to one order (`"o-7"`), or to the same story as a message."""
        if isinstance(key, Message):
            stories = {key.story}
        else:
            stories = {m.story for m in self.sent() if key_of(m) == key} | {
                m.story for m in self.received() if key_of(m) == key
            }
        return Trace(
            moment
            for moment in self.moments
            if moment.message is None or moment.message.story in stories
        )

    # What it shows

    def steps(self) -> list[Step | Mark]:
        """All that happened, one entry a message, in logical order."""
        return in_logical_order(self.moments)

    def text(self) -> str:
        """The run in words, one line a message; the same on any broker."""
        return "\n".join(str(step) for step in self.steps())

    def table(self) -> Table:
        """The run as a table: number, who, what, to whom, because of which."""
        return Table(self.steps())

    def listen(self) -> Any:
        """The run as music: services are instruments, messages are notes, what is lost is a rest.

        Raises LabError where nothing has been said yet.
        """
        if Trace.heard_by is None:
            raise LabError("Nobody can play this trace yet: `from labkit import Lab` first.")
        return Trace.heard_by(self)

    def __repr__(self) -> str:
        return self.text() or "The trace is empty: nothing has been said yet."

    def _repr_mimebundle_(self, **_: object) -> dict[str, str]:
        bundle = {"text/plain": repr(self)}
        if Trace.drawn_by is not None and len(self):
            picture = Trace.drawn_by(self)
            bundle = {"text/plain": picture.alt, "text/html": picture._repr_html_()}
        return bundle

    def save(self, path: str | Path) -> None:
        """Write it to a file, one moment a line in JSON."""
        with Path(path).open("w", encoding="utf-8", newline="\n") as lines:
            for moment in self.moments:
                lines.write(json.dumps(_as_json(moment), ensure_ascii=False) + "\n")

    @classmethod
    def load(cls, path: str | Path) -> Trace:
        """Read what `save` wrote."""
        with Path(path).open(encoding="utf-8") as lines:
            return cls(_from_json(json.loads(line)) for line in lines)

    def _messages(self, what: What, kind: Kind, by: object) -> list[Message]:
        type_ = _type(kind)
        service = by if by is None or isinstance(by, str) else name_of(by)
        return [
            moment.message
            for moment in self.moments
            if moment.what == what
            and moment.message is not None
            # A dead letter carries the type of what it buries, and is none of these.
            and (type_ is None or (moment.message.type == type_ and moment.message.kind != "dead"))
            and (service is None or moment.where == service)
        ]


class Why(list[Message]):
    """A chain of causes, the first cause first."""

    def __repr__(self) -> str:
        said = [f"{message.sender} said {message.type}" for message in self]
        return "\n".join(
            f"{'  ' * depth}because of that, {line}" if depth else line
            for depth, line in enumerate(said)
        )


class Table:
    """The steps of a run as rows."""

    def __init__(self, steps: Iterable[Step | Mark]) -> None:
        self.rows = _rows(steps)

    def __repr__(self) -> str:
        head = ("#", "from", "message", "to", "because of", "")
        rows = [head, *self.rows]
        wide = [max(len(row[column]) for row in rows) for column in range(len(head))]
        lines = ("  ".join(cell.ljust(wide[at]) for at, cell in enumerate(row)) for row in rows)
        return "\n".join(line.rstrip() for line in lines)


class Recorded:
    """A transport that notes what its owner says and what reaches it."""

    def __init__(self, inner: Transport, owner: str, note: Callable[..., None]) -> None:
        self._inner, self._owner, self._note = inner, owner, note

    async def publish(self, topic: str, message: Message) -> None:
        # Made before it is noted: what can't be said was never said.
        _ = message.payload
        self._note("sent", self._owner, topic, message)
        await self._inner.publish(topic, message)

    async def subscribe(self, topic: str, deliver: Deliver) -> None:
        async def noted(message: Message) -> None:
            self._note("received", self._owner, topic, message)
            try:
                await deliver(message)
            except Exception as error:
                self._note("failed", self._owner, topic, message, " ".join(reason(error).split()))
            else:
                self._note("done", self._owner, topic, message)

        self._note("listens", self._owner, topic)
        await self._inner.subscribe(topic, noted)


def key_of(message: Message) -> str:
    """The order that a message speaks of, as far as it says so."""
    data = message.data
    return str(data.get("order_id", "")) if isinstance(data, dict) else ""


def _type(kind: Kind) -> str | None:
    if kind is None or isinstance(kind, str):
        return kind
    if isinstance(kind, Command):
        return kind.message_type
    if isinstance(kind, type) and issubclass(kind, Event):
        return kind.__name__
    raise LabError(
        f"That needs an event such as OrderPlaced, a command such as Payment.charge, or the name "
        f"of one, and was given {kind!r:.60}."
    )


def _topic(kind: Kind) -> str:
    name = _type(kind) or ""
    if "/" in name:
        return name
    return f"command/{name.replace('.', '/')}" if "." in name else f"event/{name}"


def _as_json(moment: Moment) -> dict[str, Any]:
    row = moment._asdict()
    if moment.message is not None:
        row["message"] = moment.message.model_dump(mode="json", exclude_none=True)
    return row


def _from_json(row: dict[str, Any]) -> Moment:
    if row["message"] is not None:
        row["message"] = Message.model_validate(row["message"])
    return Moment(**row)


def _rows(steps: Iterable[Step | Mark]) -> list[tuple[str, ...]]:
    numbers: dict[str, str] = {}
    rows: list[tuple[str, ...]] = []
    for number, step in enumerate(steps, 1):
        if isinstance(step, Mark):
            rows.append((str(number), "", f"({step})", "", "", ""))
            continue
        numbers[step.message.id] = str(number)
        cause = step.message.causationid or ""
        odd = [f"never reached {name}" for name in step.missed]
        odd += [f"fault at {name}: {what}" for name, what in step.struck.items()]
        odd += [f"{name} failed: {why}" for name, why in step.failed.items()]
        rows.append(
            (
                str(number),
                step.sender,
                step.label,
                ", ".join(step.reached),
                numbers.get(cause, cause),
                "; ".join(odd),
            )
        )
    return rows
