"""The transactional outbox: what a service wants to say is written together with what it knows."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from contextvars import Context
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError

from labkit.system.database import Database, Table
from labkit.system.errors import BadMessage, LabError
from labkit.system.ledger import Books
from labkit.system.message import Event, Message, say
from labkit.system.service import Service, handled
from labkit.system.transport import Transport

# How many are said before they are marked, all in one transaction. One that dies in between says
# them again: fewer would cost more transactions, and could not make it once either.
AT_ONCE = 20
# How often, and after how long, a relay that can't go on tries again by itself.
TRIES, WAIT_SECONDS = 60, 1.0
TABLE = Table(
    "outbox",
    ("number", "id", "message", "state"),
    """
    CREATE TABLE IF NOT EXISTS outbox (
        number INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, message TEXT NOT NULL,
        state TEXT NOT NULL DEFAULT 'waiting'  -- then 'said', or 'unreadable'
    );
    """,
)
FIRST_WAITING = "SELECT number, message FROM outbox WHERE state = 'waiting' ORDER BY number LIMIT ?"


@dataclass(frozen=True)
class Row:
    """One line of an outbox; its message, or why there is none."""

    number: int
    message: Message | None
    problem: str = ""


class Outbox:
    """The table: whole messages, in the order in which they are to be said."""

    def __init__(self, database: Database) -> None:
        self._database = database
        database.keep(TABLE)

    def put(self, message: Message) -> bool:
        """Write a message, in the transaction that is open; False where it stands there already."""
        _ = message.payload  # too large a message is refused now, with all that belongs to it
        written = self._database.now_written("What is to be said").execute(
            "INSERT OR IGNORE INTO outbox (id, message) VALUES (?, ?)",
            (message.id, message.payload.decode()),
        )
        return written.rowcount == 1

    def waiting(self) -> list[Row]:
        """What is to be said next, the oldest first."""
        return [_read(*row) for row in self._database.rows(FIRST_WAITING, AT_ONCE)]

    def mark(self, rows: Iterable[Row]) -> None:
        """Write down that these are said, or that they can't be read."""
        states = [("unreadable" if row.problem else "said", row.number) for row in rows]
        with self._database as file:
            file.executemany("UPDATE outbox SET state = ? WHERE number = ?", states)

    def unreadable(self) -> list[Row]:
        """What was set aside because it can't be read, with the reason; it stays in the table."""
        asked = "SELECT number, message FROM outbox WHERE state = 'unreadable' ORDER BY number"
        return [_read(*row) for row in self._database.rows(asked)]

    def next_number(self) -> int:
        """Which number the next message gets."""
        return int(self._database.rows("SELECT coalesce(max(number), 0) + 1 FROM outbox")[0][0])


class WithOutbox(Service):
    """A service that writes what it says, and whose relay says what is written.

        class Order(WithOutbox):
            @command
            async def place_order(self, order_id: str) -> None:
                with self.database as file:
                    file.execute("INSERT INTO orders VALUES (?)", (order_id,))
                    self.say(OrderPlaced(order_id=order_id))

    The relay says all that waits, in order, after each `say` and when the service (re)starts. It
    marks what the broker has: so nothing is left out, and what it had no time to mark is said
    again, as the same message under the same id (*at least once*; see labkit.system.inbox).
    Transactional outbox, polling publisher: Richardson, *Microservices Patterns*, section 3.3.

    In a lab it stands behind those who listen to it: it speaks as soon as it is there.

    database: where its own tables are too. A second process on the same file would say all twice.
    """

    def __init__(self, database: Database) -> None:
        self.database, self.outbox = database, Outbox(database)

    _relay: asyncio.Task[None] | None = None

    def say(self, event: Event) -> bool:
        """Write an event, in the transaction that is open; it is said when that is committed.

        False where the handling of the same message has written it before it died.

        Raises:
            LabError: no transaction is open.
            BadMessage: that is not an event, or it is too large.
        """
        if not isinstance(event, Event):
            raise BadMessage(
                f"say takes an event that you made, and was given {event!r:.60}.\n"
                "Write for example `self.say(OrderPlaced(order_id=…))`."
            )
        self.database.now_written(f"self.say({type(event).__name__}(…))")
        # Its turn comes after that of this handler, and so after the end of the transaction.
        asyncio.get_running_loop().call_soon(self._begin)
        return self.outbox.put(self._written(event))

    async def join(
        self, transport: Transport, ledger: Books, clock: Callable[[], str] | None = None
    ) -> None:
        # Opened now, so that of a file which can't be used whoever opens the lab is told.
        self.outbox.waiting()
        await super().join(transport, ledger, clock)
        self._begin()

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in super().__getstate__().items() if name != "_relay"}

    def _written(self, event: Event) -> Message:
        kind, data = type(event).__name__, event.model_dump(mode="json")
        if handled() is not None:
            return self._say("event", kind, data)
        # Without a cause, what is said is numbered; a service counts from 1 in each of its lives,
        # its table counts on.
        number, time = self.outbox.next_number(), self._clock() if self._clock else None
        message = say("event", kind, f"{self.name}-outbox", data, nth=number, time=time)
        return message.model_copy(update={"source": f"/{self.name}"})

    def _begin(self) -> None:
        if self._relay is None or self._relay.done():
            # In a context of its own: it is no part of the handling that has written something.
            self._relay = asyncio.get_running_loop().create_task(
                self._say_what_waits(), context=Context()
            )

    async def _say_what_waits(self) -> None:
        for _ in range(TRIES):
            try:
                while waiting := self.outbox.waiting():
                    for row in waiting:
                        await self._say_row(row)
                    self.outbox.mark(waiting)
                return
            except LabError:  # no broker, or a locked database: nothing is lost by waiting
                await asyncio.sleep(WAIT_SECONDS)

    async def _say_row(self, row: Row) -> None:
        if row.message is not None:
            return await self._wire.publish(f"event/{row.message.type}", row.message)
        id = f"{self.name}-outbox-{row.number}-unreadable"
        letter = Message(
            id=id, source=f"/{self.name}", type=f"outbox row {row.number}", kind="dead",
            correlationid=id, reason=row.problem,
        )  # fmt: skip
        await self._wire.publish(f"dead/{self.name}", letter)


def _read(number: int, text: object) -> Row:
    try:
        message = Message.model_validate_json(text)  # type: ignore[arg-type]  # it checks that
        if message.kind == "event":
            return Row(number, message)
        problem = f"it is of the kind {message.kind}, and no event"
    except ValidationError as error:
        problem = error.errors()[0]["msg"].lower()
    return Row(
        number,
        None,
        f"row {number} of the outbox can't be read: {problem}. It was set aside, and those behind "
        f"it go on.\nMend its message, and let it go: UPDATE outbox SET state = 'waiting' WHERE "
        f"number = {number}.",
    )
