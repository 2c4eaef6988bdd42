"""Alone: an executor's name, held by one process until the system sees that one end."""

from __future__ import annotations

import re
from typing import Any

from labkit.durable.engine import Twin
from labkit.system.errors import LabError


def alone(url: str, executor: str, patience_seconds: float) -> Any:
    """A connection that holds the name; closed, or its process killed, the name is free.

    Beside a SQLite file it is a lock on a file of its own, on PostgreSQL an advisory lock.

    Raises:
        Twin: another process holds it.
        LabError: the database can't be used, or somebody else has locked it.
    """
    import sqlalchemy as sa

    address = sa.make_url(url)
    try:
        if address.get_backend_name() == "sqlite":
            _locked(address, "IMMEDIATE", patience_seconds).close()  # whether it can be had at all
            beside = address.set(database=f"{address.database}.{executor}.lock")
            try:
                return _locked(beside, "EXCLUSIVE", patience_seconds)
            except sa.exc.OperationalError as error:
                raise (_twin(url, executor) if "locked" in str(error) else error) from None
        connection = _connected(address.set(drivername="postgresql+psycopg"))
    except sa.exc.SQLAlchemyError as error:
        raise unusable(url, error, patience_seconds) from None
    asked = sa.text("SELECT pg_try_advisory_lock(hashtext(:name))")
    if not connection.execute(asked, {"name": f"labkit {executor}"}).scalar():
        connection.close()
        raise _twin(url, executor)
    return connection


def unusable(url: str, error: Exception, patience_seconds: float) -> LabError:
    """What to say of a database that does not do what it should."""
    why = str(error).splitlines()[0]
    if "locked" in why:
        return LabError(
            f"{place(url)} is locked: another process has been writing in it for more than "
            f"{patience_seconds:g} s.\nNothing is lost: end that process, and recover."
        )
    return LabError(
        f"DBOS can't use {place(url)}: {why}.\n"
        "Name a SQLite file in a folder that is there, or a PostgreSQL that runs."
    )


def place(url: str) -> str:
    """Where a database is, without its user and password."""
    return re.sub(r"://.*@", "://", url).removeprefix("sqlite:///")


def _locked(address: Any, lock: str, patience_seconds: float) -> Any:
    connection = _connected(
        address, connect_args={"timeout": patience_seconds, "check_same_thread": False}
    )
    try:
        connection.exec_driver_sql(f"BEGIN {lock}")
    except BaseException:
        connection.close()
        raise
    return connection


def _connected(address: Any, **more: Any) -> Any:
    import sqlalchemy as sa

    options = {"poolclass": sa.pool.NullPool, "isolation_level": "AUTOCOMMIT", **more}
    return sa.create_engine(address, **options).connect()


def _twin(url: str, executor: str) -> Twin:
    return Twin(
        f"Another executor called {executor!r} lives and works on {place(url)}.\n"
        "Nothing was begun here, and it goes on. End that process, or give this one another name: "
        "executor=…; it then leaves the other one's runs alone."
    )
