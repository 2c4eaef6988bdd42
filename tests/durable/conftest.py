"""Each engine with a database of its own; PostgreSQL as a server of the test session's own."""

import os
import shutil
import signal
import socket
import subprocess
import tempfile
from importlib.util import find_spec
from pathlib import Path

import pytest

import tests.conftest as programs


@pytest.fixture
def dbos():
    """The extra `dbos`: left out where it is not installed, unless everything must run."""
    if find_spec("dbos") is None:
        reason = 'dbos is not installed: pip install -e ".[dbos]"'
        pytest.fail(reason) if os.environ.get(programs.REQUIRE_ALL) == "1" else pytest.skip(reason)


def as_whom():
    """PostgreSQL refuses to be root; then it is whoever Debian has made for it, or nobody."""
    if not hasattr(os, "geteuid") or os.geteuid() != 0:
        return {}
    import pwd

    names = {user.pw_name for user in pwd.getpwall()}
    user = pwd.getpwnam("postgres" if "postgres" in names else "nobody")
    return {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}


@pytest.fixture(scope="session")
def postgres():
    """The URL of an empty PostgreSQL on a free port of loopback and in a folder of its own."""
    initdb = programs.find("initdb")
    assert initdb, "mark the test with needs('initdb')"
    server = Path(initdb).resolve().with_name("postgres")
    who = as_whom()
    # Short: the path of a socket has some hundred letters at most.
    folder = Path(tempfile.mkdtemp(prefix="labkit-pg-"))
    if who:
        os.chown(folder, who["user"], who["group"])
    quiet = {"cwd": folder, "stdout": subprocess.DEVNULL, "stderr": subprocess.STDOUT, **who}
    data = folder / "data"
    options = ["-A", "trust", "-U", "labkit", "-E", "UTF8", "--no-locale", "--no-sync"]
    subprocess.run([initdb, "-D", data, *options], check=True, **quiet)
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    settings = ["-c", "listen_addresses=127.0.0.1", "-c", "fsync=off"]
    running = subprocess.Popen(
        [server, "-D", data, "-p", str(port), "-k", folder, *settings], **quiet
    )
    try:
        url = f"postgresql://labkit@127.0.0.1:{port}/postgres"
        until_it_answers(url, running)
        yield url
    finally:
        running.send_signal(signal.SIGQUIT)  # at once: nobody needs what is in it
        running.wait(30)
        shutil.rmtree(folder, ignore_errors=True)


def until_it_answers(url, running):
    import psycopg

    while running.poll() is None:
        try:
            return psycopg.connect(url, connect_timeout=2).close()
        except psycopg.OperationalError:
            continue
    raise AssertionError("PostgreSQL did not start")


@pytest.fixture
def empty_postgres(postgres, request):
    """A database in it that nothing else uses."""
    import psycopg

    name = f"t{abs(hash(request.node.nodeid))}"
    with psycopg.connect(postgres, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}")
    return postgres.removesuffix("postgres") + name


@pytest.fixture(
    params=[
        "journal",
        "dbos",
        pytest.param("dbos on postgres", marks=pytest.mark.needs("initdb")),
    ]
)
def engine(request, tmp_path):
    """The part of a conductor's job that says on what it works."""
    kind, _, on = request.param.partition(" on ")
    if kind == "dbos":
        request.getfixturevalue("dbos")
    if on:
        return {"engine": kind, "database": request.getfixturevalue("empty_postgres")}
    return {"engine": kind, "database": str(tmp_path / "orders.db")}
