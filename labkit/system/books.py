"""Books that outlive whoever writes in them: a ledger in a file, shared by processes."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

from labkit.system.errors import LabError
from labkit.system.ledger import Entry

TABLE = """
    PRAGMA journal_mode = WAL;
    PRAGMA synchronous = NORMAL;
    CREATE TABLE IF NOT EXISTS entries (
        number INTEGER PRIMARY KEY, service TEXT, effect TEXT, key TEXT,
        amount INTEGER, cause TEXT, once TEXT
    );
    CREATE INDEX IF NOT EXISTS by_order ON entries (service, effect, key);
    -- What was done under an idempotency key, no process on earth can write a second time.
    CREATE UNIQUE INDEX IF NOT EXISTS at_most_once ON entries (service, effect, once)
        WHERE once <> '';
"""
FIELDS = "service, effect, key, amount, cause, once"


class LastingBooks:
    """The Books of a ledger, in a SQLite file; what is written survives a `kill -9`."""

    def __init__(self, path: Path) -> None:
        self._path = path
        # Each statement is a transaction of its own; another process that writes is waited for.
        try:
            self._file = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
            self._file.executescript(TABLE)
        except sqlite3.Error as error:
            raise LabError(
                f"A ledger was to be kept in {path}, but can't: {error}.\n"
                "Name a file that is one already, or a new one in a folder that is there."
            ) from None

    def write(self, entry: Entry) -> bool:
        """Let an effect happen; False where it has happened already under its idempotency key."""
        done = self._file.execute(
            f"INSERT OR IGNORE INTO entries ({FIELDS}) VALUES (?, ?, ?, ?, ?, ?)",
            (entry.service, entry.effect, entry.key, entry.amount, entry.cause, entry.once),
        )
        return done.rowcount == 1

    def find(self, service: str, effect: str, key: str) -> Entry | None:
        """What a service has done for an order first, if it has."""
        found = self._file.execute(
            f"SELECT {FIELDS} FROM entries WHERE service = ? AND effect = ? AND key = ?"
            " ORDER BY number LIMIT 1",
            (service, effect, key),
        ).fetchone()
        return Entry(*found) if found else None

    def count(self, service: str, effect: str) -> int:
        """How often a service has done something, for whatever order."""
        asked = "SELECT count(*) FROM entries WHERE service = ? AND effect = ?"
        return int(self._file.execute(asked, (service, effect)).fetchone()[0])

    def entries(self) -> list[Entry]:
        """All of it, in the order of writing; from any thread."""
        with closing(sqlite3.connect(self._path)) as file:
            rows = file.execute(f"SELECT {FIELDS} FROM entries ORDER BY number").fetchall()
        return [Entry(*row) for row in rows]

    def close(self) -> None:
        """Let go of the file."""
        self._file.close()
