"""The inbox: which messages were handled is written together with what they have changed."""

from __future__ import annotations

from labkit.system.database import Database, Table
from labkit.system.errors import LabError
from labkit.system.service import handled

TABLE = Table(
    "inbox",
    ("wish", "work"),
    """
    CREATE TABLE IF NOT EXISTS inbox (
        wish TEXT NOT NULL, work TEXT NOT NULL, PRIMARY KEY (wish, work)
    ) WITHOUT ROWID;
    """,
)


class Inbox:
    """Lets each message change a service's database once, however often it comes.

        with self.database as file:
            if self.inbox.first():
                file.execute("UPDATE points SET points = points + 1 WHERE …")

    It helps with what stands in the same database. What is done elsewhere (a charge, a mail) can't
    be part of the transaction, and needs a key that is known there: `self.effect(…, once=…)`.
    *Idempotent receiver*: Hohpe and Woolf, *Enterprise Integration Patterns*.

    database: that of the service whose inbox it is, and of no other service.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        database.keep(TABLE)

    def first(self, work: str = "") -> bool:
        """Whether this message comes for the first time; from now on it does not.

        A command is known by its caller's idempotency key if it has one, all else by its source
        and id.

        work: which of several things that the service does because of one message.

        Raises:
            LabError: no transaction is open, or no message is being handled.
        """
        file = self._database.now_written("self.inbox.first()")
        message = handled()
        if message is None:
            raise LabError(
                "self.inbox.first() asks about the message that is handled, and there is none.\n"
                "Use it in a method with @command or @on."
            )
        wish = message.idempotencykey or f"{message.source} {message.id}"
        written = file.execute("INSERT OR IGNORE INTO inbox VALUES (?, ?)", (wish, work))
        return written.rowcount == 1
