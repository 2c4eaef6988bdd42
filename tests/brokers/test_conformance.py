"""The embedded broker and Mosquitto give the same answers: what is learned on one holds on both."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from labkit.system.broker import Address, broker_for
from tests.brokers import probes
from tests.brokers.conftest import answers
from tests.brokers.hosting import running


@dataclass(frozen=True)
class Feature:
    """A probe, what it must see, and which of amqtt's measured defects it would find."""

    name: str
    probe: Callable[[Address], Any]
    expected: Any
    defect: int | None = None

    def __str__(self) -> str:
        return f"{self.probe.__name__}"


FEATURES = [
    Feature(
        "QoS 0, 1, 2",
        probes.every_qos_delivers_in_order_once,
        {qos: (True, {qos}) for qos in (0, 1, 2)},
    ),
    Feature(
        "publish 200, leave at once",
        probes.publish_and_exit,
        {"QoS 0": 200, "QoS 1": 200},
        defect=1,
    ),
    Feature(
        "unacknowledged, then crash",
        probes.unacknowledged_messages,
        {"first": ["0", "1", "2"], "again": ["1", "2"], "marked": [True, True]},
        defect=2,
    ),
    Feature(
        "acknowledged after 5.5 s",
        probes.a_slow_acknowledgement,
        {"in hand": ["slow"], "meanwhile": [], "again": ["slow"], "acknowledged": []},
        defect=2,
    ),
    Feature(
        "the smaller QoS counts",
        probes.the_smaller_qos_counts,
        {"0 to 1": 0, "1 to 0": 0, "2 to 1": 1, "1 to 2": 1},
        defect=3,
    ),
    Feature(
        "retained, not asked for",
        probes.retained_messages_of_others,
        [],
        defect=4,
    ),
    Feature(
        "two clients of one name",
        probes.take_over,
        {"clean": (True, ["x"]), "persistent": (True, ["x"])},
        defect=5,
    ),
    Feature(
        "$share, 100 messages",
        probes.sharing,
        (50, 50),
        defect=6,
    ),
    Feature(
        "persistent session, 10 waiting",
        probes.a_persistent_session,
        {"session present": (False, True), "in order": True, "retain flags": {False}},
        defect=7,
    ),
    Feature("clean session", probes.a_clean_session, {"after a clean one": False, "again": True}),
    Feature("burst of 500, in order", probes.a_burst, True),
    Feature("500 across a crash, in order", probes.order_across_a_crash, True),
    Feature("500 in hand", probes.messages_in_hand, 500),
    Feature("subscribing again", probes.a_second_subscription_replaces_the_first, [1]),
    Feature("overlapping subscriptions", probes.overlapping_subscriptions, 1),
    Feature("unsubscribing", probes.unsubscribing, []),
    Feature(
        "retained",
        probes.retained_messages,
        {"before": [("kept", False)], "after": [("kept", True)], "cleared": []},
    ),
    Feature(
        "retained, under a wildcard",
        probes.retained_messages_under_a_wildcard,
        ["0", "1", "2", "3", "4"],
    ),
    Feature(
        "last will",
        probes.last_will,
        {"crash": [("gone", False)], "goodbye": [], "kept": [("kept", True)]},
    ),
    Feature("last will, keep alive", probes.the_will_of_one_who_falls_silent, ["gone"]),
    Feature(
        "wildcards",
        probes.wildcards,
        {"/+": ["/b"], "/+/c": ["/b/c"], "/#": ["itself", "/b", "/b/c", "/b/d", "/b/c/d"]},
    ),
    Feature("# hides $", probes.dollar_topics, {"#": [], "itself": ["hidden"]}),
    Feature("characters", probes.topic_characters, ["a.b", "a b", "żółć", "a//b", "a*b"]),
    Feature("payloads up to 2 MB", probes.large_payloads, [64, 256, 1000, 2000]),
    Feature(
        "strangers",
        probes.strangers,
        {"anonymous": "Not authorized", "wrong password": "Not authorized"},
    ),
    Feature(
        "a stranger with a known name",
        probes.a_stranger_with_a_known_name,
        (False, ["still here"]),
    ),
]


@pytest.fixture(
    scope="module",
    params=["embedded", pytest.param("mosquitto", marks=pytest.mark.needs("mosquitto"))],
)
def broker(request: pytest.FixtureRequest) -> Iterator[tuple[str, Address]]:
    with running(broker_for(request.param)) as address:
        yield request.param, address


@pytest.mark.parametrize("feature", FEATURES, ids=str)
def test_it_answers_as_the_protocol_says(
    broker: tuple[str, Address], feature: Feature, request: pytest.FixtureRequest
) -> None:
    name, address = broker
    row = request.config.stash[answers].setdefault(feature.name, {})
    row[name] = "gave no answer"
    found = feature.probe(address)
    row[name] = "ok" if found == feature.expected else f"{found}"
    assert found == feature.expected


def test_each_of_the_seven_defects_is_looked_for() -> None:
    assert {feature.defect for feature in FEATURES} - {None} == set(range(1, 8))
