"""A saga goes forward, or it goes back; and where it can do neither, a person is told."""

import asyncio
from contextlib import suppress
from itertools import pairwise

import pytest

from labkit import (
    NOTHING,
    CommandFailed,
    HumanTaskOpened,
    Lab,
    LabError,
    NoReply,
    Refused,
    Saga,
    Service,
    Unavailable,
    before_publish,
    command,
    delay,
    duplicate,
    reply_lost,
    unavailable,
)


class Room(Service):
    """Does and takes back what it is told, says no when it is told to, and notes each key."""

    @command
    async def book(self, order_id: str, no: bool = False) -> str:
        self.effect("asked for a room", self.idempotency_key)
        if no:
            raise Refused("the hotel is full")
        self.effect("room", order_id, once=self.idempotency_key)
        return "room 7"

    @command
    async def leave(self, order_id: str) -> None:
        self.effect("asked to leave", self.idempotency_key)
        self.effect("room left", order_id, once=self.idempotency_key)

    @command
    async def leave_because(self, order_id: str, reason: str) -> None:
        self.effect("room left", order_id)


class Train(Service):
    @command
    async def seat(self, order_id: str) -> None:
        self.effect("asked for a seat", self.idempotency_key)
        self.effect("seat", order_id, once=self.idempotency_key)

    @command
    async def stand(self, order_id: str) -> None:
        self.effect("seat left", order_id, once=self.idempotency_key)


class Bank(Service):
    @command
    async def pay(self, order_id: str, no: bool = False) -> None:
        self.effect("asked to pay", self.idempotency_key)
        if no:
            raise Refused("the purse is empty")
        self.effect("paid", order_id, once=self.idempotency_key)


class Post(Service):
    @command
    async def write(self, order_id: str) -> None:
        self.effect("asked to write", self.idempotency_key)
        self.effect("letter", order_id, once=self.idempotency_key)


class Trip(Service):
    """A conductor whose journey each test chooses."""

    tries = 3
    full = broke = False

    @command
    async def go(self, order_id: str) -> str:
        async with Saga(
            self, order_id, timeout_seconds=1.0, tries=self.tries, wait_seconds=1.0
        ) as saga:
            await saga.step(Train.seat, undo=Train.stand, order_id=order_id)
            await saga.step(Room.book, undo=Room.leave, order_id=order_id, no=self.full)
            await saga.pivot(Bank.pay, order_id=order_id, no=self.broke)
            await saga.step(Post.write, order_id=order_id)
        return "bon voyage"


class Full(Trip):
    full = True


class Broke(Trip):
    broke = True


def travel(conductor, *faults, seed=1, at_most_seconds=600):
    """One journey: its answer or its error, the trace and the ledger."""

    async def run():
        services = conductor, Room, Train, Bank, Post
        async with Lab(*services, faults=faults, simulate=seed) as lab:
            try:
                answer = await lab.call(conductor.go, order_id="t-1", timeout_seconds=500)
            except LabError as error:
                answer = error
            return answer, await lab.quiet(at_most_seconds=at_most_seconds), lab.ledger

    return asyncio.run(run())


def effects(ledger):
    """What was done, without what was only asked for."""
    return [entry.effect for entry in ledger if not entry.effect.startswith("asked")]


def tasks(trace):
    """What was handed to a person."""
    return [message.data["task"] for message in trace.sent(HumanTaskOpened)]


def when(trace, kind):
    """At which virtual time each of these was sent."""
    return [m.seconds for m in trace if m.what == "sent" and m.message.type == kind.message_type]


def test_a_saga_that_meets_no_obstacle_goes_forward():
    answer, trace, ledger = travel(Trip)
    assert answer == "bon voyage"
    assert effects(ledger) == ["seat", "room", "paid", "letter"]
    assert tasks(trace) == []


def test_what_was_done_is_undone_in_reverse_order_and_so_is_what_was_refused():
    answer, trace, ledger = travel(Full)
    assert isinstance(answer, Refused)
    # The refused step too: its undo was registered before anybody knew the answer.
    assert effects(ledger) == ["seat", "room left", "seat left"]
    assert tasks(trace) == []


def test_a_refused_pivot_walks_back():
    answer, trace, ledger = travel(Broke)
    assert isinstance(answer, Refused)
    assert effects(ledger) == ["seat", "room", "room left", "seat left"]
    assert tasks(trace) == []


@pytest.mark.parametrize("conductor", [Full, Broke])
def test_a_no_is_not_asked_again(conductor):
    _, trace, _ = travel(conductor)
    kinds = [Train.seat, Room.book, Bank.pay][: 2 if conductor is Full else 3]
    assert [len(trace.sent(kind)) for kind in kinds] == [1] * len(kinds)


def test_a_step_of_which_no_answer_comes_is_undone():
    answer, trace, ledger = travel(Trip, reply_lost(Room.book))
    assert "Room.book gave Trip no reply within 1 s" in str(answer)
    assert effects(ledger) == ["seat", "room", "room left", "seat left"]
    assert tasks(trace) == []


def test_every_try_asks_under_one_key_so_the_step_is_done_once():
    answer, trace, ledger = travel(Trip, reply_lost(Room.book, nth=1), reply_lost(Room.book, nth=2))
    assert answer == "bon voyage"
    assert ledger.keys("asked for a room") == ["t-1:Room.book"] * 3
    assert ledger.keys("room") == ["t-1"]
    assert len({message.id for message in trace.sent(Room.book)}) == 3
    assert {message.idempotencykey for message in trace.sent(Room.book)} == {"t-1:Room.book"}


def test_each_step_and_each_undo_has_a_key_of_its_own():
    _, trace, _ = travel(Broke)
    keys = [m.idempotencykey for m in trace.sent() if m.kind == "command" and m.sender == "Broke"]
    assert keys == [
        f"t-1:{kind.message_type}"
        for kind in (Train.seat, Room.book, Bank.pay, Room.leave, Train.stand)
    ]


def test_two_rooms_are_two_wishes_with_a_way_back_each():
    class Couple(Trip):
        @command
        async def go(self, order_id: str) -> str:
            async with Saga(self, order_id) as saga:
                for _ in range(2):
                    await saga.step(Room.book, undo=Room.leave, order_id=order_id)
                await saga.pivot(Bank.pay, order_id=order_id, no=True)
            return ""

    _, _, ledger = travel(Couple)
    assert ledger.keys("asked for a room") == ["t-1:Room.book", "t-1:Room.book:2"]
    assert effects(ledger) == ["room", "room", "room left", "room left"]


@pytest.mark.parametrize("seed", range(5))
def test_between_two_tries_it_waits_longer_each_time_give_or_take(seed):
    class Patient(Trip):
        tries = 5

    answer, trace, _ = travel(Patient, unavailable(Train.seat), seed=seed)
    assert isinstance(answer, Unavailable)
    asked = when(trace, Train.seat)
    waits = [after - before for before, after in pairwise(asked)]
    assert len(waits) == 4
    for nth, wait in enumerate(waits):
        assert 0.5 * 2**nth <= wait <= 1.5 * 2**nth + 0.1
    assert waits[0] < waits[2]
    assert waits[1] < waits[3]
    # With jitter none of them is the round number that a crowd would have in common.
    assert all(abs(wait - 2**nth) > 0.02 for nth, wait in enumerate(waits))


def test_two_orders_do_not_wait_in_step():
    async def run():
        async with Lab(
            Trip, Room, Train, Bank, Post, faults=[unavailable(Train)], simulate=1
        ) as lab:

            async def go(number):
                with suppress(CommandFailed):
                    await lab.call(Trip.go, order_id=f"t-{number}", timeout_seconds=60)

            await asyncio.gather(*(go(number) for number in range(5)))
            return await lab.quiet()

    trace = asyncio.run(run())
    second = [m.seconds for m in trace if m.what == "sent" and m.message.id in _second(trace)]
    assert len(second) == 5
    assert max(second) - min(second) > 0.2


def _second(trace):
    by_key = {}
    for message in trace.sent(Train.seat):
        by_key.setdefault(message.idempotencykey, []).append(message.id)
    return {ids[1] for ids in by_key.values()}


def test_a_step_has_its_own_time_out():
    class Hasty(Trip):
        @command
        async def go(self, order_id: str) -> str:
            async with Saga(self, order_id, timeout_seconds=50.0, tries=1) as saga:
                await saga.step(
                    Train.seat, undo=Train.stand, timeout_seconds=0.25, order_id=order_id
                )
            return ""

    answer, trace, _ = travel(Hasty, delay(Train.seat, 10.0))
    assert "Train.seat gave Hasty no reply within 0.25 s" in str(answer)
    assert 0.25 <= when(trace, Train.stand)[0] < 0.4


def test_an_undo_that_keeps_failing_is_handed_over_and_the_others_run():
    answer, trace, ledger = travel(Broke, unavailable(Room.leave))
    assert isinstance(answer, Refused)  # the first error, not the one on the way back
    assert tasks(trace) == ["Room.leave"]
    assert len(trace.sent(Room.leave)) == 3
    assert effects(ledger) == ["seat", "room", "seat left"]
    (told,) = trace.sent(HumanTaskOpened)
    assert told.data["order_id"] == "t-1"
    assert "Room was not available" in told.data["reason"]


def test_a_pivot_without_an_answer_is_handed_over_and_nothing_is_undone():
    answer, trace, ledger = travel(Trip, reply_lost(Bank.pay))
    assert "Bank.pay gave Trip no reply within 1 s" in str(answer)
    assert tasks(trace) == ["find out about Bank.pay"]
    assert effects(ledger) == ["seat", "room", "paid"]


def test_a_step_after_the_pivot_is_tried_until_it_works():
    answer, trace, ledger = travel(Trip, unavailable(Post.write, nth=1), reply_lost(Post, nth=2))
    assert answer == "bon voyage"
    assert effects(ledger) == ["seat", "room", "paid", "letter"]
    assert tasks(trace) == []


def test_a_step_after_the_pivot_that_never_works_is_handed_over_and_the_order_is_done():
    answer, trace, ledger = travel(Trip, unavailable(Post))
    assert answer == "bon voyage"
    assert effects(ledger) == ["seat", "room", "paid"]
    assert tasks(trace) == ["Post.write"]


def test_an_error_of_ones_own_after_the_pivot_undoes_nothing():
    class Clumsy(Trip):
        @command
        async def go(self, order_id: str) -> str:
            async with Saga(self, order_id) as saga:
                await saga.step(Train.seat, undo=Train.stand, order_id=order_id)
                await saga.pivot(Bank.pay, order_id=order_id)
                raise ValueError("butterfingers")

    assert effects(travel(Clumsy)[2]) == ["seat", "paid"]


def test_an_error_of_ones_own_before_the_pivot_undoes_what_was_done():
    class Clumsy(Trip):
        @command
        async def go(self, order_id: str) -> str:
            async with Saga(self, order_id) as saga:
                await saga.step(Train.seat, undo=Train.stand, order_id=order_id)
                raise ValueError("butterfingers")

    answer, _, ledger = travel(Clumsy)
    assert "butterfingers" in str(answer)
    assert effects(ledger) == ["seat", "seat left"]


@pytest.mark.parametrize(
    ("undo", "complaint"),
    [
        (None, r"Room\.book stands before the pivot, so it needs a way back"),
        ("Room.leave", r"Write undo=… with the command that takes it back, or undo=NOTHING"),
        (Room.leave_because, r"reason is missing"),
    ],
    ids=["none", "a text", "one that needs more"],
)
def test_a_step_without_a_way_back_is_not_even_asked_for(undo, complaint):
    class Reckless(Trip):
        @command
        async def go(self, order_id: str) -> str:
            async with Saga(self, order_id) as saga:
                await saga.step(Train.seat, undo=Train.stand, order_id=order_id)
                await saga.step(Room.book, undo=undo, order_id=order_id)
            return ""

    answer, trace, ledger = travel(Reckless)
    assert isinstance(answer, LabError)
    with pytest.raises(LabError, match=complaint):
        raise answer
    assert trace.sent(Room.book) == []
    assert effects(ledger) == ["seat", "seat left"]


def test_what_needs_no_undo_says_so():
    class Curious(Trip):
        @command
        async def go(self, order_id: str) -> str:
            async with Saga(self, order_id) as saga:
                await saga.step(Post.write, undo=NOTHING, order_id=order_id)
                await saga.pivot(Bank.pay, order_id=order_id, no=True)
            return ""

    answer, trace, ledger = travel(Curious)
    assert isinstance(answer, Refused)
    assert effects(ledger) == ["letter"]
    assert [message.type for message in trace.sent() if message.kind == "command"] == [
        "Curious.go",
        "Post.write",
        "Bank.pay",
    ]


def test_a_saga_may_owe_what_another_has_begun():
    class Heir(Trip):
        @command
        async def go(self, order_id: str) -> str:
            async with Saga(self, order_id) as saga:
                with pytest.raises(LabError, match="order_id is missing"):
                    saga.owe(Train.stand)
                saga.owe(Train.stand, order_id=order_id)
                await saga.pivot(Bank.pay, order_id=order_id, no=True)
            return ""

    assert effects(travel(Heir)[2]) == ["seat left"]


@pytest.mark.parametrize(
    ("settings", "complaint"),
    [
        ({"timeout_seconds": 0}, "Saga: timeout_seconds=0 is not a time"),
        ({"timeout_seconds": -1.5}, "Saga: timeout_seconds=-1.5 is not a time"),
        ({"timeout_seconds": float("nan")}, "Saga: timeout_seconds=nan is not a time"),
        ({"wait_seconds": 0}, "Saga: wait_seconds=0 is not a time"),
        ({"tries": 0}, "Saga: tries=0 would never ask for a step; write at least 1"),
    ],
)
def test_a_saga_that_can_not_be_is_told_of_at_once(settings, complaint):
    with pytest.raises(LabError, match=complaint):
        Saga(Trip(), "t-1", **settings)


@pytest.mark.parametrize("seconds", [0, -1])
def test_a_step_that_waits_no_time_is_told_of(seconds):
    class Hurried(Trip):
        @command
        async def go(self, order_id: str) -> str:
            async with Saga(self, order_id) as saga:
                await saga.step(Train.seat, undo=NOTHING, timeout_seconds=seconds, order_id="t-1")
            return ""

    answer, trace, _ = travel(Hurried)
    assert f"can't be awaited for {seconds} seconds" in str(answer)
    assert trace.sent(Train.seat) == []


def test_a_conductor_that_crashes_does_not_walk_back_and_begins_anew_when_it_is_back():
    death = before_publish(Trip, message=Bank.pay)
    answer, trace, ledger = travel(Trip, death)
    assert answer == "bon voyage"
    assert effects(ledger) == ["seat", "room", "paid", "letter"]
    # It asked again, under the same keys, and nobody did anything twice.
    assert ledger.keys("asked for a seat") == ["t-1:Train.seat"] * 2
    assert trace.sent(Train.stand) == trace.sent(Room.leave) == []


def test_a_conductor_that_never_returns_leaves_all_as_it_was():
    async def run():
        faults = [before_publish(Trip, message=Bank.pay, back_after_seconds=float("inf"))]
        async with Lab(Trip, Room, Train, Bank, Post, faults=faults, simulate=1) as lab:
            with pytest.raises(NoReply):
                await lab.call(Trip.go, order_id="t-1", timeout_seconds=100)
            await lab.quiet()
            return lab.ledger

    assert effects(asyncio.run(run())) == ["seat", "room"]


def test_what_a_dead_conductor_was_answered_is_no_answer_to_its_successor():
    """The third message of the one was another try, the third of the other is the pivot."""
    answer, _, ledger = travel(
        Trip,
        reply_lost(Train.seat, nth=1),
        reply_lost(Train.seat, nth=2),
        delay(Train.seat, 2.5, nth=3),
        before_publish(Trip, message=Train.stand),
        delay(Bank.pay, 3.0, nth=1),
    )
    assert answer == "bon voyage"
    assert effects(ledger) == ["seat", "room", "paid", "letter"]


@pytest.mark.parametrize("seed", range(10))
def test_a_doubled_reply_does_not_move_a_saga_twice(seed):
    doubled = [duplicate(who) for who in (Train, Room, Bank, Post)]
    answer, trace, ledger = travel(Trip, *doubled, seed=seed)
    assert answer == "bon voyage"
    # Each command was done and answered twice, and asked for once.
    assert len(trace.sent("Train.seat.done")) == len(trace.received("Train.seat.done")) == 2
    assert [len(trace.sent(k)) for k in (Train.seat, Room.book, Bank.pay, Post.write)] == [1] * 4
    assert effects(ledger) == ["seat", "room", "paid", "letter"]
