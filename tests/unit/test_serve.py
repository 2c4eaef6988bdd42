"""`labkit serve` runs one service from a terminal, and a lab elsewhere can call it."""

import asyncio
import os
import signal
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from labkit import Event, Lab, Service, command
from labkit.system.broker import Address
from labkit.system.embedded import Embedded
from tests.brokers.hosting import running

WARES = """
    from labkit import Event, Service, command, on

    class Asked(Event):
        ware: str

    class Stock(Service):
        def __init__(self, left: int = 3):
            self.left = left

        @command
        async def take(self, ware: str) -> int:
            self.effect("taken", ware, once=ware)
            return self.left - self.times("taken")

        @on(Asked)
        async def fail(self, asked):
            raise ValueError("butterfingers")

    class Shelf(Service):
        def __init__(self, width: int):
            self.width = width

    ten = Stock(left=10)
"""


class Asked(Event):
    ware: str


class Stock(Service):
    """What a lab elsewhere knows of the service: its contract."""

    @command
    async def take(self, ware: str) -> int:
        raise NotImplementedError


@pytest.fixture(scope="module")
def broker() -> Iterator[Address]:
    with running(Embedded()) as address:
        yield address


@pytest.fixture
def shop(tmp_path, broker: Address) -> str:
    """A folder that holds wares.py, and the URL where a lab and its service can meet."""
    (tmp_path / "wares.py").write_text(textwrap.dedent(WARES))
    namespace = tmp_path.name.replace("_", "-")
    return f"mqtt://{broker.username}:{broker.password}@{broker.host}:{broker.port}/{namespace}"


def serve(folder, *arguments: str, broker: str = "") -> subprocess.Popen[str]:
    # A shell starts its background jobs deaf to Ctrl-C, and their children with them.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    return subprocess.Popen(
        [sys.executable, "-m", "labkit", "serve", *arguments],
        cwd=folder,
        env={**os.environ, "LABKIT_BROKER": broker, "PYTHONPATH": os.getcwd()},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


@contextmanager
def served(folder, url: str, target: str = "wares:Stock", *more: str) -> Iterator[list[str]]:
    """What a service says from when it listens, until Ctrl-C."""
    program = serve(folder, target, *more, broker=url)
    assert program.stdout is not None
    first = program.stdout.readline()
    if not first:
        pytest.fail(program.communicate()[1])
    said = [first]
    try:
        yield said
    finally:
        program.send_signal(signal.SIGINT)
        rest, errors = program.communicate(timeout=20)
        said += [*rest.splitlines(), errors]
        assert program.returncode == 0


async def take(url: str, ware: str) -> int:
    async with Lab(broker=url) as lab:
        return await lab.call(Stock.take, ware=ware)


def test_a_lab_with_the_same_broker_and_namespace_calls_a_served_service(tmp_path, shop):
    with served(tmp_path, shop) as said:
        assert [asyncio.run(take(shop, ware)) for ware in ("tea", "tea", "salt")] == [2, 2, 1]
    assert said[0].startswith("Stock listens at mqtt://lab-")
    assert "/test-a-lab-with" in said[0]
    assert said[0].endswith(". To end it: Ctrl-C.\n")
    assert Address.parse(shop).password not in "".join(said)
    assert said[1:] == ["Ended.", ""]


def test_an_instance_and_its_settings_can_be_served(tmp_path, shop):
    with served(tmp_path, shop, "wares:ten"):
        assert asyncio.run(take(shop, "tea")) == 9


def test_books_in_a_file_outlive_the_service_and_what_is_said_meanwhile_waits(tmp_path, shop):
    async def ask_while_nobody_is_there():
        async with Lab(broker=shop) as lab:
            asking = asyncio.ensure_future(lab.call(Stock.take, ware="salt", timeout_seconds=20))
            async with asyncio.timeout(10):
                while not lab.trace.sent(Stock.take):  # noqa: ASYNC110  (it lives on another loop)
                    await asyncio.sleep(0.01)
            with served(tmp_path, shop, "wares:Stock", "--ledger", "books"):
                return await asking

    with served(tmp_path, shop, "wares:Stock", "--ledger", "books"):
        assert asyncio.run(take(shop, "tea")) == 2
    assert asyncio.run(ask_while_nobody_is_there()) == 1


def test_what_it_could_not_handle_is_said_in_its_terminal(tmp_path, shop):
    async def ask():
        async with Lab(broker=shop) as lab:
            await lab.publish(Asked(ware="tea"))
            return await lab.call(Stock.take, ware="tea")

    with served(tmp_path, shop) as said:
        asyncio.run(ask())
    assert "Stock could not handle Asked: ValueError: butterfingers" in said


@pytest.mark.parametrize(
    ("target", "words"),
    [
        ("wares", "'wares' names no service. Write module:Service"),
        ("warez:Stock", "There is no module warez, neither in"),
        (
            "wares:Stok",
            "wares has no Stok (did you mean Stock?); its services are Stock, Shelf, ten",
        ),
        ("wares:Asked", "Asked is no service, but <class 'wares.Asked'>; there is Stock, Shelf"),
        ("wares:Shelf", "Shelf needs settings (missing a required argument: 'width')"),
        ("broken:Stock", "broken can't be imported: ModuleNotFoundError: No module named 'nowh"),
    ],
)
def test_a_service_that_is_not_there_is_told_with_a_mend(tmp_path, shop, target, words):
    (tmp_path / "broken.py").write_text("import nowhere_to_be_found\n")
    assert words in refused(tmp_path, target, "--broker", shop)


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("", "No broker is named, and a served service needs one that is running."),
        ("mosquitto", "'mosquitto' is no address of a broker: mqtt:// is missing."),
        ("http://here/shop", "it begins with 'http'"),
        ("mqtt://127.0.0.1:1", "names no namespace, so no lab would meet the service there"),
        ("mqtt://127.0.0.1:1/shop", "No MQTT broker at mqtt://127.0.0.1:1/shop"),
    ],
)
def test_a_broker_that_is_not_there_is_told_with_a_mend(tmp_path, shop, url, words):
    assert words in refused(tmp_path, "wares:Stock", broker=url)


def test_wrong_credentials_are_told(tmp_path, shop):
    wrong = shop.replace(f":{Address.parse(shop).password}@", ":guessed@")
    words = refused(tmp_path, "wares:Stock", broker=wrong)
    assert "Check the user and password" in words
    assert "guessed" not in words


def test_a_ledger_that_cannot_be_kept_is_told(tmp_path, shop):
    books = tmp_path / "wares.py"
    words = refused(tmp_path, "wares:Stock", "--broker", shop, "--ledger", str(books))
    assert f"A ledger was to be kept in {books}, but can't: file is not a database" in words


def refused(folder, *arguments: str, broker: str = "") -> str:
    """What is said where nothing can be served, which is no traceback."""
    program = serve(folder, *arguments, broker=broker)
    said, error = program.communicate(timeout=30)
    assert (program.returncode, said, "Traceback" in error) == (1, "", False)
    return error
