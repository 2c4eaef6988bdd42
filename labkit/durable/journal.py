"""The journal: what came of each step, in a SQLite file, so that none is done again."""

from __future__ import annotations

import asyncio
import json
import sqlite3
import time
from collections import defaultdict
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

from labkit.durable.engine import (
    Twin,
    Workflow,
    as_json,
    name_of,
    other_code,
    other_version,
    outcome,
    told,
)
from labkit.system.errors import LabError
from labkit.system.simulation import VirtualTime

T = TypeVar("T")
FORMAT = 1
TABLES = f"""
    PRAGMA journal_mode = WAL;
    PRAGMA synchronous = FULL;  -- what is written survives a power failure too
    PRAGMA user_version = {FORMAT};
    CREATE TABLE IF NOT EXISTS executors (number INTEGER PRIMARY KEY);
    CREATE TABLE IF NOT EXISTS runs (
        id TEXT PRIMARY KEY, workflow TEXT, version TEXT, given TEXT, outcome TEXT
    );
    CREATE TABLE IF NOT EXISTS steps (
        run TEXT, number INTEGER, name TEXT, outcome TEXT, PRIMARY KEY (run, number)
    );
"""
OPEN = "SELECT id, workflow FROM runs WHERE outcome IS NULL AND version = ? ORDER BY rowid"
TABLES_THERE = "SELECT name FROM sqlite_schema WHERE type = 'table'"
WAITING = "SELECT id, version FROM runs WHERE outcome IS NULL ORDER BY rowid"


class Journal:
    """The course's own engine (see labkit.durable.engine), guarded by a *fencing token*.

    path: the file. Whoever opens it last goes on; a twin that still lives is stopped before its
        next step (Kleppmann, *Designing Data-Intensive Applications*, chapter 8).
    version: of the workflows. patience_seconds: how long another one that writes is waited for.
    """

    def __init__(
        self, path: str | Path, *, version: str = "1", patience_seconds: float = 1.0
    ) -> None:
        self.path, self.version, self._patience = Path(path), version, patience_seconds
        self._one_at_a_time: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)
        self._connection: sqlite3.Connection | None = None
        self._token = 0

    # What an engine promises

    async def run(self, workflow: Workflow, id: str, /, **given: Any) -> Any:
        self.write(
            "INSERT OR IGNORE INTO runs VALUES (?, ?, ?, ?, NULL)",
            *(id, name_of(workflow), self.version, as_json(given)),
        )
        return told(await self._end_of(workflow, id))

    async def recover(self, *workflows: Workflow) -> dict[str, Any]:
        known = {name_of(workflow): workflow for workflow in workflows}
        found = [(id, known[name]) for id, name in self.rows(OPEN, self.version) if name in known]
        ends = [self._answer_of(workflow, id) for id, workflow in found]
        return dict(zip((id for id, _ in found), await asyncio.gather(*ends), strict=True))

    async def waiting(self) -> dict[str, str]:
        return dict(self.rows(WAITING))

    async def close(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    async def _answer_of(self, workflow: Workflow, id: str) -> Any:
        try:
            return told(await self._end_of(workflow, id))
        except Exception as error:  # one that can't go on must not keep the others from it
            return error

    async def _end_of(self, workflow: Workflow, id: str) -> str:
        # A command that comes again waits here: of two bodies each would do what the other does.
        async with self._one_at_a_time[id]:
            [row] = self.rows("SELECT version, given, outcome FROM runs WHERE id = ?", id)
            version, given, ended = row
            if ended is None and version != self.version:
                raise other_version(id, version, self.version)
            if ended is None:
                ended = await outcome(workflow(JournalRun(self, id), **json.loads(given)))
                self.write("UPDATE runs SET outcome = ? WHERE id = ?", ended, id)
            return str(ended)

    # What is written

    def rows(self, question: str, *values: object) -> list[Any]:
        """What stands in the file: `journal.rows("SELECT * FROM steps")`."""
        with self._explained():
            return self._file.execute(question, values).fetchall()

    def write(self, statement: str, *values: object) -> None:
        """Write one thing, if this is still the executor.

        Raises:
            Twin: another one has begun since.
            LabError: the file is locked, full, or no journal.
        """
        with self._explained(), self._file as file:
            file.execute("BEGIN IMMEDIATE")
            self.must_be_the_last()
            file.execute(statement, values)

    def must_be_the_last(self) -> None:
        """Twin, if another executor has begun since."""
        [(last,)] = self.rows("SELECT max(number) FROM executors")
        if last != self._token:
            raise Twin(
                f"Another executor has begun on {self.path.name}, number {last}; this is number "
                f"{self._token}, and does nothing more.\nWhat it had begun, the other one brings "
                "to its end. End this process."
            )

    def __getstate__(self) -> dict[str, Any]:
        """What is copied of it: where the file is. The copy is an executor of its own."""
        kept = {**vars(self), "_connection": None, "_token": 0}
        return {**kept, "_one_at_a_time": defaultdict(asyncio.Lock)}

    @property
    def _file(self) -> sqlite3.Connection:
        if self._connection is None:
            self._connection, self._token = self._opened()
        return self._connection

    def _opened(self) -> tuple[sqlite3.Connection, int]:
        file = sqlite3.connect(self.path, timeout=self._patience, isolation_level=None)
        [(format,)] = file.execute("PRAGMA user_version").fetchall()
        if format not in (0, FORMAT) or (format == 0 and file.execute(TABLES_THERE).fetchall()):
            file.close()
            raise LabError(
                f"{self.path} is no journal of this labkit: its format is {format}, and this one "
                f"writes {FORMAT}.\nNothing was changed. Bring its runs to their end with the "
                "labkit that wrote it, or name another file."
            )
        file.executescript(TABLES)
        begun = file.execute("INSERT INTO executors DEFAULT VALUES")
        return file, int(begun.lastrowid or 0)

    @contextmanager
    def _explained(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as error:
            if "locked" in str(error):
                raise LabError(
                    f"{self.path} is locked: another process has been writing in it for more than "
                    f"{self._patience:g} s.\nNothing is lost: end that process, and recover."
                ) from None
            raise LabError(
                f"{self.path} can't be used as a journal: {error}.\n"
                "Name a file that is one already, or a new one in a folder that is there."
            ) from None


class JournalRun:
    """A run with its pages: steps are counted, and what is written on a page is not done again."""

    def __init__(self, journal: Journal, id: str) -> None:
        self._journal, self.id, self._number = journal, id, 0

    async def step(self, name: str, do: Callable[[str], Awaitable[T]]) -> T:
        self._number += 1
        number = self._number
        if (kept := self._recalled(number, name)) is None:
            self._journal.must_be_the_last()
            kept = await outcome(do(f"{self.id}:{number}"))
            self._write(number, name, kept)
        answer: T = told(kept)
        return answer

    async def sleep(self, seconds: float) -> None:
        async def due(_: str) -> float:
            return now() + seconds

        await self.sleep_until(await self.step("sleep", due))

    async def sleep_until(self, when: float) -> None:
        await asyncio.sleep(max(0.0, when - now()))

    async def patched(self, name: str) -> bool:
        name = f"patch {name}"
        page = self._page(self._number + 1)
        if page is not None and page[0] != name:
            return False
        self._number += 1
        if page is None:
            self._write(self._number, name, as_json({"answer": True}))
        return True

    def _recalled(self, number: int, name: str) -> str | None:
        page = self._page(number)
        if page is not None and page[0] != name:
            raise other_code(self.id, number, page[0], name)
        return None if page is None else str(page[1])

    def _page(self, number: int) -> tuple[str, str] | None:
        asked = "SELECT name, outcome FROM steps WHERE run = ? AND number = ?"
        pages = self._journal.rows(asked, self.id, number)
        return pages[0] if pages else None

    def _write(self, number: int, name: str, kept: str) -> None:
        self._journal.write("INSERT INTO steps VALUES (?, ?, ?, ?)", self.id, number, name, kept)


def now() -> float:
    """Seconds since 1970, which the next process knows too; in a simulation, on its clock."""
    loop = asyncio.get_running_loop()
    return loop.time() if isinstance(loop, VirtualTime) else time.time()
