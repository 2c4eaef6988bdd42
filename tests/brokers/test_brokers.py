"""Brokers start, stop, come back at the same address, and say what is wrong when they can't."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from labkit.system import mosquitto as mosquitto_module
from labkit.system.broker import Address, Broker, Elsewhere, broker_for
from labkit.system.errors import LabError
from tests.brokers.hosting import Background, background, running
from tests.brokers.probes import Client, fresh, numbers, texts

BROKERS = ["embedded", pytest.param("mosquitto", marks=pytest.mark.needs("mosquitto"))]
SOON_SECONDS = 5.0


@pytest.fixture
def here() -> Iterator[Background]:
    with background() as one:
        yield one


@pytest.fixture(params=BROKERS)
def broker(request: pytest.FixtureRequest, here: Background) -> Iterator[Broker]:
    one = broker_for(request.param)
    yield one
    here.run(one.stop())


def test_a_broker_comes_back_at_the_same_address(broker: Broker, here: Background) -> None:
    address = here.run(broker.start())
    here.run(broker.stop())
    assert here.run(broker.start()) == address
    assert can_talk(address)


def test_starting_twice_and_stopping_twice_is_harmless(broker: Broker, here: Background) -> None:
    assert here.run(broker.start()) == here.run(broker.start())
    here.run(broker.stop())
    here.run(broker.stop())


def test_nobody_listens_after_a_stop(broker: Broker, here: Background) -> None:
    address = here.run(broker.start())
    here.run(broker.stop())
    assert not listens(address)


def test_clients_see_a_stop(broker: Broker, here: Background) -> None:
    client = Client(here.run(broker.start()))
    here.run(broker.stop())
    assert client.gone.wait(SOON_SECONDS)
    client.leave()


def test_two_brokers_do_not_share_a_password(broker: Broker, here: Background) -> None:
    other = broker_for(broker.name)
    one, another = here.run(broker.start()), here.run(other.start())
    stranger = Client(Address(one.host, one.port, another.username, another.password))
    stranger.leave()
    here.run(other.stop())
    assert stranger.answer == "Not authorized"


def test_a_port_in_use_is_named(broker: Broker, here: Background) -> None:
    address = here.run(broker.start())
    second = type(broker)(port=address.port)  # type: ignore[call-arg]  # both have it; Broker has not
    with pytest.raises(LabError, match=rf"{address.port}.*in use(.|\n)*leave out the port"):
        here.run(second.start())


def test_the_embedded_broker_stops_whatever_its_clients_do(
    here: Background, capfd: pytest.CaptureFixture[str]
) -> None:
    broker = broker_for("embedded")
    address = here.run(broker.start())
    clients = [Client(address) for _ in range(20)]
    silent = [socket.create_connection((address.host, address.port)) for _ in range(3)]
    stuck = Client(address)
    stuck.subscribe("large")
    stuck.fall_silent()
    for _ in range(8):
        clients[0].publish("large", bytes(1_000_000))
    here.run(broker.stop())
    for one in (*clients, stuck, *silent):
        one.close() if isinstance(one, socket.socket) else one.leave()
    assert capfd.readouterr().err == ""


def test_the_embedded_broker_stops_while_clients_pour_in(here: Background) -> None:
    broker = broker_for("embedded")
    address = here.run(broker.start())
    knocking = [socket.socket() for _ in range(30)]
    for one in knocking:
        one.setblocking(False)
        one.connect_ex((address.host, address.port))
    here.run(broker.stop())
    for one in knocking:
        one.close()


def test_the_embedded_broker_outlives_nonsense(
    here: Background, capfd: pytest.CaptureFixture[str]
) -> None:
    broker = broker_for("embedded")
    address = here.run(broker.start())
    for nonsense in (
        b"GET / HTTP/1.1\r\n\r\n",
        b"\xff" * 40,
        b"\x10\x04\x00\x04MQ",
        b"\x30\x00",
        b"",
    ):
        with socket.create_connection((address.host, address.port)) as stranger:
            stranger.settimeout(SOON_SECONDS)
            stranger.sendall(nonsense)
            stranger.shutdown(socket.SHUT_WR)
            while stranger.recv(1000):
                pass
    assert can_talk(address)
    here.run(broker.stop())
    assert capfd.readouterr().err == ""


def test_the_embedded_broker_forgets_when_it_stops(here: Background) -> None:
    broker = broker_for("embedded")
    assert waiting_after_restart(broker, here) == []


@pytest.mark.needs("mosquitto")
def test_mosquitto_remembers_when_it_is_stopped(here: Background) -> None:
    broker = broker_for("mosquitto")
    assert waiting_after_restart(broker, here) == numbers(3)


@pytest.mark.needs("mosquitto")
def test_mosquitto_does_not_outlive_a_parent_that_is_killed(tmp_path: Path) -> None:
    parent = subprocess.Popen(
        [sys.executable, "-c", PARENT],
        stdout=subprocess.PIPE,
        env={**os.environ, "TMPDIR": str(tmp_path)},
        cwd=Path(mosquitto_module.__file__).parents[2],
    )
    assert parent.stdout is not None
    address = Address("127.0.0.1", int(parent.stdout.readline()))
    assert listens(address)
    parent.kill()
    parent.wait()
    parent.stdout.close()
    assert in_time(lambda: not listens(address))
    assert in_time(lambda: not list(tmp_path.iterdir()))


PARENT = """
import asyncio, time
from labkit.system.broker import broker_for
broker = broker_for("mosquitto")
print(asyncio.run(broker.start()).port, flush=True)
time.sleep(60)
"""


@pytest.mark.needs("mosquitto")
@pytest.mark.skipif(os.name == "nt", reason="Windows has no process groups that signals go to")
def test_mosquitto_does_not_mind_an_interrupted_cell() -> None:
    # Jupyter sends the interrupt to the kernel's whole process group.
    parent = subprocess.Popen(
        [sys.executable, "-c", "import signal; signal.signal(2, signal.SIG_IGN)\n" + PARENT],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        start_new_session=True,
        cwd=Path(mosquitto_module.__file__).parents[2],
    )
    assert parent.stdout is not None
    address = Address("127.0.0.1", int(parent.stdout.readline()))
    os.killpg(parent.pid, signal.SIGINT)
    # A guard that was interrupted would have ended its broker within some milliseconds.
    time.sleep(0.3)
    assert listens(address)
    parent.kill()
    parent.communicate()
    assert in_time(lambda: not listens(address))


@pytest.mark.needs("mosquitto")
def test_mosquitto_leaves_no_files(
    here: Background, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    broker = broker_for("mosquitto")
    here.run(broker.start())
    assert list(tmp_path.iterdir())
    here.run(broker.stop())
    del broker
    assert not list(tmp_path.iterdir())


def test_a_missing_mosquitto_says_how_to_install_it(
    here: Background, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("LABKIT_MOSQUITTO", raising=False)
    monkeypatch.setenv("PATH", "")
    monkeypatch.setattr(mosquitto_module, "PLACES", ("mosquitto",))
    with pytest.raises(
        LabError, match=r"apt(.|\n)*brew(.|\n)*winget(.|\n)*conda(.|\n)*leave out `broker=`"
    ):
        here.run(broker_for("mosquitto").start())


def test_a_wrong_labkit_mosquitto_is_named(
    here: Background, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LABKIT_MOSQUITTO", "no-such-program")
    with pytest.raises(LabError, match=r"LABKIT_MOSQUITTO names 'no-such-program'"):
        here.run(broker_for("mosquitto").start())


@pytest.mark.skipif(os.name == "nt", reason="takes /bin/false for a Mosquitto that does not start")
def test_a_mosquitto_that_ends_at_once_is_reported(
    here: Background, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LABKIT_MOSQUITTO", "false")
    with pytest.raises(LabError, match="It ended at once"):
        here.run(broker_for("mosquitto").start())


@pytest.mark.needs("mosquitto_pub")
def test_mosquitto_pub_talks_to_the_embedded_broker(program: Callable[[str], str]) -> None:
    with running(broker_for("embedded")) as at, Client(at) as listener:
        listener.subscribe("greeting")
        who = ["-h", at.host, "-p", f"{at.port}", "-u", f"{at.username}", "-P", f"{at.password}"]
        say = [program("mosquitto_pub"), *who, "-t", "greeting", "-m", "hello", "-q", "2"]
        subprocess.run(say, check=True, timeout=SOON_SECONDS)
        assert texts(listener.receive()) == ["hello"]


def test_amqtt_is_imported_only_where_an_embedded_broker_is_wanted() -> None:
    code = "import sys, labkit.system.broker; sys.exit('amqtt' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True, env={**os.environ, "PYTHONPATH": "."})


@pytest.mark.parametrize(
    ("wanted", "name"),
    [
        *((name, name) for name in ("embedded", "mosquitto", "rabbitmq", "nats")),
        ("mqtt://broker.example", "elsewhere"),
    ],
)
def test_a_broker_goes_by_its_name_or_its_url(
    wanted: str, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert broker_for(wanted).name == name
    monkeypatch.setenv("LABKIT_BROKER", wanted)
    assert broker_for(None).name == name


def test_left_out_it_is_the_embedded_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("LABKIT_BROKER", raising=False)
    assert broker_for(None).name == "embedded"


def test_a_broker_is_taken_as_it_is() -> None:
    broker = Elsewhere("mqtt://broker.example")
    assert broker_for(broker) is broker


def test_an_unknown_broker_names_the_three(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(LabError, match=r'"embedded"(.|\n)*"mosquitto"(.|\n)*"mqtt://'):
        broker_for("rabbit")
    monkeypatch.setenv("LABKIT_BROKER", "rabbit")
    with pytest.raises(LabError, match="'rabbit' \\(from LABKIT_BROKER\\)"):
        broker_for(None)


def test_an_address_is_read_from_its_url() -> None:
    address = Address.parse("mqtt://me:p%40ss@broker.example:1884/class/table-3/")
    assert address == Address("broker.example", 1884, "me", "p@ss", "class/table-3")
    assert Address.parse("mqtt://broker.example") == Address("broker.example", 1883)
    assert Address.parse("mqtt://[::1]:1884").url == "mqtt://[::1]:1884"


def test_an_address_does_not_tell_its_password() -> None:
    address = Address.parse("mqtt://me:secret@broker.example/class")
    assert address.url == "mqtt://me@broker.example:1883/class"
    assert "secret" not in f"{address!r} {address}"
    with pytest.raises(LabError) as error:
        Address.parse("mqtt://me:secret@broker.example:port")
    assert "secret" not in str(error.value)


@pytest.mark.parametrize(
    ("url", "complaint"),
    [
        ("broker.example", "mqtt:// is missing"),
        ("http://broker.example", "it begins with 'http'"),
        ("mqtts://broker.example", "it begins with 'mqtts'"),
        ("mqtt://", "the host is missing"),
        ("mqtt://broker.example:high", "[Pp]ort"),
        ("mqtt://broker.example:99999", "[Pp]ort"),
        ("mqtt://broker.example/a/#", "namespace"),
        ("mqtt://broker.example/a/+", "namespace"),
    ],
)
def test_what_is_no_address_is_told_the_form(url: str, complaint: str) -> None:
    with pytest.raises(
        LabError, match=rf"{complaint}(.|\n)*mqtt://user:password@host:1883/namespace"
    ):
        Address.parse(url)


def test_a_namespace_comes_first_in_each_topic() -> None:
    assert Address("host", 1883).topic("event/OrderPlaced") == "event/OrderPlaced"
    there = Address("host", 1883, namespace="class")
    assert there.topic("event/OrderPlaced") == "class/event/OrderPlaced"


def test_those_who_share_a_broker_get_namespaces_of_their_own(here: Background) -> None:
    one, other = Elsewhere("mqtt://broker.example"), Elsewhere("mqtt://broker.example")
    namespaces = {here.run(broker.start()).namespace for broker in (one, other, one)}
    assert len(namespaces) == 2
    assert here.run(Elsewhere("mqtt://broker.example/class").start()).namespace == "class"


def can_talk(at: Address) -> bool:
    with Client(at) as client:
        topic = fresh()
        client.subscribe(topic)
        client.publish(topic, "hello")
        return texts(client.receive()) == ["hello"]


def waiting_after_restart(broker: Broker, here: Background) -> list[str]:
    at = here.run(broker.start())
    with Client(at, "sleeper", clean=False) as sleeper:
        sleeper.subscribe("waiting")
    with Client(at) as speaker:
        speaker.publish_all("waiting", numbers(3))
    here.run(broker.stop())
    at = here.run(broker.start())
    with Client(at, "sleeper", clean=False) as sleeper, Client(at) as speaker:
        sleeper.subscribe("waiting")
        speaker.publish("waiting", "end")
        seen = texts(sleeper.receive_until("end"))
    here.run(broker.stop())
    return seen


def listens(at: Address) -> bool:
    with socket.socket() as knock:
        return knock.connect_ex((at.host, at.port)) == 0


def in_time(condition: Callable[[], bool]) -> bool:
    deadline = time.monotonic() + SOON_SECONDS
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True
