"""A fault is a plain value, and its dice fall alike wherever they are thrown."""

import asyncio
import math
from collections import Counter
from contextlib import suppress
from functools import partial

import pytest

from labkit import Event, NoReply, Service, Unavailable, command, on
from labkit.lab import Lab
from labkit.shop import Inventory, OrderPlaced, OrderRejected, Payment
from labkit.steps import Step
from labkit.system.errors import LabError
from labkit.system.faults import (
    Faulty,
    Luck,
    after_effect,
    before_effect,
    before_publish,
    delay,
    duplicate,
    kill,
    mute,
    partition,
    reorder,
    reply_lost,
    slow,
    unavailable,
)
from labkit.system.message import say


class Wire:
    """A transport as short as can be: what is published is delivered to all who listen."""

    def __init__(self):
        self.ears = []

    async def publish(self, topic, message):
        for ear in self.ears:
            await ear(message)

    async def subscribe(self, topic, deliver):
        self.ears.append(deliver)


def befallen(*faults, seed=1, orders=200, owner="Payment", kind="event", comes_again=False):
    """So many orders as they reach a receiver, and what was noted of them."""
    wire, seen, notes = Wire(), [], []

    async def deliver(message):
        seen.append(message)

    async def run():
        faulty = Faulty(wire, Luck(owner, faults, seed), lambda *note: notes.append(note))
        await faulty.subscribe("event/OrderPlaced", deliver)
        for n in range(1, orders + 1):
            message = say(kind, "OrderPlaced", "you", {}, nth=n)
            for _ in range(2 if comes_again else 1):
                await wire.publish("event/OrderPlaced", message)

    asyncio.run(run())
    return seen, notes


def struck(*faults, **how):
    """Which of so many orders are struck at their receiver."""
    seen, notes = befallen(*faults, **how)
    ids = [message.id for message in seen if message.struck]
    assert all(message.struck_times for message in seen if message.struck)
    assert [message.id for _, message, _ in notes] == ids
    return ids


def test_a_seed_strikes_the_same_messages_again():
    assert struck(unavailable(Payment, 0.5)) == struck(unavailable(Payment, 0.5))


def test_another_seed_strikes_others():
    assert struck(unavailable(Payment, 0.5)) != struck(unavailable(Payment, 0.5), seed=2)


def test_two_receivers_throw_dice_of_their_own():
    other = struck(unavailable(Inventory, 0.5), owner="Inventory")
    assert struck(unavailable(Payment, 0.5)) != other


@pytest.mark.parametrize(("chance", "least", "most"), [(0, 0, 0), (1, 200, 200), (0.5, 70, 130)])
def test_a_chance_strikes_about_its_share(chance, least, most):
    assert least <= len(struck(unavailable(Payment, chance))) <= most


def test_the_fate_of_one_message_hangs_on_no_other():
    few = struck(unavailable(Payment, 0.5), orders=20)
    assert struck(unavailable(Payment, 0.5), orders=200)[: len(few)] == few


def test_a_fault_strikes_its_own_service_only():
    assert struck(unavailable(Inventory)) == []


@pytest.mark.parametrize("kind", ["reply", "dead", "status", "unreadable"])
def test_only_events_and_commands_are_struck(kind):
    assert struck(unavailable(Payment), kind=kind) == []


def test_nothing_that_a_mute_service_says_arrives():
    wire, heard, notes = Wire(), [], []

    async def run():
        await wire.subscribe("event/E", lambda message: heard.append(message))
        luck = Luck("Payment", [mute(Payment)], 1)
        await Faulty(wire, luck, lambda *note: notes.append(note)).publish(
            "event/E", say("event", "E", "Payment", {}, nth=1)
        )

    asyncio.run(run())
    assert heard == []
    assert [(topic, words) for topic, _, words in notes] == [
        ("event/E", "lost: nothing that it says arrives")
    ]


@pytest.mark.parametrize("chance", [1.5, -0.1, float("nan"), 50])
def test_a_chance_lies_between_0_and_1(chance):
    with pytest.raises(LabError, match=f"unavailable: a chance lies between 0 and 1.*{chance}"):
        unavailable(Payment, chance)


@pytest.mark.parametrize("seconds", [-1, -0.001, float("nan"), float("inf")])
def test_one_can_not_wait_for_less_than_nothing_or_for_ever(seconds):
    with pytest.raises(LabError, match=f"slow: {seconds} seconds is not a time to wait"):
        slow(Payment, seconds)


FOR_MESSAGES = [
    unavailable,
    duplicate,
    reorder,
    reply_lost,
    kill,
    before_effect,
    after_effect,
    before_publish,
    partial(slow, seconds=1.0),
    partial(delay, seconds=1.0),
]


@pytest.mark.parametrize("fault", FOR_MESSAGES)
@pytest.mark.parametrize(
    ("when", "complaint"),
    [
        ({"chance": 1.5}, "a chance lies between 0 and 1; this one is 1.5"),
        ({"nth": 0}, "nth counts from 1; this one is 0"),
        ({"nth": 1.5}, "nth counts from 1; this one is 1.5"),
        ({"after": -1}, "after counts messages; this one is -1"),
        ({"mesage": OrderPlaced}, r"has no mesage \(did you mean message\?\); it has .*after.*nth"),
        ({"message": "OrderPlaced"}, "message= takes an event such as OrderPlaced or a command"),
        ({"message": Payment}, "message= takes an event such as OrderPlaced or a command"),
    ],
)
def test_when_a_fault_strikes_is_said_so_that_it_can_be_or_complained_of(fault, when, complaint):
    with pytest.raises(LabError, match=complaint):
        fault(Payment, **when)


@pytest.mark.parametrize("fault", FOR_MESSAGES)
def test_a_command_names_its_message_already(fault):
    with pytest.raises(LabError, match=r"\(Payment.charge\) names its message already"):
        fault(Payment.charge, message=Payment.refund)


@pytest.mark.parametrize("fault", [unavailable, duplicate, reply_lost])
def test_only_who_dies_can_be_back(fault):
    with pytest.raises(LabError, match="has no back_after_seconds"):
        fault(Payment, back_after_seconds=1.0)


@pytest.mark.parametrize("seconds", [-1, float("nan")])
def test_nobody_is_back_before_it_has_died(seconds):
    with pytest.raises(LabError, match=f"kill: {seconds} seconds is not a time to wait"):
        kill(Payment, back_after_seconds=seconds)


@pytest.mark.parametrize("seconds", [-1, float("nan"), math.inf])
@pytest.mark.parametrize(
    "fault",
    [
        partial(delay, Payment),
        partial(partition, Payment),
        lambda seconds: partition(Payment, 1.0, begins_seconds=seconds),
    ],
)
def test_a_delay_and_a_partition_begin_and_end(fault, seconds):
    with pytest.raises(LabError, match=f"(delay|partition): {seconds} seconds is not a time"):
        fault(seconds)


def test_nobody_answers_an_event_so_its_reply_can_not_be_lost():
    with pytest.raises(LabError, match="reply_lost: nobody answers OrderPlaced"):
        reply_lost(Payment, message=OrderPlaced)


def test_a_fault_of_a_message_that_is_not_listened_to_is_told_of_with_those_that_are():
    with pytest.raises(
        LabError, match=r"does not listen to OrderRejected.*; it listens to .*Order"
    ):
        Lab(Payment, faults=[unavailable(Payment, message=OrderRejected)])

    class OrderPlaces(Event):
        pass

    with pytest.raises(LabError, match=r"OrderPlaces \(did you mean OrderPlaced\?\)"):
        Lab(Payment, faults=[delay(Payment, 1.0, message=OrderPlaces)])


def test_a_fault_of_a_service_that_is_not_in_the_lab_names_those_that_are():
    with pytest.raises(LabError, match="There is no Inventory in this lab; there are Payment"):
        Lab(Payment, faults=[unavailable(Inventory)])


def test_a_fault_in_an_empty_lab_says_so():
    with pytest.raises(LabError, match="There is no Inventory in this lab") as caught:
        Lab(faults=[unavailable(Inventory)])
    assert "there are ." not in str(caught.value)


def test_one_fault_needs_no_list():
    assert "Payment" not in repr(Lab(Payment, faults=unavailable(Payment)).trace)


@pytest.mark.parametrize("fault", [unavailable, mute])
@pytest.mark.parametrize("service", ["Payment", None, OrderPlaced])
def test_a_fault_needs_a_service(fault, service):
    with pytest.raises(LabError):
        fault(service)


def test_a_fault_knows_its_service_by_an_instance_too():
    assert unavailable(Inventory(stock=1)) == unavailable(Inventory)


def test_nth_strikes_that_one_and_after_all_that_follow():
    assert struck(unavailable(Payment, nth=3), orders=5) == ["you-3"]
    assert struck(unavailable(Payment, after=3), orders=5) == ["you-4", "you-5"]
    assert struck(unavailable(Payment, nth=3, after=3), orders=5) == []


def test_a_message_that_comes_again_is_not_counted():
    again = partial(befallen, orders=3, comes_again=True)
    ids = [m.id for _, m, _ in again(duplicate(Payment, nth=2))[1]]
    assert ids == ["you-2"]
    ids = [m.id for _, m, _ in again(duplicate(Payment, after=2))[1]]
    assert ids == ["you-3", "you-3"]


def test_what_comes_again_after_others_keeps_its_own_number():
    luck = Luck("Payment", [slow(Payment, 1.0, after=1)], 1)
    first, second = (say("event", "OrderPlaced", "you", {}, nth=n) for n in (1, 2))
    assert [len(luck.strikes(m, "slow")) for m in (first, second, first)] == [0, 1, 0]


def test_who_is_unavailable_with_a_chance_is_so_for_some_tries():
    luck = Luck("Payment", [unavailable(Payment, 0.5)], 1)
    orders = [say("event", "OrderPlaced", "you", {}, nth=n) for n in range(400)]
    tries = Counter(luck.tries_struck(luck.faults[0], order) for order in orders)
    assert 150 < tries[0] < 250 > tries[1] > tries[2] > 0
    always = Luck("Payment", [unavailable(Payment)], 1)
    assert always.tries_struck(always.faults[0], orders[0]) == 20


# From here on in a lab, on virtual time


class Counted(Event):
    number: int


class Told(Event):
    number: int


class Teller(Service):
    """Counts, and tells that it has counted."""

    @on(Counted)
    async def count(self, counted: Counted):
        self.effect("counted", counted.number)
        await self.publish(Told(number=counted.number))

    @command
    async def add(self, number: int) -> int:
        self.effect("added", number)
        return number + 1


class Listener(Service):
    @on(Told)
    async def hear(self, told: Told):
        self.effect("heard", told.number)

    @on(Counted)
    async def see(self, counted: Counted):
        pass


def tell(*faults, numbers=(1,), seed=1, services=(Teller, Listener), one_by_one=False):
    """So many events told to the Teller: the trace and the ledger."""

    async def run():
        async with Lab(*services, faults=faults, simulate=seed) as lab:
            for number in numbers:
                await lab.publish(Counted(number=number))
                if one_by_one:
                    await lab.quiet()
            return await lab.quiet(at_most_seconds=300), lab.ledger

    return asyncio.run(run())


def add(*faults, numbers=(1,), seed=1):
    """So many commands, one after the other: the answers, the trace and the ledger."""

    async def run():
        async with Lab(Teller, faults=faults, simulate=seed) as lab:
            answers = []
            for number in numbers:
                try:
                    answers.append(await lab.call(Teller.add, number=number, timeout_seconds=1.5))
                except LabError as error:
                    answers.append(type(error))
            return answers, await lab.quiet(), lab.ledger

    return asyncio.run(run())


def notes(trace):
    """What struck whom, in the order of the run."""
    return [(m.where, m.note) for m in trace if m.what == "struck"]


def seconds_on_its_way(trace, kind=Counted):
    sent = {m.message.id: m.seconds for m in trace if m.what == "sent"}
    return [
        m.seconds - sent[m.message.id]
        for m in trace
        if m.what == "received" and m.where == "Teller" and m.message.type == kind.__name__
    ]


STRIKES = {
    "unavailable": (unavailable(Teller), "unavailable"),
    "slow": (slow(Teller, 0.5), "slow: 0.5 s"),
    "delay": (delay(Teller, 0.5), "delay: 0.5 s"),
    "duplicate": (duplicate(Teller), "delivered twice"),
    "reorder": (reorder(Teller), "overtaken"),
    "partition": (partition(Teller, 0.5), "held back: no connection"),
}


@pytest.mark.parametrize("what", STRIKES)
def test_what_strikes_a_message_is_told_wherever_one_looks(what):
    fault, words = STRIKES[what]
    trace, _ = tell(fault, numbers=(1, 2))
    first = trace.sent(Counted)[0]
    moments = [m for m in trace if m.what == "struck" and m.message == first]
    assert {(m.where, m.note) for m in moments} == {("Teller", words)}
    (step,) = (s for s in trace.steps() if isinstance(s, Step) and s.message == first)
    assert step.struck == {"Teller": words}
    assert f"fault at Teller: {words}" in trace.text()
    assert f"fault at Teller: {words}" in repr(trace.table())


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        (mute(Teller), "lost: nothing that it says arrives"),
        (reply_lost(Teller), "lost: its reply never arrives"),
    ],
)
def test_what_is_lost_is_told_too(fault, words):
    answers, trace, ledger = add(fault)
    assert answers == [NoReply]
    assert len(ledger.keys("added")) == 1
    assert notes(trace) == [("Teller", words)]
    assert f"fault at Teller: {words}" in trace.text()
    assert f"fault at Teller: {words}" in repr(trace.table())


def test_who_is_unavailable_does_nothing_and_the_caller_hears_of_it():
    answers, _, ledger = add(unavailable(Teller.add, nth=2), numbers=(1, 2, 3))
    assert answers == [2, Unavailable, 4]
    assert ledger.keys("added") == ["1", "3"]


def test_who_is_unavailable_for_an_event_tries_again_and_buries_it():
    trace, ledger = tell(unavailable(Teller))
    assert ledger.keys("counted") == []
    assert [m.type for m in trace.sent() if m.kind == "dead"] == ["Counted"]
    assert "Teller was not available" in trace.problems()[0]


@pytest.mark.parametrize("fault", [slow, delay])
def test_what_is_late_is_late_by_so_much_and_all_at_the_same_time(fault):
    on_its_way = seconds_on_its_way(tell(fault(Teller, 3.0), numbers=range(5))[0])
    assert len(on_its_way) == 5
    assert all(3.0 < seconds < 3.1 for seconds in on_its_way)
    on_its_way = seconds_on_its_way(tell(fault(Teller, 3.0, nth=2), numbers=range(3))[0])
    assert sorted(seconds > 3 for seconds in on_its_way) == [False, False, True]


def test_what_comes_twice_is_handled_twice_unless_one_takes_care():
    trace, ledger = tell(duplicate(Teller))
    assert ledger.keys("counted") == ["1", "1"]
    assert len(trace.received(Counted, by=Teller)) == 2
    assert len(trace.received(Counted, by=Listener)) == 1


def order_heard(trace):
    return [m.message.data["number"] for m in trace if m.what == "received" and m.where == "Teller"]


def test_reorder_lets_the_next_one_pass():
    numbers = range(1, 7)
    assert order_heard(tell(numbers=numbers)[0]) == [1, 2, 3, 4, 5, 6]
    assert order_heard(tell(reorder(Teller, nth=2), numbers=numbers)[0]) == [1, 3, 2, 4, 5, 6]
    # All of them, at once: who passes another one does not wait itself.
    assert order_heard(tell(reorder(Teller), numbers=numbers)[0]) == [2, 1, 4, 3, 6, 5]


def test_a_message_that_nothing_follows_is_not_overtaken():
    trace, ledger = tell(reorder(Teller))
    assert (notes(trace), ledger.keys("counted")) == ([], ["1"])


def test_a_mute_service_works_and_only_its_words_are_lost():
    trace, ledger = tell(mute(Teller))
    assert (ledger.keys("counted"), ledger.keys("heard")) == (["1"], [])
    assert [(message.type, who) for message, who in trace.lost()] == [("Told", "Listener")]


def test_a_message_may_be_named_by_its_type():
    class Other(Teller):
        pass

    fault = unavailable(Other, message=Counted)

    async def run():
        async with Lab(Other, faults=fault, simulate=1) as lab:
            await lab.publish(Counted(number=1))
            answer = await lab.call(Other.add, number=1)
            await lab.quiet()
            return answer, lab.ledger.keys("counted")

    assert asyncio.run(run()) == (2, [])


def test_a_partition_holds_back_both_directions_and_lets_all_through_in_order():
    class Clock(Service):
        """Speaks by itself, once it is asked to."""

        @on(Counted)
        async def tick(self, counted: Counted):
            for number in range(10 * counted.number, 10 * counted.number + 3):
                await self.publish(Told(number=number))
                await asyncio.sleep(0.3)

    async def run():
        cut = partition(Clock, 5.0, begins_seconds=1.0)
        async with Lab(Clock, Listener, faults=cut, simulate=1) as lab:
            await asyncio.sleep(0)
            await lab.publish(Counted(number=0))
            await lab.quiet()
            before = list(lab.ledger.keys("heard"))
            await lab._loop.run(asyncio.sleep(1.5 - lab._loop.time()))
            for number in (1, 2):
                await lab.publish(Counted(number=number))
            await lab._loop.run(asyncio.sleep(5.9 - lab._loop.time()))
            meanwhile = list(lab.ledger.keys("heard"))
            trace = await lab.quiet()
            return before, meanwhile, trace, lab.ledger

    before, meanwhile, trace, ledger = asyncio.run(run())
    assert (before, meanwhile) == (["0", "1", "2"], ["0", "1", "2"])
    heard = [int(e.key) for e in ledger if e.effect == "heard"]
    assert sorted(heard) == [0, 1, 2, 10, 11, 12, 20, 21, 22]
    arrived = [m for m in trace if m.what == "received" and m.where == "Clock"]
    assert [m.message.data["number"] for m in arrived] == [0, 1, 2]
    assert [m.seconds == pytest.approx(6.0) for m in arrived] == [False, True, True]
    held = [m.message.data["number"] for m in trace if m.note == "held back: no connection"]
    assert held == [1, 2]


def test_what_a_service_says_while_it_is_cut_off_is_said_afterwards_in_order():
    class Sleeper(Service):
        @on(Counted)
        async def say(self, counted: Counted):
            await asyncio.sleep(1.0)  # heard before the cut, said in it
            for number in range(5):
                await self.publish(Told(number=number))

    trace, ledger = tell(
        partition(Sleeper, 4.0, begins_seconds=0.5), services=(Sleeper, Listener), numbers=(1,)
    )
    assert [e.key for e in ledger if e.effect == "heard"] == ["0", "1", "2", "3", "4"]
    arrived = [m.seconds for m in trace if m.what == "received" and m.message.type == "Told"]
    assert min(arrived) > 4.49
    assert ("Sleeper", "held back: no connection") in notes(trace)


# Deaths

DEATHS = {
    kill: ("crashes", 1, 1),
    before_effect: ("crashes before an effect", 1, 1),
    after_effect: ("crashes after an effect", 2, 1),
    before_publish: ("crashes before it speaks", 2, 1),
}


@pytest.mark.parametrize("death", DEATHS)
def test_a_service_dies_at_its_point_and_does_its_work_when_it_is_back(death):
    words, effects, told = DEATHS[death]
    trace, ledger = tell(death(Teller, back_after_seconds=3.0))
    assert notes(trace) == [("Teller", words), ("Teller", "is back")]
    died, back = (m.seconds for m in trace if m.what == "struck")
    assert 3.0 <= back - died < 3.1
    assert len(ledger.keys("counted")) == effects
    assert len(trace.sent(Told)) == len(ledger.keys("heard")) == told
    assert len(trace.received(Counted, by=Teller)) == 2
    assert words in trace.text()


@pytest.mark.parametrize("death", DEATHS)
def test_a_death_strikes_a_message_once(death):
    words = DEATHS[death][0]
    trace, ledger = tell(death(Teller), numbers=(1, 2, 3), one_by_one=True)
    assert [note for _, note in notes(trace)] == [words, "is back"] * 3
    assert ledger.keys("heard") == ["1", "2", "3"]


@pytest.mark.parametrize("death", DEATHS)
def test_who_is_never_back_is_not_waited_for_and_may_be_woken(death):
    async def run():
        faults = death(Teller, back_after_seconds=math.inf)
        async with Lab(Teller, Listener, faults=faults, simulate=1) as lab:
            await lab.publish(Counted(number=1))
            await lab.quiet()
            gone = notes(lab.trace), lab.ledger.keys("heard")
            await lab.wake(Teller)
            await lab.quiet()
            return gone, lab.ledger.keys("heard")

    assert asyncio.run(run()) == (([("Teller", DEATHS[death][0])], []), ["1"])


def test_a_death_before_an_answer_is_named_by_its_command():
    answers, trace, ledger = add(before_publish(Teller.add))
    assert answers == [2]
    assert ledger.keys("added") == ["1", "1"]
    assert notes(trace) == [("Teller", "crashes before it speaks"), ("Teller", "is back")]


def test_what_is_counted_outlives_the_crash():
    faults = [kill(Teller, nth=1), unavailable(Teller, nth=3), duplicate(Teller, after=3)]
    trace, ledger = tell(*faults, numbers=(1, 2, 3, 4), one_by_one=True)
    assert ledger.keys("counted") == ["1", "2", "4", "4"]
    assert [note for _, note in notes(trace)] == [
        "crashes",
        "is back",
        "unavailable",
        "delivered twice",
    ]


class Stubborn(Service):
    """Does all that a handler can do to survive."""

    @on(Counted)
    async def live_on(self, counted: Counted):
        task = asyncio.create_task(self.later(counted.number))
        try:
            self.effect("counted", counted.number)
            await self.publish(Told(number=counted.number))
        except BaseException:
            with suppress(BaseException):
                self.effect("swallowed", counted.number)
            await self.publish(Told(number=100))
        finally:
            try:
                self.effect("finally", counted.number)
            finally:
                await self.publish(Told(number=200))
        await task

    async def later(self, number):
        await asyncio.sleep(0.1)
        self.effect("later", number)
        await self.publish(Told(number=300))


class Deaf(Stubborn):
    """Catches its own end, and returns as if nothing had been."""

    @on(Counted)
    async def live_on(self, counted: Counted):
        try:
            self.effect("counted", counted.number)
            await self.publish(Told(number=counted.number))
        except BaseException:
            pass


class Angry(Stubborn):
    """Makes an error of its own of its end."""

    @on(Counted)
    async def live_on(self, counted: Counted):
        try:
            self.effect("counted", counted.number)
            await self.publish(Told(number=counted.number))
        except BaseException as end:
            raise ValueError("not yet!") from end


class Crowd(Stubborn):
    """Works in tasks of a group."""

    @on(Counted)
    async def live_on(self, counted: Counted):
        async with asyncio.TaskGroup() as group:
            group.create_task(self.work(counted.number))
            group.create_task(self.later(counted.number))

    async def work(self, number):
        self.effect("counted", number)
        await self.publish(Told(number=number))


@pytest.mark.parametrize("stubborn", [Stubborn, Deaf, Angry, Crowd])
@pytest.mark.parametrize("death", DEATHS)
def test_whatever_a_handler_does_the_dead_neither_speak_nor_act(death, stubborn, caplog):
    where = {"message": Told} if death is before_publish else {}
    died = 1 if death in (after_effect, before_publish) else 0
    faults = death(stubborn, back_after_seconds=math.inf, **where)
    trace, ledger = tell(faults, services=(stubborn, Listener))
    assert [e.effect for e in ledger] == ["counted"] * died
    assert trace.sent() == trace.sent(Counted)
    assert trace.done(Counted, by=stubborn) == trace.failed(Counted, by=stubborn) == []
    assert caplog.text == ""


class Working(Stubborn):
    """Has work in hand that will not go quietly."""

    @on(Counted)
    async def live_on(self, counted: Counted):
        try:
            await asyncio.sleep(60)
        finally:
            self.effect("finally", counted.number)
            await self.publish(Told(number=200))


@pytest.mark.parametrize("by_a_fault", [True, False])
def test_work_that_others_have_in_hand_is_cut_off_without_a_last_word(by_a_fault):
    async def run():
        faults = [kill(Working, nth=3, back_after_seconds=math.inf)] if by_a_fault else []
        async with Lab(Working, Listener, faults=faults, simulate=1) as lab:
            for number in (1, 2, 3):
                await lab.publish(Counted(number=number))
            await lab._loop.run(asyncio.sleep(1.0))
            if not by_a_fault:
                await lab.crash(Working)
            gone = len(lab.ledger), lab.trace.sent(Told), lab._loop.time()
            await lab.wake(Working)
            trace = await lab.quiet(at_most_seconds=100)
            return gone, lab.ledger.keys("finally"), trace

    (effects, said, seconds), finally_, trace = asyncio.run(run())
    assert (effects, said) == (0, [])
    assert seconds < 2
    assert finally_ == ["1", "2", "3"]
    assert len(trace.done(Counted, by=Working)) == 3
    assert trace.failed() == []


@pytest.mark.parametrize("stubborn", [Stubborn, Deaf, Angry, Crowd])
def test_and_when_it_is_back_it_does_its_work_to_the_end(stubborn):
    trace, ledger = tell(after_effect(stubborn), services=(stubborn, Listener))
    assert ledger.keys("counted") == ["1", "1"]
    assert "1" in ledger.keys("heard")
    assert len(trace.done(Counted, by=stubborn)) == 1


# Dead letters


class Brother(Teller):
    """Hears the same events, and has no trouble with them."""

    @on(Counted)
    async def count(self, counted: Counted):
        self.effect("counted by the brother", counted.number)


def test_dead_letters_go_once_more_to_the_one_that_gave_them_up():
    async def run():
        faults = [unavailable(Teller, nth=n) for n in (1, 3)]
        async with Lab(Teller, Brother, Listener, faults=faults, simulate=1) as lab:
            for number in (1, 2, 3):
                await lab.publish(Counted(number=number))
            await lab.quiet()
            before = [e.key for e in lab.ledger if e.effect == "counted"]
            counts = [await lab.replay_dead(Teller)]
            trace = await lab.quiet()
            counts.append(await lab.replay_dead(Teller))
            await lab.quiet()
            counts.append(await lab.replay_dead(Brother))
            return before, counts, trace, lab.ledger

    before, counts, trace, ledger = asyncio.run(run())
    assert (before, counts) == (["2"], [2, 0, 0])
    assert ledger.keys("counted") == ["1", "2", "3"]
    assert ledger.keys("counted by the brother") == ["1", "2", "3"]
    arrived = Counter(m.id for m in trace.received(Counted, by=Teller))
    assert sorted(arrived.values()) == [1, 2, 2]
    assert set(arrived) == {m.id for m in trace.sent(Counted, by="you")}
    assert trace.lost() == []


def test_a_dead_letter_that_dies_again_may_be_sent_again():
    async def run():
        async with Lab(Teller, Listener, faults=unavailable(Teller), simulate=1) as lab:
            await lab.publish(Counted(number=1))
            counts = []
            for _ in range(3):
                await lab.quiet()
                counts.append(await lab.replay_dead(Teller))
            return counts, await lab.quiet()

    counts, trace = asyncio.run(run())
    assert counts == [1, 1, 1]
    assert len([m for m in trace.sent() if m.kind == "dead"]) == 4


def test_who_has_no_dead_letters_gets_none():
    async def run():
        async with Lab(Teller, simulate=1) as lab:
            await lab.publish(Counted(number=1))
            await lab.quiet()
            return await lab.replay_dead(Teller)

    assert asyncio.run(run()) == 0
