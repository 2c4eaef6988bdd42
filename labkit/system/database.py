"""A service's own database: a SQLite file, in which each `with` is one transaction."""

from __future__ import annotations

import asyncio
import sqlite3
import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

from labkit.system.errors import LabError

# Together they let others read while one writes. What is written survives a `kill -9`; a power
# failure may take the last transactions, but each of them whole.
SETTINGS = "PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL;"


@dataclass(frozen=True)
class Table:
    """A table that labkit itself keeps in a service's database: its columns, and how it is made."""

    name: str
    columns: tuple[str, ...]
    made_by: str


class Database:
    """What a service remembers beyond its death; whatever stands in one `with` happens, or nothing.

        with self.database as file:
            file.execute("INSERT INTO orders VALUES (?, ?)", (order_id, amount))

    path: the file, made when first used; a copy of the service opens it anew.
    tables: SQL that makes the service's own tables, each with `IF NOT EXISTS`.
    patience_seconds: how long another process that writes is waited for.

    Raises:
        LabError: the file is no database, is locked, or has a table from another version.
    """

    def __init__(
        self, path: str | Path, tables: str = "", *, patience_seconds: float = 1.0
    ) -> None:
        self.path, self._tables, self._patience = Path(path), tables, patience_seconds
        self._kept: list[Table] = []
        self._open: sqlite3.Connection | None = None
        self._watch: asyncio.Handle | None = None
        self._awaited = False

    def keep(self, table: Table) -> None:
        """Let one more table be in it, from the next time that it is opened."""
        self._kept.append(table)
        self._open = None

    def rows(self, question: str, *values: object) -> list[Any]:
        """What stands in it, as a list of rows: `rows("SELECT * FROM orders")`."""
        return self._file.execute(question, values).fetchall()

    @property
    def in_transaction(self) -> bool:
        """Whether a `with` is open just now."""
        return self._open is not None and self._open.in_transaction

    def now_written(self, what: str) -> sqlite3.Connection:
        """The transaction that is open; LabError where `what` stands outside of any."""
        if not self.in_transaction:
            raise LabError(
                f"{what} belongs inside `with self.database as file:`, so that it is written in "
                f"one transaction with what it is about ({self.path.name})."
            )
        return self._file

    def __enter__(self) -> sqlite3.Connection:
        if self.in_transaction:
            raise LabError(
                f"{self.path.name} is in the middle of a transaction, and has one at a time.\n"
                "Put no `with self.database` inside another, and no `await` inside either."
            )
        file = self._file
        with self._explained():
            # Immediate: whether somebody else writes is known now, before anything is done.
            file.execute("BEGIN IMMEDIATE")
        self._awaited = False
        try:
            self._watch = asyncio.get_running_loop().call_soon(self._was_awaited)
        except RuntimeError:  # no loop, so nobody can await
            self._watch = None
        return file

    def __exit__(
        self, kind: type[BaseException] | None, _: BaseException | None, __: TracebackType | None
    ) -> None:
        if self._watch is not None:
            self._watch.cancel()
        if kind is not None or self._awaited:
            self._file.rollback()
        else:
            with self._explained():
                self._file.commit()
        if kind is None and self._awaited:
            raise LabError(
                f"There is an `await` inside `with self.database` ({self.path.name}): while it "
                "waits, others would write into this transaction.\nNothing was written. Await "
                "before the `with` or after it."
            )

    def __getstate__(self) -> dict[str, Any]:
        """What is copied of it: where the file is, not the connection to it."""
        return {**vars(self), "_open": None, "_watch": None}

    def _was_awaited(self) -> None:
        self._awaited = True

    @property
    def _file(self) -> sqlite3.Connection:
        if self._open is None:
            with self._explained():
                self._open = self._opened()
        return self._open

    def _opened(self) -> sqlite3.Connection:
        file = sqlite3.connect(
            self.path, timeout=self._patience, isolation_level=None, check_same_thread=False
        )
        weakref.finalize(self, file.close)
        file.executescript(SETTINGS + self._tables)
        for table in self._kept:
            file.executescript(table.made_by)
            found = tuple(row[1] for row in file.execute(f"PRAGMA table_info({table.name})"))
            if found != table.columns:
                raise LabError(
                    f"The table {table.name} in {self.path} has the columns {', '.join(found)}, "
                    f"and this labkit has {', '.join(table.columns)}: it comes from another "
                    "version.\nNothing was changed. Empty it with the labkit that made it, or "
                    "name another file."
                )
        return file

    @contextmanager
    def _explained(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as error:
            if "locked" in str(error):
                raise LabError(
                    f"{self.path} is locked: another process has been writing in it for more than "
                    f"{self._patience:g} s.\nNothing was written. End that process or its "
                    "transaction, and try again."
                ) from None
            raise LabError(
                f"{self.path} can't be used as a database: {error}.\n"
                "Name a SQLite file or a new one, in a folder that is there, and look at its "
                "tables' SQL."
            ) from None
