"""Both styles have the same customers and the same bad luck, and the cards say what came of it."""

import asyncio
import json
from fractions import Fraction

import pytest

from benchmarks import comparison as benchmark
from labkit import LabError, duplicate, partition, reply_lost, unavailable
from labkit.comparing import BOTH, CHOREOGRAPHED, ORCHESTRATED, Style, compare, multiples
from labkit.comparing.notice import first_sign, noticed_after
from labkit.shop import OrderPlaced
from labkit.shop.busy import Inventory, Order, OrderOrchestrator, Payment, Shipping
from labkit.trace import Trace

WORKERS = Payment, Inventory, Shipping
BAD_LUCK = [
    fault
    for worker in WORKERS
    for fault in (unavailable(worker, 0.3), duplicate(worker, 0.1), reply_lost(worker, 0.03))
]


def compared(*styles, **given):
    return asyncio.run(compare(*styles, **{"orders": 60, "progress": lambda share: None, **given}))


def test_on_a_good_day_all_is_confirmed_with_eight_messages_or_five():
    found = compared()
    assert {name: r.card.confirmed for name, r in found.results.items()} == {
        "orchestrated": 60,
        "choreographed": 60,
    }
    assert [found[style].card.messages for style in BOTH] == [8 * 60, 5 * 60]
    assert [found[style].card.longest_chain for style in BOTH] == [2, 5]


def test_the_same_seed_is_the_same_comparison_times_and_all():
    one, two, other = (compared(faults=BAD_LUCK, seed=seed) for seed in (1, 1, 2))
    assert repr(one) == repr(two)
    assert one["orchestrated"].card.times_ms == two["orchestrated"].card.times_ms
    assert one.counts != other.counts


def test_every_order_of_every_day_is_counted_once():
    found = compared(orders=50, orders_a_day=20, faults=BAD_LUCK)
    days = [
        compared(orders=many, seed=seed, faults=BAD_LUCK)
        for seed, many in ((1, 20), (2, 20), (3, 10))
    ]
    for style in BOTH:
        cards = [day[style].card for day in days]
        assert found[style].card.orders == 50
        assert found[style].card.messages == sum(card.messages for card in cards)
        assert found[style].silent == sum(day[style].silent for day in days)
        assert found[style].card.times_ms == tuple(sorted(t for c in cards for t in c.times_ms))
        ends = found[style].card
        assert ends.confirmed + ends.rejected + ends.stuck == ends.orders


def test_both_styles_try_equally_often():
    """One worker, no answers to lose: what each style gives up differs by chance alone."""
    found = compared(orders=600, faults=[unavailable(Payment, 0.5)], per_second=20)
    given_up = [Fraction(r.card.orders - r.card.confirmed, 600) for r in found.results.values()]
    expected = Fraction(1, 2**4)
    assert all(abs(share - expected) < Fraction(1, 40) for share in given_up), given_up


def test_a_conductor_never_fails_in_silence_and_a_choreography_always_does():
    found = compared(orders=200, faults=[unavailable(worker, 0.6) for worker in WORKERS])
    assert found["orchestrated"].silent == 0 < found["orchestrated"].card.stuck
    assert found["choreographed"].silent == found["choreographed"].card.stuck > 0
    assert found["choreographed"].card.rejected == 0


def test_an_impatient_conductor_storms_and_a_patient_one_does_not():
    cut = [partition(Payment, seconds=10, begins_seconds=2)]
    found = compared(orders=200, faults=cut)
    assert found["orchestrated"].card.confirmed < 50
    assert found["choreographed"].card.confirmed == 200
    conductor = OrderOrchestrator(timeout_seconds=10)
    patient = Style("patient", (conductor, *WORKERS), OrderOrchestrator.place_order)
    assert compared(patient, orders=200, faults=cut)["patient"].card.confirmed == 200


def test_nothing_is_done_twice_whatever_comes_twice():
    found = compared(faults=[duplicate(worker, 0.5) for worker in WORKERS])
    assert [found[style].card.doubled for style in BOTH] == [0, 0]


def test_progress_goes_from_nothing_to_all():
    shares = []
    compared(orders=10, progress=shares.append)
    assert shares == [pytest.approx(n / 20) for n in range(1, 21)]


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"orders": 0}, "orders=0"),
        ({"orders": 1.5}, "orders=1.5"),
        ({"orders": "many"}, "orders='many'"),
        ({"per_second": 0}, "per_second=0"),
        ({"per_second": float("inf")}, "per_second=inf"),
        ({"orders_a_day": True}, "orders_a_day=True"),
    ],
)
def test_what_is_no_number_of_orders_is_told(given, said):
    with pytest.raises(LabError, match=said):
        compared(**given)


def test_a_fault_of_a_service_that_is_not_there_is_told():
    with pytest.raises(LabError, match="no Order in this lab"):
        compared(ORCHESTRATED, faults=[unavailable(Order)])


def test_the_cards_stand_side_by_side():
    head, orders, *_ = repr(compared()).splitlines()
    assert head.split() == ["orchestrated", "choreographed"]
    assert orders.split() == ["orders", "60", "60"]


def test_small_multiples_tell_in_words_what_they_show():
    found = {
        chance: compared(faults=[unavailable(w, chance) for w in WORKERS]) for chance in (0, 1)
    }
    picture = multiples(found, "chance")
    assert "orchestrated: 0: 100 % confirmed; 1: 100 % rejected" in picture.alt
    assert "choreographed: 0: 100 % confirmed; 1: 100 % stuck, nobody knows" in picture.alt


def test_no_comparison_is_no_picture():
    with pytest.raises(LabError, match="was given none"):
        multiples({}, "chance")


# When somebody could know


def test_who_waits_notices_and_who_does_not_wait_does_not():
    def seconds(style, service):
        return asyncio.run(noticed_after(style, service))

    for worker in WORKERS:
        assert seconds(CHOREOGRAPHED, worker) is None
    # Four tries of 5 s, and as many to take back what was tried.
    assert 40 < seconds(ORCHESTRATED, Payment) < 45
    assert 20 < seconds(ORCHESTRATED, Shipping) < 25
    assert seconds(ORCHESTRATED, OrderOrchestrator) is None


def test_who_is_not_in_a_style_can_not_fall_mute_there():
    with pytest.raises(LabError, match="choreographed has no OrderOrchestrator"):
        asyncio.run(noticed_after(CHOREOGRAPHED, OrderOrchestrator))


def test_a_day_without_orders_tells_nobody_anything():
    assert first_sign(Trace()) is None


def test_an_order_enters_as_an_event_or_as_a_command():
    assert CHOREOGRAPHED.enters is OrderPlaced
    assert ORCHESTRATED.enters.message_type == "OrderOrchestrator.place_order"


def test_the_benchmark_prints_a_table_and_writes_its_numbers(tmp_path, capsys):
    file = tmp_path / "numbers.json"
    benchmark.main(["--quick", "--json", str(file)])
    rows = json.loads(file.read_text(encoding="utf-8"))["rows"]
    assert [row["case"] for row in rows] == ["good days", "bad days", "a turn of the dials"]
    assert rows[0]["messages"] == 40 * (8 + 5)
    assert all(row["case"] in capsys.readouterr().out for row in rows[:1])
