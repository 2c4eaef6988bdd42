"""The hybrid: what happens inside Shipping stays there, and each order ends in one way."""

import asyncio
from contextlib import suppress

import pytest

from labkit import (
    CommandFailed,
    HumanTaskOpened,
    Lab,
    NoReply,
    Refused,
    after_effect,
    before,
    before_effect,
    before_publish,
    delay,
    duplicate,
    exactly_once,
    explore,
    invariants,
    kill,
    never,
    partition,
    reorder,
    reply_lost,
    unavailable,
)
from labkit.boundary import blast_radius, border, no_command_crosses
from labkit.shop import (
    OrderConfirmed,
    OrderRejected,
    PaymentRefunded,
    ShipmentDispatched,
    ShipmentRejected,
    carrier_first,
    hybrid,
    tangle,
)
from labkit.shop.hybrid import (
    DEAR,
    DOMAINS,
    Approvals,
    CarrierDesk,
    Dispatcher,
    Notification,
    Order,
    Payment,
    Warehouse,
)
from labkit.trace import key_of

CHEAP, COSTLY = 129_900, DEAR + 1
SEEDS = 60
ORDERS, STOCK, VANS = 5, 4, 3
INSIDE = {"Warehouse", "CarrierDesk", "Approvals", "Dispatcher"}


def shop(*, stock=100, vans=100):
    warehouse, desk = Warehouse(stock=stock), CarrierDesk(vans=vans)
    dispatcher = Dispatcher(approval_seconds=3)
    return [Order, Payment, dispatcher, warehouse, desk, Approvals, Notification]


async def order(amount, *services, faults=(), approve=False, seed=7):
    async with Lab(*(services or shop()), faults=faults, simulate=seed) as lab:
        await lab.call(Order.place_order, order_id="o-1", amount=amount)
        if approve:
            await lab.call(Approvals.approve, order_id="o-1")
        await lab.quiet(at_most_seconds=600)
    return lab


def ordered(*arguments, **more):
    return asyncio.run(order(*arguments, **more))


def did(lab, *services):
    return [entry.effect for entry in lab.ledger if entry.service in services]


def outcomes(lab):
    return {message.type for message in lab.trace.sent() if message.type in ENDS}


ENDS = ("OrderConfirmed", "OrderRejected")


# What happens inside


def test_a_cheap_parcel_is_picked_booked_and_handed_over_and_nobody_is_asked():
    lab = ordered(CHEAP)
    commands = [m.type for m in lab.trace.sent(by=Dispatcher) if m.kind == "command"]
    assert commands == ["Warehouse.pick_items", "CarrierDesk.book_carrier", "Warehouse.hand_over"]
    assert outcomes(lab) == {"OrderConfirmed"}
    assert lab.ledger.keys("mailed") == ["o-1"]


def test_a_dear_parcel_leaves_after_a_person_has_agreed():
    lab = ordered(COSTLY, approve=True)
    assert before("approved", "shipped")(lab)
    assert lab.ledger.shipped() == ["o-1"]


def test_a_dear_parcel_to_which_nobody_agrees_is_unpacked_and_the_van_goes_free():
    lab = ordered(COSTLY)
    assert did(lab, "Warehouse", "CarrierDesk") == [
        "picked",
        "booked",
        "taken back",
        "called off",
        "taken back",
        "put back",
    ]
    assert outcomes(lab) == {"OrderRejected"}
    assert lab.ledger.keys("refunded") == ["o-1"]


@pytest.mark.parametrize(
    ("lacking", "reason"),
    [
        ({"stock": 0}, "nothing left on the shelf"),
        ({"vans": 0}, "the carrier has no van"),
    ],
)
def test_outside_one_hears_that_it_failed_and_why_but_no_name_of_an_inner_command(lacking, reason):
    lab = ordered(CHEAP, *shop(**lacking))
    [rejected] = lab.trace.sent(ShipmentRejected)
    assert rejected.data["reason"] == reason
    assert len(lab.trace.sent(PaymentRefunded)) == 1


def test_a_failure_that_passes_is_never_heard_of_outside():
    good = ordered(CHEAP)
    faults = [unavailable(Warehouse.pick_items, nth=1), reply_lost(CarrierDesk.book_carrier, nth=1)]
    bad = ordered(CHEAP, faults=faults)
    assert len(bad.trace) > len(good.trace)
    assert border(bad, DOMAINS).crossing == border(good, DOMAINS).crossing


def test_a_service_that_never_answers_ends_in_a_rejection_without_its_name():
    lab = ordered(CHEAP, faults=[unavailable(CarrierDesk.book_carrier)])
    [rejected] = lab.trace.sent(ShipmentRejected)
    assert not [name for name in INSIDE if name in rejected.data["reason"]]
    assert did(lab, "Warehouse") == ["picked", "taken back", "put back"]


def test_a_parcel_that_may_have_left_is_neither_dispatched_nor_rejected_but_shown_to_a_person():
    lab = ordered(CHEAP, faults=[reply_lost(Warehouse.hand_over)])
    assert lab.ledger.shipped() == ["o-1"]
    assert outcomes(lab) == set()
    assert [m.data["order_id"] for m in lab.trace.sent(HumanTaskOpened)] == ["o-1"]


def test_a_dispatcher_that_dies_on_its_way_back_goes_on_with_it_and_does_not_change_its_mind():
    """The desk's answers come again when it is back: it could send the parcel now."""
    lost = [reply_lost(CarrierDesk.book_carrier, nth=nth) for nth in range(1, 5)]
    dies = before_publish(Dispatcher, message=CarrierDesk.call_off, nth=1)
    lab = ordered(CHEAP, faults=[*lost, dies])
    assert len(lab.trace.sent(CarrierDesk.book_carrier)) == 4
    assert outcomes(lab) == {"OrderRejected"}
    assert lying_about(lab) == set()


def test_a_dispatcher_that_dies_when_all_is_asked_for_does_not_take_it_back():
    """What it asked for is on its way; the second time nobody answers."""
    dies = before_publish(Dispatcher, message=ShipmentDispatched, nth=1)
    later = [
        unavailable(CarrierDesk.book_carrier, after=1),
        unavailable(Warehouse.pick_items, after=1),
    ]
    lab = ordered(CHEAP, faults=[dies, *later])
    assert outcomes(lab) == {"OrderConfirmed"}
    assert did(lab, "Warehouse") == ["picked", "shipped"]


def test_a_yes_of_which_the_dispatcher_never_hears_stays_the_only_word():
    lab = ordered(COSTLY, faults=[reply_lost(Approvals.wait_for)], approve=True)
    assert did(lab, "Approvals") == ["approved"]
    assert outcomes(lab) == {"OrderRejected"}
    assert lying_about(lab) == set()


def test_two_copies_of_one_event_do_not_go_two_ways():
    faults = [duplicate(Dispatcher), reply_lost(CarrierDesk, 0.7)]

    async def day(seed):
        return await order(CHEAP, faults=faults, seed=seed)

    one_way = [
        never(OrderRejected, after=OrderConfirmed),
        never(OrderConfirmed, after=OrderRejected),
        never("put back", after="shipped"),
        never("shipped", after="put back"),
        never("shipped", after="called off"),
        never("called off", after="shipped"),
    ]
    found = asyncio.run(explore(day, one_way, seeds=range(100)))
    assert found, found
    assert found.never_occurred == []  # both ways were gone


ASKED = {
    "picked after it was put back": (Warehouse, ["put_back", "pick_items"], "taken back"),
    "handed over after it was put back": (Warehouse, ["put_back", "hand_over"], "taken back"),
    "put back after it has left": (Warehouse, ["pick_items", "hand_over", "put_back"], "has left"),
    "booked after it was called off": (CarrierDesk, ["call_off", "book_carrier"], "taken back"),
}


@pytest.mark.parametrize("what", ASKED)
def test_what_comes_too_late_is_refused(what):
    service, asked, words = ASKED[what]

    async def run():
        async with Lab(service, simulate=1) as lab:
            for name in asked[:-1]:
                await lab.call(getattr(service, name), order_id="o-1")
            with pytest.raises(Refused, match=words):
                await lab.call(getattr(service, asked[-1]), order_id="o-1")

    asyncio.run(run())


def test_a_no_once_said_stays_a_no_when_there_is_a_van_again():
    async def run():
        async with Lab(CarrierDesk(vans=1), simulate=1) as lab:
            await lab.call(CarrierDesk.book_carrier, order_id="o-1")
            for _ in range(2):
                with pytest.raises(Refused, match="no van"):
                    await lab.call(CarrierDesk.book_carrier, order_id="o-2")
                await lab.call(CarrierDesk.call_off, order_id="o-1")
            await lab.call(CarrierDesk.book_carrier, order_id="o-3")

    asyncio.run(run())


# On sixty bad days


def everything():
    deaths = (kill, before_effect, after_effect, before_publish)
    return [partition(Warehouse, 3.0, begins_seconds=0.02)] + [
        fault
        for service in (Payment, Dispatcher, Warehouse, CarrierDesk, Approvals)
        for fault in (
            duplicate(service, 0.2),
            reorder(service, 0.2),
            delay(service, 6.0, 0.1),
            reply_lost(service, 0.2),
            *(death(service, 0.03) for death in deaths),
        )
    ]


async def bad_day(seed):
    services = shop(stock=STOCK, vans=VANS)
    async with Lab(*services, faults=everything(), simulate=seed) as lab:
        for number in range(ORDERS):
            amount = COSTLY if number % 2 else CHEAP
            await lab.call(Order.place_order, order_id=f"o-{number}", amount=amount)
        with suppress(CommandFailed):
            await lab.call(Approvals.approve, order_id="o-1", timeout_seconds=60)
        await lab.quiet(at_most_seconds=3600)
    return lab


def lying_about(lab):
    """What is picked or booked for orders that were rejected, and not taken back."""
    rejected = {key_of(m) for m in lab.trace.sent(OrderRejected)}
    keys = lab.ledger.keys
    picked = {*keys("picked")} - {*keys("put back")}
    return (picked | {*keys("booked")} - {*keys("called off")}) & rejected


def least(ledger, begin, taken, given):
    """How few there were at the worst time."""
    left = found = begin
    for entry in ledger:
        left += {taken: -1, given: 1}.get(entry.effect, 0)
        found = min(left, found)
    return found


def test_on_sixty_bad_days_nobody_pays_for_nothing_and_the_border_holds():
    shipped, refunded, asked = 0, 0, 0
    guarded = no_command_crosses(DOMAINS)
    for seed in range(SEEDS):
        lab = asyncio.run(bad_day(seed))
        ledger, trace = lab.ledger, lab.trace
        goods, money = set(ledger.shipped()), set(ledger.keys("refunded"))
        human = {message.data["order_id"] for message in trace.sent(HumanTaskOpened)}
        assert set(ledger.orphaned()) <= human, f"seed {seed}"
        assert not goods & money, f"seed {seed}: goods and money"
        assert ledger.doubled() == [], f"seed {seed}"
        assert not goods & set(ledger.keys("put back")), f"seed {seed}: shipped and on the shelf"
        assert least(ledger, STOCK, "picked", "put back") >= 0, f"seed {seed}: shelf"
        assert least(ledger, VANS, "booked", "called off") >= 0, f"seed {seed}: vans"
        assert not set(ledger.keys("approved")) & set(ledger.keys("expired")), f"seed {seed}"
        assert goods <= {"o-0", "o-2", "o-4", *ledger.keys("approved")}, f"seed {seed}: unapproved"
        assert lying_about(lab) <= human, f"seed {seed}: not taken back"
        assert guarded(lab), f"seed {seed}"
        shipped, refunded, asked = shipped + len(goods), refunded + len(money), asked + len(human)
    # The days were bad, and the shop was open.
    assert shipped > SEEDS
    assert refunded > SEEDS
    assert asked > 0


# The approval and the clock: a race, right in each schedule


class Person(hybrid.Service):
    """Agrees so many seconds after the money has come, once or more often."""

    def __init__(self, *seconds):
        self.seconds, self.heard = seconds, []

    @hybrid.on(hybrid.PaymentCharged)
    async def think(self, payment):
        # On the clock that all share: so many seconds after the first word, not one after another.
        await asyncio.gather(*(self._agree(payment.order_id, wait) for wait in self.seconds))

    async def _agree(self, order_id, seconds):
        await asyncio.sleep(seconds)
        try:
            await self.call(Approvals.approve, order_id=order_id)
        except Refused:
            self.heard.append("too late")
        else:
            self.heard.append("agreed")


# Short, for `quiet` looks a hundred times in each virtual second whether all is done.
APPROVAL_SECONDS = 0.3
# Approvals hears of the parcel some 25 ms after Person hears of the money, give or take 10.
AT_THE_TIME_OUT = APPROVAL_SECONDS + 0.025
WHEN = {
    "just before": (AT_THE_TIME_OUT - 0.1,),
    "at the time-out": (AT_THE_TIME_OUT,),
    "just after": (AT_THE_TIME_OUT + 0.1,),
    "twice": (AT_THE_TIME_OUT, AT_THE_TIME_OUT + 0.001),
    "late": (2 * APPROVAL_SECONDS,),
}


def racing(seconds, approvals=Approvals):
    async def day(seed):
        person = Person(*seconds)
        dispatcher = Dispatcher(approval_seconds=APPROVAL_SECONDS)
        services = [Order, Payment, dispatcher, Warehouse, CarrierDesk, approvals, person]
        async with Lab(*services, simulate=seed) as lab:
            await lab.call(Order.place_order, order_id="o-1", amount=COSTLY)
            await lab.quiet(at_most_seconds=600)
        lab.heard = person.heard
        return lab

    return day


ONE_WORD = [
    never("approved", after="expired"),
    never("expired", after="approved"),
    before("approved", "shipped"),
    never("shipped", after="expired"),
    never(OrderRejected, after=OrderConfirmed),
    never(OrderConfirmed, after=OrderRejected),
    never("refunded", after="shipped"),
    no_command_crosses({**DOMAINS, "Shipping": [*DOMAINS["Shipping"], Person]}),
    *invariants(within_seconds=60),
]


def test_in_a_thousand_schedules_an_order_has_one_outcome_whenever_a_person_agrees():
    runs, ends = 0, {when: set() for when in WHEN}
    for at, (when, seconds) in enumerate(WHEN.items()):
        day, seen = racing(seconds), ends[when]

        async def noted(seed, day=day, seen=seen):
            lab = await day(seed)
            [outcome] = [message.type for message in lab.trace.sent() if message.type in ENDS]
            # What the person was told is what became of the parcel.
            assert set(lab.heard) == {"agreed" if outcome == "OrderConfirmed" else "too late"}
            seen.add(outcome)
            return lab

        found = asyncio.run(explore(noted, ONE_WORD, seeds=range(200 * at, 200 * (at + 1))))
        assert found, f"{when}: {found}"
        runs += found.runs
    assert runs == 1000
    assert ends == {
        "just before": {"OrderConfirmed"},
        "at the time-out": set(ENDS),
        "just after": {"OrderRejected"},
        "twice": set(ENDS),
        "late": {"OrderRejected"},
    }


class Hasty(Approvals):
    """Looks, then writes it into a book that takes a moment, then says so."""

    @hybrid.command
    async def approve(self, order_id: str) -> None:
        if self.done("expired", order_id):
            raise Refused("too late")
        await asyncio.sleep(0.005)
        self.effect("approved", order_id, once=order_id)
        self._approved[order_id].set()


Hasty.__name__ = "Approvals"


def test_a_look_and_a_moment_later_the_word_is_found_to_be_a_race():
    found = asyncio.run(explore(racing((AT_THE_TIME_OUT,), Hasty), ONE_WORD, seeds=range(100)))
    assert not found
    assert "never approved after expired" in str(found.broken)


def test_a_lost_answer_makes_no_second_word():
    faults = [reply_lost(Approvals.approve, nth=1), reply_lost(Approvals.wait_for, nth=1)]

    async def run():
        async with Lab(*shop(), faults=faults, simulate=3) as lab:
            await lab.call(Order.place_order, order_id="o-1", amount=COSTLY)
            with pytest.raises(NoReply):
                await lab.call(Approvals.approve, order_id="o-1", timeout_seconds=1)
            await lab.call(Approvals.approve, order_id="o-1")
            await lab.quiet(at_most_seconds=600)
        return lab

    lab = asyncio.run(run())
    assert exactly_once("approved")(lab)
    assert exactly_once(OrderConfirmed)(lab)


def test_who_agrees_too_late_hears_a_no():
    async def run():
        async with Lab(*shop(), simulate=3) as lab:
            await lab.call(Order.place_order, order_id="o-1", amount=COSTLY)
            await lab.quiet(at_most_seconds=600)
            with pytest.raises(Refused, match="too late"):
                await lab.call(Approvals.approve, order_id="o-1")
            await lab.quiet()
        return lab

    lab = asyncio.run(run())
    assert (lab.ledger.shipped(), lab.ledger.keys("approved")) == ([], [])


# The tangle, and what becomes of it

AMOUNTS = {"o-1": CHEAP, "o-2": COSTLY, "o-3": COSTLY, "o-4": CHEAP}


async def four_orders(kind, desk, services, seed=7):
    """One plain, one dear that nobody approves, one dear and approved, one for which no van is."""
    services = [desk(vans=2) if service is desk else service for service in services]
    async with Lab(*services, simulate=seed) as lab:
        for order_id, amount in AMOUNTS.items():
            await lab.call(kind.Order.place_order, order_id=order_id, amount=amount)
            if order_id == "o-3":
                await lab.call(kind.Approvals.approve, order_id=order_id)
            await lab.quiet(at_most_seconds=600)
    return lab


def ends_of(lab):
    return {key_of(m): m.type for m in lab.trace.sent() if m.type in ENDS}


SHOPS = {
    "hybrid": (hybrid, hybrid.CarrierDesk, carrier_first.IN_THE_HYBRID[0]),
    "tangle": (tangle, tangle.CarrierDesk, carrier_first.IN_THE_TANGLE[0]),
    "hybrid, carrier first": (hybrid, hybrid.CarrierDesk, carrier_first.IN_THE_HYBRID[1]),
    "tangle, carrier first": (tangle, carrier_first.CarrierDesk, carrier_first.IN_THE_TANGLE[1]),
}


def run_of(name, seed=7):
    return asyncio.run(four_orders(*SHOPS[name], seed=seed))


@pytest.mark.parametrize("name", SHOPS)
@pytest.mark.parametrize("seed", range(5))
def test_each_of_the_four_shops_serves_its_customers_alike(name, seed):
    lab = run_of(name, seed)
    assert ends_of(lab) == {
        "o-1": "OrderConfirmed",
        "o-2": "OrderRejected",
        "o-3": "OrderConfirmed",
        "o-4": "OrderRejected",
    }
    assert lab.ledger.shipped() == ["o-1", "o-3"]
    assert lab.ledger.keys("refunded") == ["o-2", "o-4"]
    assert least(lab.ledger, 2, "booked", "called off") == 0
    for invariant in invariants():
        assert invariant(lab)


def test_the_card_before_and_after():
    tangled, refactored = run_of("tangle").card(), run_of("hybrid").card()
    ended = [(card.confirmed, card.rejected, card.stuck) for card in (tangled, refactored)]
    assert ended == [(2, 2, 0), (2, 2, 0)]
    assert refactored.longest_chain < tangled.longest_chain
    assert refactored.messages > tangled.messages  # order has its price


def test_of_the_hybrid_other_domains_know_how_it_has_ended_and_of_the_tangle_how_it_goes():
    known = border(run_of("hybrid"), hybrid.DOMAINS).known_outside
    assert sorted(known) == sorted(
        ["OrderPlaced", "PaymentCharged", "ShipmentDispatched", "ShipmentRejected", "OrderRejected"]
    )
    tangled = border(run_of("tangle"), tangle.DOMAINS).known_outside
    assert {"CarrierBooked", "ApprovalRequested", "HandOverRequested", "ItemsPutBack"} < {*tangled}


def test_the_tangle_writes_to_a_customer_whose_parcel_never_leaves():
    lab = run_of("tangle")
    assert set(lab.ledger.keys("mailed")) - set(lab.ledger.shipped()) == {"o-2"}
    lab = run_of("hybrid")
    assert lab.ledger.keys("mailed") == lab.ledger.shipped()


def test_an_event_that_leads_to_itself_goes_round_until_something_stops_it():
    lab = run_of("tangle")
    said = [m.type for m in lab.trace.story("o-4").sent()]
    assert said.count("ItemsPicked") == said.count("CarrierRefused") == tangle.PACKINGS


def test_the_carrier_first_touches_one_service_in_the_hybrid_and_three_in_the_tangle():
    one = blast_radius(*carrier_first.IN_THE_HYBRID, hybrid.DOMAINS)
    assert one.touched == {"Shipping": ["Dispatcher"]}
    other = blast_radius(*carrier_first.IN_THE_TANGLE, tangle.DOMAINS)
    assert other.touched == {"Order": ["Order"], "Shipping": ["Warehouse", "CarrierDesk"]}


@pytest.mark.parametrize("name", SHOPS)
def test_the_carrier_is_first_where_it_should_be(name):
    """Claims about the change itself: what is booked and picked first, in a plain order."""
    done = [e.effect for e in run_of(name).ledger if e.key == "o-1"]
    first = "booked" if "carrier first" in name else "picked"
    assert next(effect for effect in done if effect in ("booked", "picked")) == first
