"""A class keeps to what a service is, or says at once what is wrong and how to mend it."""

import asyncio
import threading
from itertools import pairwise

import pytest

from labkit import Event, Lab, unavailable
from labkit.shop import Inventory, OrderPlaced, Payment, PaymentCharged, careful
from labkit.system.errors import BadMessage, LabError, NotAService
from labkit.system.service import Service, command, name_of, on


async def look_up(ask, *about):
    return ask(*about)


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
    assert Till().topics == [
        "command/Till/+",
        "event/OrderPlaced",
        "event/PaymentCharged",
        "retry/Till",  # where its dead letters come again, to nobody else
    ]


def test_a_service_that_only_reacts_listens_to_no_command():
    class Diary(Service):
        @on(OrderPlaced)
        async def write(self, order):
            pass

    assert Diary().topics == ["event/OrderPlaced", "retry/Diary"]


def test_a_service_that_only_obeys_has_no_dead_letters_to_hear_again():
    class Lamp(Service):
        @command
        async def shine(self): ...

    assert Lamp().topics == ["command/Lamp/+"]


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
        lambda: careful.Payment().refund("o-1"),
        lambda: careful.Inventory().reserve("o-1"),
        lambda: look_up(Till().done, "paid", "o-1"),
        lambda: look_up(Till().times, "paid"),
    ],
    ids=["call", "publish", "effect", "effect once", "done", "done by name", "times"],
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


@pytest.mark.parametrize(
    "name",
    ["handle", "join", "call", "publish", "effect", "topics", "done", "times", "idempotency_key"],
)
def test_a_handler_can_not_take_the_place_of_what_every_service_has(name):
    async def method(self): ...

    method.__name__ = name
    with pytest.raises(NotAService, match=f"Bank.{name}: every service has a `{name}` already"):
        type("Bank", (Service,), {name: command(method)})


def test_a_command_can_not_have_an_argument_that_call_takes_for_itself():
    async def wait(self, timeout_seconds: float): ...
    async def wish(self, idempotency_key: str): ...

    with pytest.raises(NotAService, match="timeout_seconds"):
        command(wait)
    with pytest.raises(NotAService, match="idempotency_key: str can't be an argument"):
        command(wish)


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


# Keys, books and patience, in a lab on virtual time


class Bank(Service):
    """Pays once for each wish, and tells under which key."""

    @command
    async def pay(self, order_id: str) -> list[str | bool]:
        return [self.idempotency_key, self.effect("paid", order_id, 3, once=self.idempotency_key)]

    @command
    async def look(self, order_id: str) -> list[int | None]:
        found = self.done("paid", order_id)
        return [found.amount if found else None, self.times("paid")]

    @command
    async def fail_with(self, text: str) -> None:
        self.effect("failed", text, once=text)
        raise ValueError(text)


def test_a_caller_says_that_two_calls_are_one_wish():
    async def run():
        async with Lab(Bank, simulate=1) as lab:
            answers = [
                await lab.call(Bank.pay, order_id="o-1", idempotency_key=key)
                for key in ("mine", "mine", "other", None, None)
            ]
            trace = await lab.quiet()
            return answers, [m.id for m in trace.sent(Bank.pay)], lab.ledger.keys("paid")

    answers, ids, paid = asyncio.run(run())
    assert answers[:3] == [["mine", True], ["mine", False], ["other", True]]
    # Without a key of the caller's each call is a wish of its own: that of its message's id.
    assert answers[3:] == [[ids[3], True], [ids[4], True]]
    assert paid == ["o-1"] * 4


def test_who_handles_nothing_has_no_idempotency_key():
    with pytest.raises(LabError, match="Bank handles no message just now"):
        _ = Bank().idempotency_key


def test_a_service_finds_in_its_books_what_it_did_before_it_crashed():
    async def run():
        async with Lab(Bank, simulate=1) as lab:
            before = await lab.call(Bank.look, order_id="o-1")
            for number in (1, 2):
                await lab.call(Bank.pay, order_id=f"o-{number}")
            await lab.crash(Bank)
            await lab.wake(Bank)
            known = [await lab.call(Bank.look, order_id=f"o-{number}") for number in (1, 2, 3)]
            return before, known

    assert asyncio.run(run()) == ([None, 0], [[3, 2], [3, 2], [None, 2]])


def test_the_books_of_two_services_are_two():
    class Other(Bank):
        pass

    async def run():
        async with Lab(Bank, Other, simulate=1) as lab:
            await lab.call(Bank.pay, order_id="o-1", idempotency_key="k")
            paid = await lab.call(Other.pay, order_id="o-1", idempotency_key="k")
            return paid, await lab.call(Other.look, order_id="o-1")

    assert asyncio.run(run()) == (["k", True], [3, 1])


class Pinged(Event):
    number: int = 0


def tries(kind, *faults):
    """At which virtual times a reaction is tried, and how often it is given up."""

    async def run():
        async with Lab(kind, simulate=1, faults=faults) as lab:
            clock = lab._loop
            kind.tries = lambda: tried.append(clock.time())
            tried.clear()
            await lab.publish(Pinged())
            trace = await lab.quiet(at_most_seconds=1000)
            return [m for m in trace.sent() if m.kind == "dead"]

    tried = []
    dead = asyncio.run(run())
    waits = [round(later - earlier, 6) for earlier, later in pairwise(tried)]
    return waits, len(dead)


class Failing(Service):
    retries, retry_seconds = 4, 3.0

    @on(Pinged)
    async def ping(self, pinged: Pinged):
        type(self).tries()
        raise ValueError("not today")


def test_between_two_tries_a_service_waits_twice_as_long_each_time():
    assert tries(Failing) == ([3.0, 6.0, 12.0, 24.0], 1)


def test_a_service_without_retries_gives_up_at_once():
    class Hasty(Failing):
        retries = 0

    assert tries(Hasty) == ([], 1)


def test_a_try_that_works_is_the_last():
    class Second(Failing):
        @on(Pinged)
        async def ping(self, pinged: Pinged):
            type(self).tries()
            if not self.done("failed", "once"):
                self.effect("failed", "once")
                raise ValueError("not yet")

    assert tries(Second) == ([3.0], 0)


def test_who_is_unavailable_for_all_tries_does_not_even_begin():
    assert tries(Failing, unavailable(Failing)) == ([], 1)


def test_what_a_service_says_because_of_one_message_is_numbered_by_its_type():
    class Said(Event):
        number: int

    class Other(Event):
        pass

    class Talker(Service):
        @on(Pinged)
        async def talk(self, pinged: Pinged):
            for number in range(pinged.number):
                await self.publish(Said(number=number))
            await self.publish(Other())

    async def run(number):
        async with Lab(Talker, simulate=1) as lab:
            await lab.publish(Pinged(number=number))
            trace = await lab.quiet()
            return [m.id for m in trace.sent(Said)], [m.id for m in trace.sent(Other)]

    few, many = asyncio.run(run(1)), asyncio.run(run(3))
    # However much of the one it says, the other keeps its id: as after a crash, say.
    assert many[0][:1] == few[0]
    assert many[1] == few[1]
    assert len({*many[0], *many[1]}) == 4
