"""A class keeps to what a service is, or says at once what is wrong and how to mend it."""

import asyncio
import threading

import pytest

from labkit.shop import Inventory, OrderPlaced, Payment, PaymentCharged
from labkit.system.errors import BadMessage, LabError, NotAService
from labkit.system.service import Service, command, name_of, on


class Till(Service):
    """Asks others, and is asked; some of it can't be."""

    @command
    async def pay(self, order_id: str, amount: int = 1) -> str:
        return f"{amount} for {order_id}"

    @on(OrderPlaced, PaymentCharged)
    async def remember(self, event):
        self.last = event

    def add(self, one, other):
        return one + other


def test_a_service_listens_to_its_commands_and_to_its_events():
    assert Till().topics == ["command/Till/+", "event/OrderPlaced", "event/PaymentCharged"]


def test_a_service_that_only_reacts_listens_to_no_command():
    class Diary(Service):
        @on(OrderPlaced)
        async def write(self, order):
            pass

    assert Diary().topics == ["event/OrderPlaced"]


def test_a_command_is_named_by_the_class_that_is_asked():
    class QuickTill(Till):
        pass

    assert (Till.pay.topic, QuickTill.pay.topic) == ("command/Till/pay", "command/QuickTill/pay")
    assert repr(Till.pay) == "Till.pay(order_id: str, amount: int = 1) -> str"


def test_a_service_may_use_its_own_command_as_a_method():
    assert asyncio.run(Till().pay("o-1")) == "1 for o-1"


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        ({}, "order_id is missing"),
        ({"order_id": 5}, "order_id=5: input should be a valid string"),
        ({"order_id": "o-1", "ammount": 2}, "it has no ammount (did you mean amount?)"),
        ({"order_id": "o-1", "amount": "much"}, "amount='much': input should be a valid integer"),
    ],
)
def test_a_wrong_argument_is_named_with_what_the_command_takes(arguments, complaint):
    with pytest.raises(BadMessage) as caught:
        Till.pay.arguments(arguments)
    assert complaint in str(caught.value)
    assert "Till.pay(order_id: str, amount: int = 1)" in str(caught.value)


def test_a_command_with_parentheses_is_told_how_to_be_written():
    with pytest.raises(BadMessage, match=r"`await lab\.call\(Payment\.charge, …\)`"):
        Payment.charge(order_id="o-1", amount=3)


@pytest.mark.parametrize("not_a_command", [Till.add, "Till.pay", None, Till().pay, Till])
def test_only_a_command_can_be_called(not_a_command):
    with pytest.raises(BadMessage, match="mark it with @command"):
        asyncio.run(Till().call(not_a_command))


@pytest.mark.parametrize("not_an_event", ["OrderPlaced", OrderPlaced, {"order_id": "o-1"}, None])
def test_only_an_event_can_be_published(not_an_event):
    with pytest.raises(BadMessage, match="publish takes an event that you made"):
        asyncio.run(Till().publish(not_an_event))


@pytest.mark.parametrize(
    "say",
    [
        lambda: Till().call(Payment.charge, order_id="o-1", amount=3),
        lambda: Till().publish(OrderPlaced(order_id="o-1", amount=3)),
        lambda: Payment().charge("o-1", 3),
    ],
    ids=["call", "publish", "effect"],
)
def test_a_service_in_no_lab_says_how_to_start_one(say):
    with pytest.raises(
        LabError, match=r"is in no lab, so nobody hears it.\nStart one: `async with"
    ):
        asyncio.run(say())


@pytest.mark.parametrize(
    "not_an_event",
    ["OrderPlaced", OrderPlaced(order_id="o-1", amount=3), int, Till, None],
    ids=["a text", "an instance", "another class", "a service", "nothing"],
)
def test_a_reaction_needs_an_event_class(not_an_event):
    with pytest.raises(NotAService, match="@on needs an event class") as caught:
        on(not_an_event)
    assert "without quotes and without parentheses" in str(caught.value)


def test_a_reaction_to_nothing_is_none():
    with pytest.raises(NotAService, match=r"@on needs the event to react to: `@on\(OrderPlaced\)`"):
        on()


async def no_event(self): ...
async def two_events(self, one, other): ...
def synchronous(self, event): ...


@pytest.mark.parametrize("method", [no_event, two_events, synchronous])
def test_a_reaction_takes_one_event_and_awaits(method):
    with pytest.raises(NotAService) as caught:
        on(OrderPlaced)(method)
    assert f"`async def {method.__name__}(self, event: OrderPlaced):`" in str(caught.value)


def test_a_command_is_asynchronous():
    with pytest.raises(NotAService, match=r"write `async def charge\(self, …\):`"):

        class Bank(Service):
            @command
            def charge(self): ...


def test_a_command_in_parentheses_is_marked_all_the_same_or_told_of():
    with pytest.raises((NotAService, TypeError), match=r"@command|command"):

        class Bank(Service):
            @command()
            async def charge(self): ...


@pytest.mark.parametrize("name", ["handle", "join", "call", "publish", "effect", "topics"])
def test_a_handler_can_not_take_the_place_of_what_every_service_has(name):
    async def method(self): ...

    method.__name__ = name
    with pytest.raises(NotAService, match=f"Bank.{name}: every service has a `{name}` already"):
        type("Bank", (Service,), {name: command(method)})


def test_a_command_can_not_have_an_argument_that_call_takes_for_itself():
    async def wait(self, timeout_seconds: float): ...

    with pytest.raises(NotAService, match="timeout_seconds"):
        command(wait)


def test_a_command_is_told_its_arguments_by_name():
    async def gather(self, *orders): ...
    async def keep(self, **orders): ...

    for method in (gather, keep):
        with pytest.raises(NotAService, match="orders can't be an argument"):
            command(method)


def test_a_type_that_can_not_travel_is_told_of_with_the_types_that_can():
    class Bank(Service):
        @command
        async def keep(self, lock: threading.Event) -> int: ...

        @command
        async def give(self) -> threading.Event: ...

    with pytest.raises(NotAService, match=r"Bank.keep has a type that can't travel as JSON"):
        Bank.keep.arguments({"lock": 1})
    with pytest.raises(NotAService, match=r"Use numbers, texts, lists, dicts or an Event"):
        _ = Bank.give.result


def test_a_service_is_named_by_its_class_only():
    class Bank(Service):
        def __init__(self):
            self.name = "The Bank"

    with pytest.raises(NotAService, match=r"called by its class, Bank, not 'The Bank'"):
        Bank()


def test_a_service_is_known_by_its_class_and_by_an_instance():
    assert name_of(Inventory) == name_of(Inventory(stock=3)) == "Inventory"


@pytest.mark.parametrize("other", ["Inventory", None, OrderPlaced, Payment.charge])
def test_what_is_no_service_has_no_name_here(other):
    with pytest.raises(LabError, match=r"Inventory|None|OrderPlaced|Payment"):
        name_of(other)
