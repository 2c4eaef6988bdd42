"""Any trace can be heard: a melody where one directs, many voices where nobody does."""

import asyncio
import math
from contextlib import suppress

import pytest

from labkit import CommandFailed, Lab, LabError, Trace, duplicate, kill, mute, unavailable
from labkit.music.listening import MOST_BEATS, STEPS, VOICES
from labkit.music.note import Note
from labkit.music.ranges import RANGES
from labkit.shop import Inventory, Notification, Order, OrderOrchestrator, OrderPlaced, Payment
from labkit.shop import Shipping as Ship

PLAYERS = (Payment, Inventory, Ship, Notification)


async def orchestrated(orders: int = 1, seed: int = 1, **faulty) -> Trace:
    async with Lab(OrderOrchestrator, *PLAYERS, simulate=seed, **faulty) as lab:
        for order in range(orders):
            with suppress(CommandFailed):
                await lab.call(OrderOrchestrator.place_order, order_id=f"o-{order}", amount=30)
        return await lab.quiet()


async def choreographed(orders: int = 1, seed: int = 1, **faulty) -> Trace:
    async with Lab(Order, *PLAYERS, simulate=seed, **faulty) as lab:
        for order in range(orders):
            await lab.publish(OrderPlaced(order_id=f"o-{order}", amount=30))
        return await lab.quiet()


def notes_of(trace: Trace) -> tuple[Note, ...]:
    return trace.listen().music.notes


def voices_at_once(notes: tuple[Note, ...]) -> list[int]:
    """How many voices sound when each note has just begun."""
    return [
        len({n.instrument for n in notes if n.start <= now.start < n.start + n.duration})
        for now in notes
    ]


def of(trace: Trace, said: str) -> list[Note]:
    """The notes that a message type has become."""
    ids = {message.id for message in trace.sent(said)}
    return [note for note in notes_of(trace) if note.cause in ids]


# Two styles


@pytest.mark.parametrize("seed", range(4))
def test_an_orchestrated_order_is_a_melody_handed_round(seed):
    trace = asyncio.run(orchestrated(seed=seed))
    notes = notes_of(trace)
    assert set(voices_at_once(notes)) == {1}
    assert len(notes) == len(trace) == 8
    assert [note.instrument for note in notes] == [
        *("drums", "keys", "saxophone", "keys", "violins", "keys", "brass", "keys")
    ]


@pytest.mark.parametrize("seed", range(4))
def test_a_choreographed_order_is_polyphony(seed):
    trace = asyncio.run(choreographed(seed=seed))
    notes = notes_of(trace)
    assert len(notes) == len(trace) == 6
    assert max(voices_at_once(notes)) >= 3
    assert sum(count > 1 for count in voices_at_once(notes)) > len(notes) / 2


def test_several_orders_at_once_are_a_canon():
    notes = notes_of(asyncio.run(choreographed(orders=5)))
    assert max(voices_at_once(notes)) >= 5
    placed = [note.start for note in notes if note.instrument == "drums"]
    assert placed == [0, 1, 2, 3, 4]


def test_concurrent_messages_sound_together_and_effects_after_their_causes():
    trace = asyncio.run(choreographed())
    starts = {note.cause: note.start for note in notes_of(trace)}
    [charged], [notified] = trace.sent("PaymentCharged"), trace.sent("CustomerNotified")
    assert starts[charged.id] == starts[notified.id]
    for message in trace.sent():
        assert message.causationid is None or starts[message.causationid] < starts[message.id]


def test_a_command_is_short_and_firm_its_reply_soft_on_the_same_note():
    trace = asyncio.run(orchestrated())
    [charge], [done] = of(trace, "Payment.charge"), of(trace, "Payment.charge.done")
    assert charge.duration < done.duration
    assert charge.velocity > done.velocity
    assert (charge.pitch - done.pitch) % 12 == 0


def test_an_event_is_held_until_the_reactions_to_it_are_said():
    trace = asyncio.run(choreographed())
    [charged], [reserved] = of(trace, "PaymentCharged"), of(trace, "InventoryReserved")
    assert charged.start + charged.duration > reserved.start
    [unheard] = of(trace, "OrderConfirmed")
    assert unheard.duration < 1


def test_each_note_names_the_message_that_it_was():
    trace = asyncio.run(choreographed(orders=3))
    assert {note.cause for note in notes_of(trace)} == {message.id for message in trace.sent()}


def test_the_same_run_is_the_same_music():
    one, other = (asyncio.run(choreographed(orders=3, seed=5)) for _ in range(2))
    assert notes_of(one) == notes_of(other)


def test_a_run_on_a_broker_is_the_same_music_as_one_in_simulation():
    async def on_a_broker() -> Trace:
        async with Lab(Order, *PLAYERS) as lab:
            await lab.publish(OrderPlaced(order_id="o-0", amount=30))
            return await lab.quiet()

    assert notes_of(asyncio.run(on_a_broker())) == notes_of(asyncio.run(choreographed()))


# Faults


def test_a_lost_message_is_a_rest():
    trace = asyncio.run(choreographed(faults=[mute(Payment)]))
    assert len(trace.sent("PaymentCharged")) == 1
    assert of(trace, "PaymentCharged") == []
    assert "1 lost, heard as a rest" in repr(trace.listen())


def test_a_service_that_says_nothing_leaves_its_voice_out_and_the_others_keep_theirs():
    whole = asyncio.run(orchestrated())
    broken = asyncio.run(orchestrated(faults=[kill(Payment, back_after_seconds=math.inf)]))
    assert "saxophone" in {note.instrument for note in notes_of(whole)}
    assert {note.instrument for note in notes_of(broken)} == {"drums", "keys"}


def test_a_command_that_fails_is_answered_with_a_damped_wrong_note():
    right = asyncio.run(orchestrated())
    wrong = asyncio.run(orchestrated(faults=[unavailable(Ship)]))
    [asked], [good] = of(wrong, "Shipping.ship"), of(right, "Shipping.ship.done")
    [bad] = [n for n in notes_of(wrong) if n.start == good.start]
    assert bad.instrument == good.instrument
    assert bad.pitch == good.pitch - 1
    assert bad.duration < min(good.duration, asked.duration)
    assert "2 failed, heard as wrong notes" in repr(wrong.listen())


def test_an_event_that_fails_gets_a_wrong_note_from_whom_it_was_too_much_for():
    trace = asyncio.run(choreographed(faults=[unavailable(Payment)]))
    _, wrong = of(trace, "OrderPlaced")
    assert wrong.instrument == "saxophone"
    assert (wrong.pitch - 65 + 1) in STEPS
    assert "1 failed, heard as a wrong note" in repr(trace.listen())


def test_a_message_that_comes_twice_is_played_twice():
    trace = asyncio.run(choreographed(faults=[duplicate(Payment)]))
    first, again = of(trace, "OrderPlaced")
    assert first.pitch == again.pitch
    assert again.start == first.start + 0.5


# What is told, and what is too much


def test_the_words_say_who_plays_what():
    assert repr(asyncio.run(orchestrated()).listen()) == (
        "Recording: drums, keys, saxophone, violins, brass; 0:03; no silence\n"
        "you: side stick, OrderOrchestrator: keys, Payment: saxophone, Inventory: violins, "
        "Shipping: brass"
    )


def test_of_a_long_run_the_first_beats_are_played():
    taken = asyncio.run(choreographed(orders=300)).listen()
    assert "the first 240 of 308 beats" in repr(taken)
    assert max(note.start + note.duration for note in taken.music.notes) <= MOST_BEATS
    assert max(note.start for note in taken.music.notes) == MOST_BEATS - 1


def test_a_trace_with_nothing_in_it_says_so():
    with pytest.raises(LabError, match="nothing has been said"):
        Trace().listen()


def test_a_trace_of_which_all_was_lost_says_so():
    async def shouted() -> Trace:
        async with Lab(Payment, simulate=1) as lab:
            await lab.mute(Payment)
            await lab.sleep(Payment)
            await lab.publish(OrderPlaced(order_id="o-1", amount=30))
            return await lab.quiet(at_most_seconds=1)

    trace = asyncio.run(shouted())
    with pytest.raises(LabError, match="every message of this trace was lost"):
        trace.listen()


def test_a_saved_trace_sounds_as_before(tmp_path):
    trace = asyncio.run(choreographed(orders=2))
    trace.save(tmp_path / "trace.jsonl")
    assert notes_of(Trace.load(tmp_path / "trace.jsonl")) == notes_of(trace)


@pytest.mark.parametrize(("instrument", "lowest"), VOICES)
def test_each_voice_is_within_its_instruments_range(instrument, lowest):
    low, high = RANGES[instrument]
    assert low <= lowest - 1
    assert lowest + max(STEPS) <= high
