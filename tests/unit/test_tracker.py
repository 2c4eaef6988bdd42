"""The tracker: it knows where each order is, notices what did not happen, and forgets nothing."""

import asyncio
import copy
import math

import pytest

from labkit import (
    Lab,
    LabError,
    Service,
    after_effect,
    before_publish,
    command,
    duplicate,
    explore,
    kill,
    reorder,
    slow,
)
from labkit.seven_invariants import every_order_ends
from labkit.shop import (
    Inventory,
    InventoryReserved,
    Notification,
    Order,
    OrderConfirmed,
    OrderOverdue,
    OrderPlaced,
    OrderRejected,
    Payment,
    PaymentCharged,
    Shipping,
)
from labkit.shop.tracker import Tracker
from labkit.system.faults import mute


class Clock(Service):
    """Lets virtual time pass: a simulation's clock moves only while somebody waits."""

    @command
    async def wait(self, seconds: float) -> None:
        await asyncio.sleep(seconds)


SHOP = [Order, Payment, Inventory, Shipping, Notification, Clock]


async def wait(lab, seconds):
    await lab.call(Clock.wait, seconds=seconds, timeout_seconds=seconds + 60)


async def place(lab, *numbers):
    for number in numbers:
        await lab.publish(OrderPlaced(order_id=f"o-{number}", amount=30))


async def where(lab, number):
    return await lab.call(Tracker.where_is, order_id=f"o-{number}")


def told(lab):
    return [message.data["order_id"] for message in lab.trace.sent(OrderOverdue)]


def shop(*more, faults=(), silent_seconds=10, seed=7):
    return Lab(*SHOP, Tracker(silent_seconds), *more, faults=faults, simulate=seed)


def on_a_day(day, **lab):
    async def live():
        async with shop(**lab) as running:
            return running, await day(running)

    return asyncio.run(live())


def test_it_knows_the_last_event_of_each_order_and_since_when():
    async def day(lab):
        await place(lab, 1)
        await lab.quiet()
        await lab.mute(Payment)
        await place(lab, 2)
        await wait(lab, 4)
        return [await where(lab, number) for number in (1, 2, 3)]

    _, answers = on_a_day(day)
    assert answers == ["OrderConfirmed, 4 s ago", "OrderPlaced, 4 s ago", "never heard of o-3"]


@pytest.mark.parametrize(
    ("mute_one", "last"),
    [(Payment, "OrderPlaced"), (Inventory, "PaymentCharged"), (Shipping, "InventoryReserved")],
)
def test_whoever_falls_mute_the_silence_is_told_once_and_with_its_place(mute_one, last):
    async def day(lab):
        await place(lab, 1, 2)
        await wait(lab, 9)
        early = told(lab)
        await wait(lab, 100)
        return early, await where(lab, 2), await lab.call(Tracker.overdue)

    lab, (early, answer, overdue) = on_a_day(day, faults=[mute(mute_one)])
    assert early == []
    assert sorted(told(lab)) == ["o-1", "o-2"]
    assert overdue == ["o-1", "o-2"]
    assert answer == f"{last}, 109 s ago, overdue"


def test_the_deadline_is_kept_to_the_moment():
    async def day(lab):
        await place(lab, 1)
        await wait(lab, 60)

    lab, _ = on_a_day(day, faults=[mute(Payment)])
    moments = {
        (moment.what, moment.message.type, moment.where): moment.seconds
        for moment in lab.trace
        if moment.message is not None
    }
    heard = moments["received", "OrderPlaced", "Tracker"]
    assert moments["sent", "OrderOverdue", "Tracker"] - heard == pytest.approx(10)


def test_the_alarm_belongs_to_the_story_of_its_order():
    async def day(lab):
        await place(lab, 1, 2, 3)
        await wait(lab, 60)

    lab, _ = on_a_day(day, faults=[mute(Payment)])
    for alarm in lab.trace.sent(OrderOverdue):
        [placed, same] = lab.trace.why(alarm)
        assert same is alarm
        assert placed.data["order_id"] == alarm.data["order_id"]


def test_no_alarm_where_all_goes_well_nor_where_it_only_goes_slowly():
    async def day(lab):
        await place(lab, 1, 2, 3)
        await wait(lab, 100)
        return [await where(lab, number) for number in (1, 2, 3)]

    slowly = [slow(service, seconds=9) for service in (Payment, Inventory, Shipping)]
    for faults in ([], slowly):
        lab, answers = on_a_day(day, faults=faults)
        assert told(lab) == []
        assert all(answer.startswith("OrderConfirmed") for answer in answers)


def test_an_order_that_goes_on_after_all_is_overdue_no_more():
    async def day(lab):
        await place(lab, 1)
        await wait(lab, 12)
        before = await lab.call(Tracker.overdue)
        await wait(lab, 30)
        return before, await lab.call(Tracker.overdue), await where(lab, 1)

    lab, (before, after, answer) = on_a_day(day, faults=[slow(Payment, seconds=15)])
    assert (before, after) == (["o-1"], [])
    assert told(lab) == ["o-1"]
    assert answer == "OrderConfirmed, 27 s ago"


def test_an_order_that_is_rejected_has_ended():
    async def day(lab):
        await lab.join(Inventory(stock=0))
        await place(lab, 1)
        await wait(lab, 60)
        return await where(lab, 1)

    lab, answer = on_a_day(day)
    assert len(lab.trace.sent(OrderRejected)) == 1
    assert answer.startswith("OrderRejected")
    assert told(lab) == []


def test_in_whatever_order_events_arrive_an_order_never_goes_back():
    async def day(lab):
        for event in (
            OrderConfirmed(order_id="o-1"),
            InventoryReserved(order_id="o-1"),
            PaymentCharged(order_id="o-1", amount=30),
            OrderPlaced(order_id="o-1", amount=30),
        ):
            await lab.publish(event)
            await lab.quiet()
        await wait(lab, 60)
        return await where(lab, 1)

    async def live():
        async with Lab(Tracker(10), Clock, simulate=7) as lab:
            return lab, await day(lab)

    lab, answer = asyncio.run(live())
    assert answer.startswith("OrderConfirmed")
    assert told(lab) == []


def test_what_comes_twice_is_noted_once():
    async def day(lab):
        await place(lab, 1, 2)
        await wait(lab, 60)

    lab, _ = on_a_day(day, faults=[duplicate(Tracker), mute(Shipping)])
    lines = [entry.once for entry in lab.ledger if entry.effect == "noted"]
    assert sorted(lines) == [
        f"o-{number} {event}"
        for number in (1, 2)
        for event in ("InventoryReserved", "OrderPlaced", "PaymentCharged")
    ]
    assert sorted(told(lab)) == ["o-1", "o-2"]


# -- it dies -------------------------------------------------------------------------------------


def test_after_a_crash_it_knows_what_it_knew():
    async def day(lab):
        await place(lab, 1)
        await lab.quiet()
        await lab.mute(Payment)
        await place(lab, 2)
        await wait(lab, 3)
        await lab.crash(Tracker)
        await wait(lab, 2)
        await lab.wake(Tracker)
        return [await where(lab, number) for number in (1, 2)]

    _, answers = on_a_day(day)
    assert answers == ["OrderConfirmed, 5 s ago", "OrderPlaced, 5 s ago"]


def test_after_a_crash_it_notices_though_nothing_more_is_ever_said():
    async def day(lab):
        await place(lab, 1)
        await wait(lab, 8)
        await lab.crash(Tracker)
        await lab.wake(Tracker)
        await wait(lab, 9)
        early = told(lab)
        await wait(lab, 2)
        return early

    lab, early = on_a_day(day, faults=[mute(Payment)])
    assert early == []  # it hears first what was said meanwhile, and then judges
    assert told(lab) == ["o-1"]


def test_what_was_said_while_it_was_dead_is_no_silence():
    async def day(lab):
        await place(lab, 1)
        await wait(lab, 5)
        await lab.crash(Tracker)
        await wait(lab, 100)
        await lab.wake(Tracker)
        await wait(lab, 60)

    lab, _ = on_a_day(day, faults=[slow(Payment, seconds=20)])
    assert len(lab.trace.sent(OrderConfirmed)) == 1
    assert told(lab) == []


def test_what_it_has_told_before_a_crash_it_does_not_tell_again():
    async def day(lab):
        await place(lab, 1)
        await wait(lab, 12)
        await lab.crash(Tracker)
        await lab.wake(Tracker)
        await wait(lab, 60)
        return await lab.call(Tracker.overdue)

    lab, overdue = on_a_day(day, faults=[mute(Payment)])
    assert told(lab) == ["o-1"]
    assert overdue == ["o-1"]


def test_a_dead_tracker_tells_nothing():
    async def day(lab):
        await place(lab, 1)
        await lab.quiet()
        await lab.crash(Tracker)
        await wait(lab, 60)

    lab, _ = on_a_day(day, faults=[mute(Payment)])
    assert told(lab) == []


@pytest.mark.parametrize("point", [kill, after_effect])
def test_every_silent_order_is_told_on_many_bad_days(point):
    async def day(seed):
        bad = [mute(Inventory), point(Tracker, chance=0.2), reorder(Tracker, chance=0.3)]
        async with shop(faults=bad, seed=seed) as lab:
            await place(lab, 1, 2, 3, 4)
            await wait(lab, 90)
            await lab.quiet()
        return lab

    found = asyncio.run(explore(day, every_order_ends(), seeds=range(20)))
    assert found.runs == 20
    assert not found.failing


def test_a_death_before_it_speaks_loses_no_alarm():
    async def day(lab):
        await place(lab, 1)
        await wait(lab, 60)

    dies = before_publish(Tracker, message=OrderOverdue, nth=1)
    lab, _ = on_a_day(day, faults=[mute(Payment), dies])
    assert told(lab) == ["o-1"]


# -- its settings --------------------------------------------------------------------------------


@pytest.mark.parametrize("seconds", [0, -1, math.inf, math.nan])
def test_what_is_no_time_is_refused(seconds):
    with pytest.raises(LabError, match="silent_seconds says how long"):
        Tracker(seconds)


def test_one_that_was_in_a_lab_can_be_copied_and_knows_nothing_of_it():
    tracker = Tracker(5)

    async def live():
        async with Lab(Clock, tracker, simulate=7) as lab:
            await place(lab, 1)
            await lab.quiet()
            return copy.deepcopy(tracker)

    copied = asyncio.run(live())
    assert copied.silent_seconds == 5
    assert copied._known == {}


def test_one_and_the_same_can_take_part_in_a_second_lab():
    tracker = Tracker(5)

    async def live():
        answers = []
        for _ in range(2):
            async with Lab(Clock, tracker, simulate=7) as lab:
                answers.append(await where(lab, 1))
                await place(lab, 1)
                await lab.quiet()
                await lab.crash(Tracker)
                await lab.wake(Tracker)
                answers.append(await where(lab, 1))
        return answers

    assert asyncio.run(live()) == ["never heard of o-1", "OrderPlaced, 0 s ago"] * 2
