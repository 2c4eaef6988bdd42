"""Exercise 10: stories untangled, a tracker with a deadline, spans, and what did not happen."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Collection, Mapping
from contextlib import suppress
from random import Random
from typing import Any

from labkit.lab import Lab
from labkit.shop import (
    Inventory,
    Order,
    OrderConfirmed,
    OrderOverdue,
    OrderPlaced,
    OrderRejected,
    Payment,
    Shipping,
    careful,
)
from labkit.system.errors import CommandFailed
from labkit.system.faults import duplicate
from labkit.system.message import Message
from labkit.system.service import Service, command, on
from labkit.teaching.task import Answers, Claim, Task, Trial, WrongAnswer

AMOUNT = 129_900
NEXT = {
    "OrderPlaced": "PaymentCharged",
    "PaymentCharged": "InventoryReserved",
    "InventoryReserved": "ShipmentDispatched",
    "ShipmentDispatched": "OrderConfirmed",
}


# untangle


class Notification(careful.Notification):
    """Has paper from the second try on: its mails come late, as replayed dead letters."""

    retries = 0

    def __init__(self) -> None:
        self.tries: Counter[str] = Counter()

    @on(OrderPlaced)
    async def thank_for_order(self, order: OrderPlaced) -> None:
        self.tries[order.order_id] += 1
        if self.tries[order.order_id] == 1:
            raise ValueError("no paper")
        await super().thank_for_order(order)


async def tangled(seed: int) -> list[Message]:
    """What two customers caused, of whom one has clicked twice; in the order of no clock."""
    shop = (careful.Order, careful.Payment, careful.Inventory, careful.Shipping, Notification)
    async with Lab(*shop, simulate=seed) as lab:
        await asyncio.gather(
            *(
                lab.call(careful.Order.place_order, order_id=order_id, amount=AMOUNT)
                for order_id in ("o-1", "o-2", "o-2")
            )
        )
        await lab.quiet()
        await lab.replay_dead(Notification)
        trace = await lab.quiet()
    heap = trace.sent()
    Random(seed).shuffle(heap)
    return heap


async def heaps(answers: Answers, seed: int) -> Any:
    heap = await tangled(seed)
    nameless = [message.model_copy(update={"correlationid": ""}) for message in heap]
    return {"heap": heap, "got": answers.untangle(nameless)}


def groups(run: Any) -> dict[str, list[str]]:
    """The learner's stories, as far as they are any."""
    got = run["got"]
    if not isinstance(got, Mapping):
        return {}
    return {
        str(key): [str(each) for each in ids]
        for key, ids in got.items()
        if isinstance(ids, Collection) and not isinstance(ids, str | Mapping)
    }


def known(run: Any) -> dict[str, Message]:
    return {message.id: message for message in run["heap"]}


def are_stories(run: Any) -> str:
    got = run["got"]
    if not isinstance(got, Mapping) or len(groups(run)) != len(got):
        return f"it returned {got!r:.80}"
    strange = {each for ids in groups(run).values() for each in ids} - set(known(run))
    return f"it holds {min(strange)!r:.60}, which is the id of no message" if strange else ""


def all_are_there(run: Any) -> str:
    there = {each for ids in groups(run).values() for each in ids}
    left = [m for m in run["heap"] if m.id not in there]
    return f"{len(left)} messages are in no story, such as {left[0].type}" if left else ""


def as_many_stories(run: Any) -> str:
    count = len(groups(run))
    return "" if count == 3 else f"there are {count}"


def the_right_ones(run: Any) -> str:
    by_id = known(run)
    for key, ids in groups(run).items():
        for each in ids:
            if by_id[each].story != key:
                message = by_id[each]
                return (
                    f"{key} holds {message.type} by {message.sender}, which is of {message.story}"
                )
    return ""


def how_many_look(run: Any) -> str:
    found = groups(run)
    roots = {message.story for message in run["heap"]}
    if len(found) < 3:
        return (
            "the two tries of o-2: the second click is no effect of the first, though both name "
            "the same order"
        )
    if any(key in ids for key, ids in found.items() if key not in roots):
        return (
            "a message whose cause stands further down in the heap: the clocks of two machines "
            "differ, so read the whole heap before you ask who caused whom"
        )
    return "effects of effects: `causationid` names the last step, and you want the first one"


UNTANGLE = Task(
    id="untangle",
    title="Three stories in one heap",
    points=2,
    names=["untangle"],
    trials=[
        Trial(
            heaps,
            [
                Claim(
                    "a dict: the id of each story's first message, and the ids of all its messages",
                    are_stories,
                    "what your function returns: ids of messages as texts, such as "
                    '`{"you-1": ["you-1", …]}`',
                ),
                Claim(
                    "each message of the heap is in a story",
                    all_are_there,
                    "the replies: they are messages of the story, and name no order",
                ),
                Claim("three stories", as_many_stories, how_many_look),
                Claim(
                    "each message stands in the story that led to it",
                    the_right_ones,
                    "what ties a message to a story: its cause, and not its place in the heap",
                ),
            ],
        )
    ],
    hints=[
        "Which of these belongs to one story alone: the order's number, the sender, or the chain "
        "of causes?",
        "First make a dict of all messages by their id. Then go from each message to its cause, "
        "and from there to the cause's cause, until there is none.",
        "`while message.causationid in by_id: message = by_id[message.causationid]`; the message "
        "at which this ends began the story.",
    ],
    wrong=[
        WrongAnswer(  # the business number is a correlation id
            """
def untangle(heap):
    stories = {}
    for message in heap:
        order = message.data.get("order_id") if isinstance(message.data, dict) else None
        stories.setdefault(order, []).append(message)
    return {min(each, key=lambda m: m.time).id: [m.id for m in each]
            for order, each in stories.items() if order}
""",
            "they are messages of the story, and name no order",
        ),
        WrongAnswer(  # both tries are one story
            """
def untangle(heap):
    by_id = {m.id: m for m in heap}
    stories = {}
    for message in heap:
        first = message
        while first.causationid in by_id:
            first = by_id[first.causationid]
        stories.setdefault(first.data["order_id"], []).append((first.id, message.id))
    return {each[0][0]: [id for _, id in each] for each in stories.values()}
""",
            "the second click is no effect of the first",
        ),
        WrongAnswer(  # the cause is the beginning
            """
def untangle(heap):
    stories = {}
    for message in heap:
        stories.setdefault(message.causationid or message.id, []).append(message.id)
    return stories
""",
            "names the last step, and you want the first one",
        ),
        WrongAnswer(  # messages are listed in the order of their causes
            """
def untangle(heap):
    story_of, stories = {}, {}
    for message in heap:
        story = story_of.get(message.causationid, message.id)
        story_of[message.id] = story
        stories.setdefault(story, []).append(message.id)
    return stories
""",
            "further down in the heap",
        ),
        WrongAnswer(  # what comes after belongs together
            """
def untangle(heap):
    stories, story = {}, None
    for message in sorted(heap, key=lambda m: (m.time, m.causationid is not None)):
        if message.causationid is None:
            story = message.id
        stories.setdefault(story, []).append(message.id)
    return stories
""",
            "not its place in the heap",
        ),
    ],
    others=[
        """
def untangle(heap):
    cause = {m.id: m.causationid for m in heap}

    def first(id):
        return first(cause[id]) if cause.get(id) else id

    stories = {}
    for m in heap:
        stories.setdefault(first(m.id), set()).add(m.id)
    return stories
""",
        """
def untangle(heap):
    stories = {m.id: [m.id] for m in heap if m.causationid is None}
    for ids in stories.values():
        for id in ids:
            ids.extend(m.id for m in heap if m.causationid == id)
    return stories
""",
    ],
    why="The chain of causes is the one thread that time, retries and replays don't tangle. The "
    "correlation id is that thread, followed once by the sender so that no reader has to.",
)


# a-tracker


class Clock(Service):
    """Lets virtual time pass."""

    @command
    async def wait(self, seconds: float) -> None:
        await asyncio.sleep(seconds)


async def pass_time(lab: Lab, seconds: float) -> None:
    await lab.call(Clock.wait, seconds=seconds, timeout_seconds=seconds + 60)


async def place(lab: Lab, *numbers: int) -> None:
    orders = [OrderPlaced(order_id=f"o-{number}", amount=AMOUNT) for number in numbers]
    await asyncio.gather(*(lab.publish(order) for order in orders))


def with_twenty_hands(answers: Answers) -> Any:
    """The learner's tracker, whose broker hands out twenty messages at a time."""
    _ = answers.Tracker.where_is
    return type("Tracker", (answers.Tracker,), {"at_once": 20})


async def silent_shipping(answers: Answers, seed: int, *faults: Any) -> Lab:
    """o-1 is confirmed, then Shipping falls mute; o-2 and o-3 are stuck, o-4 is rejected."""
    tracker = with_twenty_hands(answers)
    shop = (Order, Payment, Inventory(stock=3), Shipping, Clock, tracker)
    async with Lab(*shop, faults=faults, simulate=seed) as lab:
        await place(lab, 1)
        await pass_time(lab, 1)
        await lab.mute(Shipping)
        await place(lab, 2, 3, 4)
        await pass_time(lab, 40)
        for number in (1, 2, 3, 4):
            with suppress(CommandFailed):
                await lab.call(tracker.where_is, order_id=f"o-{number}", timeout_seconds=20)
    return lab


async def all_twice(answers: Answers, seed: int) -> Lab:
    return await silent_shipping(answers, seed, duplicate(answers.Tracker))


async def a_crowd(answers: Answers, seed: int) -> Lab:
    shop = (Order, Payment, Inventory, Shipping, Clock, with_twenty_hands(answers))
    async with Lab(*shop, simulate=seed) as lab:
        await place(lab, *range(1, 61))
        await pass_time(lab, 60)
    return lab


def alarms(lab: Lab) -> dict[str, list[float]]:
    """Of each order, the seconds from its placing to each alarm."""
    said = [(m.seconds, m.message) for m in lab.trace if m.what == "sent" and m.message]
    placed = {m.data["order_id"]: at for at, m in said if m.type == "OrderPlaced"}
    found: dict[str, list[float]] = {}
    for at, message in said:
        if message.type == OrderOverdue.__name__:
            order = str(message.data["order_id"])
            found.setdefault(order, []).append(at - placed.get(order, 0.0))
    return found


def stuck_are_told(lab: Lab) -> str:
    missing = [order for order in ("o-2", "o-3") if order not in alarms(lab)]
    return f"of {' and '.join(missing)} nobody was told" if missing else ""


def not_too_early(lab: Lab) -> str:
    early = {order: min(each) for order, each in alarms(lab).items() if min(each) < 9.9}
    return "".join(f"{order} after {at:.1f} s" for order, at in list(early.items())[:1])


def not_too_late(lab: Lab) -> str:
    late = {order: min(each) for order, each in alarms(lab).items() if min(each) > 12}
    return "".join(f"{order} after {at:.1f} s" for order, at in list(late.items())[:1])


def ended(event: type) -> Callable[[Lab], str]:
    def told_all_the_same(lab: Lab) -> str:
        ends = {m.data["order_id"] for m in lab.trace.sent(event)}
        false = [order for order in alarms(lab) if order in ends]
        words = f"{len(false)} orders" if len(false) > 1 else "".join(false)
        return f"{words} called overdue after {event.__name__}" if false else ""

    return told_all_the_same


def once_each(lab: Lab) -> str:
    often = {order: len(each) for order, each in alarms(lab).items() if len(each) > 1}
    return "".join(f"{order} {n} times" for order, n in list(often.items())[:1])


def knows_where(lab: Lab) -> str:
    wanted = {
        "o-1": "OrderConfirmed",
        "o-2": "InventoryReserved",
        "o-3": "InventoryReserved",
        "o-4": "OrderRejected",
    }
    asked = {m.id: m.data["order_id"] for m in lab.trace.sent("Tracker.where_is")}
    answered = {asked[m.causationid or ""]: m for m in lab.trace.sent("Tracker.where_is.done")}
    for order, event in wanted.items():
        answer = answered[order].data if order in answered else "no answer"
        if event not in str(answer):
            return f"where is {order}? {answer!r:.60}"
    return ""


TRACKER_WITH = """
class Tracker(Service):
    def __init__(self):
        self.last = {{}}

    @on(OrderPlaced)
    async def watch(self, order):
        {watch}

    async def wait_for(self, order_id):
        {wait}

    @on(PaymentCharged, InventoryReserved, ShipmentDispatched, {ends})
    async def hear(self, event):
        {hear}

    @command
    async def where_is(self, order_id: str) -> str:
        {where}
"""
RIGHT = {
    "watch": """if order.order_id not in self.last:
            self.last[order.order_id] = "OrderPlaced"
            asyncio.create_task(self.wait_for(order.order_id))""",
    "wait": """await asyncio.sleep(10)
        if self.last[order_id] not in ("OrderConfirmed", "OrderRejected"):
            await self.publish(OrderOverdue(order_id=order_id))""",
    "ends": "OrderConfirmed, OrderRejected",
    "hear": "self.last[event.order_id] = type(event).__name__",
    "where": 'return self.last.get(order_id, "never heard of it")',
}


def tracker(**changed: str) -> str:
    """A tracker in which one thing is another."""
    return TRACKER_WITH.format(**{**RIGHT, **changed})


A_TRACKER = Task(
    id="a-tracker",
    title="A tracker with a deadline",
    points=3,
    names=["Tracker"],
    trials=[
        Trial(
            silent_shipping,
            [
                Claim(
                    "o-2 and o-3, which Shipping never speaks of, are told as overdue",
                    stuck_are_told,
                    "what makes your tracker act: a silence is no event, so somebody must wait "
                    "with a clock",
                ),
                Claim(
                    "nobody is told before an order is ten seconds old",
                    not_too_early,
                    "the seconds that you wait before you look",
                ),
                Claim(
                    "a stuck order is told when it is ten seconds old",
                    not_too_late,
                    "when the wait begins, and how long it lasts",
                ),
                Claim(
                    "o-1, which is confirmed, is not overdue",
                    ended(OrderConfirmed),
                    "what you ask after the wait: the order may have come to its end meanwhile",
                ),
                Claim(
                    "o-4, which is rejected, is not overdue",
                    ended(OrderRejected),
                    "how an order can end: there are two ends, and one is a no",
                ),
                Claim(
                    "each stuck order is told once",
                    once_each,
                    "which events start a clock: one for each order will do",
                ),
                Claim(
                    "where_is names the last event of an order",
                    knows_where,
                    "what you keep of each event, and what `where_is` makes of it",
                ),
            ],
        ),
        Trial(
            all_twice,
            [
                Claim(
                    "each stuck order is told once, though each message came twice",
                    once_each,
                    "the OrderPlaced that came a second time: does it start a second clock?",
                )
            ],
            seeds=range(1),
        ),
        Trial(
            a_crowd,
            [
                Claim(
                    "of 60 orders that are all confirmed in time, none is overdue",
                    ended(OrderConfirmed),
                    "what your handler holds while it sleeps: a message that is not acknowledged. "
                    "The broker hands out twenty of these, and then no more",
                )
            ],
            seeds=range(1),
        ),
    ],
    hints=[
        "Who calls your code when nothing happens?",
        "Keep the last event of each order in a dict. When an order is new, start a task with "
        "`asyncio.create_task`; it sleeps ten seconds, looks into the dict, and publishes.",
        "In `watch`: `if order.order_id not in self.last:`, then note it and create the task. "
        "In the task: `await asyncio.sleep(10)`, then `if self.last[order_id] not in "
        '("OrderConfirmed", "OrderRejected"):` publish `OrderOverdue(order_id=order_id)`.',
    ],
    wrong=[
        WrongAnswer(  # somebody else handles the time-out; it looks when it hears something
            tracker(
                watch="""self.last[order.order_id] = "OrderPlaced"
        self.since = getattr(self, "since", {})
        self.since[order.order_id] = asyncio.get_running_loop().time()""",
                hear="""self.last[event.order_id] = type(event).__name__
        for order_id, since in self.since.items():
            if asyncio.get_running_loop().time() - since > 10:
                await self.publish(OrderOverdue(order_id=order_id))""",
            ),
            "a silence is no event",
        ),
        WrongAnswer(  # impatient
            tracker(wait=RIGHT["wait"].replace("sleep(10)", "sleep(1)")),
            "the seconds that you wait before you look",
        ),
        WrongAnswer(  # waits for a quarter of a minute
            tracker(wait=RIGHT["wait"].replace("sleep(10)", "sleep(15)")),
            "when the wait begins",
        ),
        WrongAnswer(  # an alarm clock that nobody switches off
            tracker(
                wait="await asyncio.sleep(10)\n        "
                "await self.publish(OrderOverdue(order_id=order_id))"
            ),
            "may have come to its end meanwhile",
        ),
        WrongAnswer(  # only good ends
            tracker(ends="OrderConfirmed"),
            "there are two ends",
        ),
        WrongAnswer(  # a clock for each event
            tracker(
                hear="self.last[event.order_id] = type(event).__name__\n        "
                "asyncio.create_task(self.wait_for(event.order_id))"
            ),
            "which events start a clock",
        ),
        WrongAnswer(  # knows that, and not where
            tracker(where='return "on its way" if order_id in self.last else "never heard of it"'),
            "what `where_is` makes of it",
        ),
        WrongAnswer(  # once delivered, once heard
            tracker(
                watch='self.last.setdefault(order.order_id, "OrderPlaced")\n        '
                "asyncio.create_task(self.wait_for(order.order_id))"
            ),
            "a second clock",
        ),
        WrongAnswer(  # holds the message
            tracker(
                watch="""if order.order_id not in self.last:
            self.last[order.order_id] = "OrderPlaced"
            await self.wait_for(order.order_id)"""
            ),
            "what your handler holds while it sleeps",
        ),
    ],
    others=[
        """
class Tracker(Service):
    def __init__(self):
        self.last, self.clocks = {}, {}

    @on(OrderPlaced, PaymentCharged, InventoryReserved, ShipmentDispatched)
    async def hear(self, event):
        order_id = event.order_id
        self.last[order_id] = event
        if order_id not in self.clocks:
            self.clocks[order_id] = asyncio.get_running_loop().create_task(self.ring(order_id))

    @on(OrderConfirmed, OrderRejected)
    async def end(self, event):
        self.last[event.order_id] = event
        if event.order_id in self.clocks:
            self.clocks[event.order_id].cancel()

    async def ring(self, order_id):
        await asyncio.sleep(10)
        await self.publish(OrderOverdue(order_id=order_id))

    @command
    async def where_is(self, order_id: str) -> str:
        return f"last heard: {type(self.last[order_id]).__name__}"
""",
        """
class Tracker(Service):
    def __init__(self):
        self.open, self.last, self.clock = {}, {}, None

    @on(OrderPlaced, PaymentCharged, InventoryReserved, ShipmentDispatched)
    async def hear(self, event):
        now = asyncio.get_running_loop().time()
        if event.order_id not in self.last:
            self.open[event.order_id] = now
        self.last[event.order_id] = type(event).__name__
        if self.clock is None:
            self.clock = asyncio.create_task(self.tick())

    @on(OrderConfirmed, OrderRejected)
    async def end(self, event):
        self.open.pop(event.order_id, None)
        self.last[event.order_id] = type(event).__name__

    async def tick(self):
        while self.open:
            await asyncio.sleep(0.5)
            now = asyncio.get_running_loop().time()
            for order_id in [o for o, since in self.open.items() if now - since >= 10]:
                del self.open[order_id]
                await self.publish(OrderOverdue(order_id=order_id))
        self.clock = None

    @command
    async def where_is(self, order_id: str) -> str:
        return self.last.get(order_id, "?")
""",
    ],
    why="In choreography nobody waits, so nobody notices. A tracker is the one who waits: it only "
    "listens, has a clock for each order, and holds no message while it waits. This one forgets "
    "its clocks when it dies; `labkit.shop.tracker` writes down what it heard before it is "
    "acknowledged, and reads that first when it is back.",
)


# what-did-not-happen


def facts_of(seed: int) -> tuple[list[tuple[float, str, str]], dict[str, str]]:
    """What was heard of some orders until 100 s, and what of each is missing too long."""
    dice, chain = Random(seed), [*NEXT, "OrderConfirmed"]
    heard: list[tuple[float, str, str]] = []
    wanted: dict[str, str] = {}

    def order(number: int, steps: int, last: float, apart: float, end: str = "") -> None:
        events = [*chain[:steps], *([end] if end else [])]
        at = last - apart * (len(events) - 1)
        for event in events:
            heard.append((round(at, 2), f"o-{number}", event))
            at += apart

    order(1, 5, last=20.0, apart=2.0)  # confirmed long ago
    order(2, 2, last=20.0, apart=2.0, end="OrderRejected")
    order(3, dice.randint(1, 4), last=95.0 + dice.random(), apart=1.0)  # under way
    order(4, dice.randint(3, 4), last=93.0 + dice.random(), apart=9.0)  # slow, and it goes on
    for number, steps in ((5, 1 + seed % 4), (6, 3), (7, 4)):
        order(number, steps, last=60.0 + dice.random(), apart=3.0)
        wanted[f"o-{number}"] = NEXT[chain[steps - 1]]
    dice.shuffle(heard)
    return heard, wanted


async def heard(answers: Answers, seed: int) -> Any:
    facts, wanted = facts_of(seed)
    return {
        "got": answers.overdue(list(facts), 100.0, dict(NEXT)),
        "facts": facts,
        "wanted": wanted,
    }


def is_a_dict(run: Any) -> str:
    got = run["got"]
    return "" if isinstance(got, Mapping) else f"it returned {got!r:.60}"


def none_that(*numbers: int) -> Callable[[Any], str]:
    def found(run: Any) -> str:
        false = [f"o-{number}" for number in numbers if f"o-{number}" in run["got"]]
        return f"it names {false[0]}: {story(run, false[0])}" if false else ""

    return found


def the_stuck_ones(run: Any) -> str:
    missing = [order for order in run["wanted"] if order not in run["got"]]
    return f"it does not name {missing[0]}: {story(run, missing[0])}" if missing else ""


def the_missing_events(run: Any) -> str:
    for order, event in run["wanted"].items():
        if run["got"][order] != event:
            return f"of {order} it names {run['got'][order]!r:.40}: {story(run, order)}"
    return ""


def story(run: Any, order_id: str) -> str:
    events = sorted((at, event) for at, order, event in run["facts"] if order == order_id)
    return ", ".join(f"{event} at {at:g} s" for at, event in events)


def which_event_look(run: Any) -> str:
    last = {order: event for _, order, event in sorted(run["facts"])}
    if all(run["got"][order] == last[order] for order in run["wanted"]):
        return "what you name: that event has happened. Which one should have come after it?"
    return "which event of an order is its last: the facts stand in no order, the seconds tell"


NOT_HAPPENED = Task(
    id="what-did-not-happen",
    title="What did not happen",
    points=2,
    names=["overdue"],
    trials=[
        Trial(
            heard,
            [
                Claim("a dict", is_a_dict, "what your function returns: order ids and events"),
                Claim(
                    "no order that was confirmed or rejected",
                    none_that(1, 2),
                    "how an order ends: after OrderConfirmed and after OrderRejected nothing is "
                    "missing",
                ),
                Claim(
                    "no order that is under way, with news from a few seconds ago",
                    none_that(3),
                    "the clock: what has not happened *yet* is not missing",
                ),
                Claim(
                    "no order that is slow and goes on",
                    none_that(4),
                    "from where you count the ten seconds: from an order's last news",
                ),
                Claim(
                    "the orders without news for more than ten seconds",
                    the_stuck_ones,
                    "the orders that you leave out: which of their events is the last?",
                ),
                Claim(
                    "for each of them, the event that should have come next",
                    the_missing_events,
                    which_event_look,
                ),
            ],
            seeds=range(6),
        )
    ],
    hints=[
        "What two things do you need that stand in no fact?",
        "Find the last event of each order, by its seconds. `after` says what comes next; an "
        "event with which an order ends is not in it.",
        "`for seconds, order_id, event in sorted(facts): last[order_id] = (seconds, event)`, then "
        "keep those with `event in after and now - seconds > 10`, and name `after[event]`.",
    ],
    wrong=[
        WrongAnswer(  # what has not happened yet never will
            """
def overdue(facts, now, after):
    last = {order_id: event for _, order_id, event in sorted(facts)}
    return {order_id: after[event] for order_id, event in last.items() if event in after}
""",
            "not happened *yet* is not missing",
        ),
        WrongAnswer(  # ten seconds for the whole
            """
def overdue(facts, now, after):
    first, last = {}, {}
    for seconds, order_id, event in sorted(facts):
        first.setdefault(order_id, seconds)
        last[order_id] = event
    return {order_id: after[event] for order_id, event in last.items()
            if event in after and now - first[order_id] > 10}
""",
            "from an order's last news",
        ),
        WrongAnswer(  # a rejected order is an unfinished one
            """
def overdue(facts, now, after):
    last = {order_id: (seconds, event) for seconds, order_id, event in sorted(facts)}
    return {order_id: after.get(event, "OrderConfirmed") for order_id, (seconds, event)
            in last.items() if event != "OrderConfirmed" and now - seconds > 10}
""",
            "how an order ends",
        ),
        WrongAnswer(  # says where it is, not what is missing
            """
def overdue(facts, now, after):
    last = {order_id: (seconds, event) for seconds, order_id, event in sorted(facts)}
    return {order_id: event for order_id, (seconds, event) in last.items()
            if event in after and now - seconds > 10}
""",
            "Which one should have come after it?",
        ),
        WrongAnswer(  # messages arrive in the order of their events
            """
def overdue(facts, now, after):
    last, news, ends = {}, {}, set()
    for seconds, order_id, event in facts:
        last[order_id] = event
        news[order_id] = max(seconds, news.get(order_id, 0))
        if event not in after:
            ends.add(order_id)
    return {order_id: after[event] for order_id, event in last.items()
            if order_id not in ends and now - news[order_id] > 10}
""",
            "the facts stand in no order",
        ),
        WrongAnswer(  # a trace tells: only what failed is stuck
            """
def overdue(facts, now, after):
    return {order_id: event for _, order_id, event in facts if "Failed" in event}
""",
            "which of their events is the last?",
        ),
    ],
    others=[
        """
def overdue(facts, now, after):
    found = {}
    for order_id in {order_id for _, order_id, _ in facts}:
        seconds, event = max((at, event) for at, order, event in facts if order == order_id)
        if event in after and now - seconds > 10:
            found[order_id] = after[event]
    return found
""",
        """
def overdue(facts, now, after):
    chain = [*after, "OrderConfirmed"]
    place = {event: at for at, event in enumerate([*chain, "OrderRejected"])}
    furthest = {}
    for seconds, order_id, event in facts:
        known = furthest.get(order_id)
        if known is None or place[event] > place[known[1]]:
            furthest[order_id] = seconds, event
    return {order_id: chain[place[event] + 1] for order_id, (seconds, event) in furthest.items()
            if place[event] < 4 and now - seconds > 10}
""",
    ],
    why="An absence is in no log. It shows only against an expectation: what must come next, and "
    "by when. Both are decisions of yours, and no tool can read them off what happened.",
)


# parents


async def parents_of(answers: Answers, seed: int) -> Any:
    heap = [m for m in await tangled(seed) if m.kind != "dead"]
    # What somebody else's customer said is not in this heap; its effect is.
    outside = heap[0].model_copy(
        update={
            "id": "Partner-1",
            "causationid": "shop.example-1",
            "traceparent": f"00-{'c' * 32}-{'d' * 16}-01",
        }
    )
    heap.append(outside)
    return {"heap": heap, "got": answers.parents(list(heap))}


def span_id(message: Message) -> str:
    return str(message.traceparent).split("-")[2]


def one_for_each(run: Any) -> str:
    got = run["got"]
    if not isinstance(got, Mapping):
        return f"it returned {got!r:.60}"
    left = [m for m in run["heap"] if m.id not in got]
    return f"{len(left)} messages are not in it, such as {left[0].id}" if left else ""


def roots_have_none(run: Any) -> str:
    for message in run["heap"]:
        if message.causationid is None and run["got"][message.id] is not None:
            return f"{message.id}, which has no cause, has {run['got'][message.id]!r:.40}"
    return ""


def strangers_have_none(run: Any) -> str:
    got = run["got"]["Partner-1"]
    return "" if got is None else f"Partner-1 has {got!r:.40}"


def parents_are_right(run: Any) -> str:
    by_id = {message.id: message for message in run["heap"]}
    for message in run["heap"]:
        cause = by_id.get(message.causationid or "")
        if cause is not None and run["got"][message.id] != span_id(cause):
            found = run["got"][message.id]
            return f"{message.type} of {message.sender} has {found!r:.60}, not {span_id(cause)!r}"
    return ""


def which_span_look(run: Any) -> str:
    """What the first wrong parent is, if it is not the cause's span."""
    by_id = {message.id: message for message in run["heap"]}
    wrong = [
        (message, run["got"][message.id])
        for message in run["heap"]
        if (cause := by_id.get(message.causationid or ""))
        and run["got"][message.id] != span_id(cause)
    ]
    if all(found == span_id(message) for message, found in wrong):
        return "whose span that is: the message's own. Its parent is that of its cause"
    if all(found == message.causationid for message, found in wrong):
        return "what you return: that is the cause's id. Its span id stands in its traceparent"
    if all(found == str(message.traceparent).split("-")[1] for message, found in wrong):
        return "which part of a traceparent you take: version, trace id, span id, flags"
    return "whom you take for the parent: the message that led to this one, not the first of all"


PARENTS = Task(
    id="parents",
    title="Who hangs under whom",
    points=2,
    names=["parents"],
    trials=[
        Trial(
            parents_of,
            [
                Claim(
                    "a dict with each message's id", one_for_each, "which messages you go through"
                ),
                Claim(
                    "None for a message that began a story",
                    roots_have_none,
                    "the messages whose `causationid` is None: they have no parent",
                ),
                Claim(
                    "None where the cause is not in the heap",
                    strangers_have_none,
                    "Partner-1: its cause is a message that you do not have, so its span is "
                    "unknown",
                ),
                Claim(
                    "for each other one the span id of its cause",
                    parents_are_right,
                    which_span_look,
                ),
            ],
        )
    ],
    hints=[
        "A `traceparent` has four parts, with dashes between them. Which one is the span's?",
        "`by_id[message.causationid]` is the message that led to this one. Its own traceparent "
        "names its own span.",
        '`cause = by_id.get(message.causationid)`, then `cause.traceparent.split("-")[2]` if there '
        "is a cause, else None.",
    ],
    wrong=[
        WrongAnswer(  # a traceparent names the parent, it seems
            """
def parents(heap):
    by_id = {m.id: m for m in heap}
    return {m.id: m.traceparent.split("-")[2] if m.causationid in by_id else None for m in heap}
""",
            "the message's own",
        ),
        WrongAnswer(
            """
def parents(heap):
    by_id = {m.id: m for m in heap}
    return {m.id: m.causationid if m.causationid in by_id else None for m in heap}
""",
            "that is the cause's id",
        ),
        WrongAnswer(
            """
def parents(heap):
    by_id = {m.id: m for m in heap}
    return {m.id: by_id[m.causationid].traceparent.split("-")[1] if m.causationid in by_id else None
            for m in heap}
""",
            "which part of a traceparent",
        ),
        WrongAnswer(  # correlation is taken for causation
            """
def parents(heap):
    by_id = {m.id: m for m in heap}
    return {m.id: by_id[m.correlationid].traceparent.split("-")[2]
            if m.causationid in by_id else None for m in heap}
""",
            "not the first of all",
        ),
        WrongAnswer(  # who has no parent is its own
            """
def parents(heap):
    by_id = {m.id: m for m in heap}
    return {m.id: by_id.get(m.causationid, m).traceparent.split("-")[2] for m in heap}
""",
            "they have no parent",
        ),
        WrongAnswer(  # a cause that is not there is a cause
            """
def parents(heap):
    by_id = {m.id: m for m in heap}
    return {m.id: None if m.causationid is None
            else by_id.get(m.causationid, m).traceparent.split("-")[2] for m in heap}
""",
            "a message that you do not have",
        ),
    ],
    others=[
        """
def parents(heap):
    span = {m.id: m.traceparent[36:52] for m in heap}
    return {m.id: span.get(m.causationid) for m in heap}
""",
        """
def parents(heap):
    found = {}
    for message in heap:
        found[message.id] = None
        for cause in heap:
            if cause.id == message.causationid:
                version, trace, span, flags = cause.traceparent.split("-")
                found[message.id] = span
    return found
""",
    ],
    why="A tracing tool draws the tree that the causation ids make: a trace is a story, a span is "
    "a step of it, a parent is a cause. labkit.spans puts one more span between two messages, the "
    "handling, because several services may handle one event.",
)


TASKS = [UNTANGLE, A_TRACKER, NOT_HAPPENED, PARENTS]
