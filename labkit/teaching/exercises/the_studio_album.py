"""Exercise 04: conduct an album, record a take anew, strike all of them, find the silence."""

from __future__ import annotations

from contextlib import suppress
from itertools import pairwise
from random import Random
from typing import Any

from labkit.lab import Lab
from labkit.music.album import Bars, Brass, Percussion, Section, Strings, Take, in_words, takes_of
from labkit.music.theme import TEMPO
from labkit.system.errors import CommandFailed, Refused
from labkit.system.faults import reply_lost, unavailable
from labkit.system.service import Command, Service, command, name_of
from labkit.teaching.task import Answers, Claim, Task, Trial, WrongAnswer, where

SPEED = 6_000.0  # a real day takes no longer than a simulated one
SCORE: dict[str, tuple[Command[Any, Take], Bars]] = {
    "roll": (Percussion.start_timpani_roll, (1, 4)),
    "adagio": (Strings.play_violin_adagio, (5, 12)),
    "fanfare": (Brass.play_fanfare, (13, 16)),
}


def sections() -> list[Section]:
    return [Percussion(speed=SPEED), Strings(speed=SPEED), Brass(speed=SPEED)]


def takes(lab: Lab, bars: Bars | None = None) -> list[Take]:
    return [take for _, take in takes_of(lab.trace) if bars in (None, take.bars)]


def answer(lab: Lab) -> Any:
    """What you were told in the end; None where it was a failure, or nothing."""
    said = [m.data for m in lab.trace.received(by="you") if m.type.endswith(".done")]
    return said[-1] if said else None


# conduct-the-album

FAST = 96.0


async def a_recording(answers: Answers, seed: int) -> Lab:
    async with Lab(answers.Maestro, *sections(), **where(seed)) as lab:
        with suppress(CommandFailed):
            await lab.call(answers.Maestro.record_album, tempo=FAST, timeout_seconds=60)
        await lab.quiet(at_most_messages=60)
    return lab


def one_cue_each(lab: Lab) -> str:
    for cue, _ in SCORE.values():
        times = len(lab.trace.sent(cue))
        if times != 1:
            told = "was never cued" if not times else f"was cued {times} times"
            return f"{cue.message_type} {told}"
    return ""


def the_bars_of_the_score(lab: Lab) -> str:
    for cue, bars in SCORE.values():
        for message in lab.trace.sent(cue):
            if tuple(message.data["bars"]) != bars:
                given = in_words(tuple(message.data["bars"]))
                return f"{cue.message_type} was cued for {given}, and has {in_words(bars)}"
    return ""


def one_after_the_other(lab: Lab) -> str:
    """Whether each cue was said when the answer to the one before it had been heard."""
    said = {m.message.type: at for at, m in enumerate(lab.trace) if m.what == "sent" and m.message}
    heard = {
        m.message.type: at for at, m in enumerate(lab.trace) if m.what == "received" and m.message
    }
    cues = [cue.message_type for cue, _ in SCORE.values()]
    for before, after in pairwise(cues):
        if said.get(after, 0) < heard.get(f"{before}.done", len(lab.trace.moments)):
            return f"{after} was cued before {before} was done"
    return ""


def the_tempo_that_was_asked_for(lab: Lab) -> str:
    wrong = [take for take in takes(lab) if take.tempo != FAST]
    told = ", ".join(f"{in_words(take.bars)} at {take.tempo:g}" for take in wrong)
    return f"you asked for {FAST:g} beats a minute, and it played {told}" if wrong else ""


def joined(lab: Lab) -> str:
    ended = 0.0
    for take in sorted(takes(lab), key=lambda take: take.bars):
        if take.starts != ended:
            return f"{in_words(take.bars)} begin on beat {take.starts:g} and not on {ended:g}"
        ended = take.ends
    return ""


CONDUCT = Task(
    id="conduct-the-album",
    title="Conduct",
    points=2,
    names=["Maestro"],
    trials=[
        Trial(
            a_recording,
            [
                Claim(
                    "each section has one cue",
                    one_cue_each,
                    "`lab.trace`: how often each section is called",
                ),
                Claim(
                    "each section is cued for its bars",
                    the_bars_of_the_score,
                    "`bars=(first, last)`: the table in the lesson has them",
                ),
                Claim(
                    "a section is cued when the one before it is done",
                    one_after_the_other,
                    "where your Maestro waits: an awaited call returns when the take is there",
                ),
                Claim(
                    "all play in the tempo that was asked for",
                    the_tempo_that_was_asked_for,
                    "`tempo=`: nobody knows it who is not told, so each cue has to carry it",
                ),
                Claim(
                    "each take begins where the one before it ends",
                    joined,
                    "`beat=`: the reply to the cue before says where its take ends",
                ),
            ],
            real=True,
        )
    ],
    hints=[
        "What must the strings be told, since they see neither the timpani nor a clock?",
        "Keep each reply, `roll = await self.call(…)`. It has `roll.ends`, and the next cue takes "
        "`beat=`. Give each cue `tempo=tempo`.",
        "`adagio = await self.call(Strings.play_violin_adagio, bars=(5, 12), tempo=tempo, "
        "beat=roll.ends)`, and so on with the brass.",
    ],
    wrong=[
        WrongAnswer(  # all at once: they know their bars, don't they?
            """
class Maestro(Service):
    @command
    async def record_album(self, tempo: float):
        await asyncio.gather(
            self.call(Percussion.start_timpani_roll, bars=(1, 4), tempo=tempo, beat=0),
            self.call(Strings.play_violin_adagio, bars=(5, 12), tempo=tempo, beat=16),
            self.call(Brass.play_fanfare, bars=(13, 16), tempo=tempo, beat=48),
        )
""",
            "where your Maestro waits",
        ),
        WrongAnswer(  # services share a clock
            """
class Maestro(Service):
    @command
    async def record_album(self, tempo: float):
        await self.call(Percussion.start_timpani_roll, bars=(1, 4), tempo=tempo)
        await self.call(Strings.play_violin_adagio, bars=(5, 12), tempo=tempo)
        await self.call(Brass.play_fanfare, bars=(13, 16), tempo=tempo)
""",
            "says where its take ends",
        ),
        WrongAnswer(  # told once, known by all
            """
class Maestro(Service):
    @command
    async def record_album(self, tempo: float):
        roll = await self.call(Percussion.start_timpani_roll, bars=(1, 4), tempo=tempo)
        adagio = await self.call(Strings.play_violin_adagio, bars=(5, 12), beat=roll.ends)
        await self.call(Brass.play_fanfare, bars=(13, 16), beat=adagio.ends)
""",
            "nobody knows it who is not told",
        ),
        WrongAnswer(  # cued twice, to be safe
            """
class Maestro(Service):
    @command
    async def record_album(self, tempo: float):
        roll = await self.call(Percussion.start_timpani_roll, bars=(1, 4), tempo=tempo)
        for _ in range(2):
            adagio = await self.call(
                Strings.play_violin_adagio, bars=(5, 12), tempo=tempo, beat=roll.ends)
        await self.call(Brass.play_fanfare, bars=(13, 16), tempo=tempo, beat=adagio.ends)
""",
            "was cued 2 times",
        ),
        WrongAnswer(  # the fanfare too soon
            """
class Maestro(Service):
    @command
    async def record_album(self, tempo: float):
        roll = await self.call(Percussion.start_timpani_roll, bars=(1, 4), tempo=tempo)
        fanfare = await self.call(Brass.play_fanfare, bars=(13, 16), tempo=tempo, beat=roll.ends)
        await self.call(Strings.play_violin_adagio, bars=(5, 12), tempo=tempo, beat=fanfare.ends)
""",
            "was cued before",
        ),
        WrongAnswer(  # bars counted from zero
            """
class Maestro(Service):
    @command
    async def record_album(self, tempo: float):
        roll = await self.call(Percussion.start_timpani_roll, bars=(1, 3), tempo=tempo)
        adagio = await self.call(
            Strings.play_violin_adagio, bars=(5, 12), tempo=tempo, beat=roll.ends)
        await self.call(Brass.play_fanfare, bars=(13, 16), tempo=tempo, beat=adagio.ends)
""",
            "was cued for bars 1–3",
        ),
    ],
    others=[
        """
class Maestro(Service):
    @command
    async def record_album(self, tempo: float):
        beat = 0
        for cue, bars in (
            (Percussion.start_timpani_roll, (1, 4)),
            (Strings.play_violin_adagio, (5, 12)),
            (Brass.play_fanfare, (13, 16)),
        ):
            take = await self.call(cue, bars=bars, tempo=tempo, beat=beat)
            beat = take.ends
""",
        """
class Maestro(Service):
    @command
    async def record_album(self, tempo: float):
        await self.call(Percussion.start_timpani_roll, bars=(1, 4), tempo=tempo)
        await self.call(Strings.play_violin_adagio, bars=(5, 12), tempo=tempo, beat=4 * 4)
        await self.call(Brass.play_fanfare, bars=(13, 16), tempo=tempo, beat=12 * 4)
        return "recorded"
""",
    ],
    why="The conductor holds the whole: order, tempo, and where the music is. Sections that are "
    "told all they need stay simple, and nobody but the conductor could go on.",
)


# record-it-again


async def an_adagio(answers: Answers, seed: int, *faults: Any) -> Lab:
    maestro = answers.PatientMaestro
    async with Lab(maestro, *sections(), faults=faults, **where(seed)) as lab:
        with suppress(CommandFailed):
            await lab.call(maestro.record_adagio, beat=16.0, timeout_seconds=100)
        await lab.quiet(at_most_messages=100)
    return lab


async def away(answers: Answers, seed: int) -> Lab:
    return await an_adagio(answers, seed, unavailable(Strings.play_violin_adagio, nth=1))


async def lost(answers: Answers, seed: int) -> Lab:
    return await an_adagio(answers, seed, reply_lost(Strings.play_violin_adagio, nth=1))


async def lost_twice(answers: Answers, seed: int) -> Lab:
    twice = [reply_lost(Strings.play_violin_adagio, nth=nth) for nth in (1, 2)]
    return await an_adagio(answers, seed, *twice)


def once_on_the_record(lab: Lab) -> str:
    times = len(takes(lab, (5, 12)))
    return "" if times == 1 else f"it is on the record {times} times" if times else "it is not"


def where_it_was_asked(lab: Lab) -> str:
    [take] = takes(lab, (5, 12))
    return "" if take.starts == 16 else f"it begins on beat {take.starts:g}"


def told_its_end(lab: Lab) -> str:
    told = answer(lab)
    return "" if told == 48 else f"your Maestro answered {told!r:.40}"


def too_many_or_none(lab: Lab) -> str:
    if len(takes(lab, (5, 12))) > 1:
        return (
            "a cue without an answer may have been played. What takes that off the record, and "
            "must it be said before or after the next cue?"
        )
    if len(lab.trace.sent(Strings.strike_take)) and len(lab.trace.sent(SCORE["adagio"][0])) > 1:
        return "strike_take strikes every take of these bars: which of them were there when it came"
    return "what your Maestro does after an error: nobody plays who is not cued again"


AGAIN = [
    Claim("the adagio is on the record once", once_on_the_record, too_many_or_none),
    Claim(
        "the adagio begins on beat 16",
        where_it_was_asked,
        "`beat=` of the second cue: the same as that of the first",
    ),
    Claim(
        "the Maestro answers with the beat on which it ends, 48",
        told_its_end,
        "what `record_adagio` returns, after a first take and after a second one",
    ),
]

RECORD_AGAIN = Task(
    id="record-it-again",
    title="Record it again",
    points=3,
    names=["PatientMaestro"],
    trials=[
        Trial(an_adagio, AGAIN, seeds=range(1), real=True),
        Trial(away, AGAIN),
        Trial(lost, AGAIN),
        Trial(lost_twice, AGAIN, seeds=range(2)),
    ],
    hints=[
        "No answer has come. What do you know about the take: that it was played, that it wasn't, "
        "or neither?",
        "Catch CommandFailed around the cue. Then call `Strings.strike_take` with the same bars: "
        "where nothing was played it does no harm. Then cue again, at most three times in all.",
        "In `for _ in range(3):` write `try: take = await self.call(…)`, `except CommandFailed: "
        "await self.call(Strings.strike_take, bars=(5, 12))`, and `else: return take.ends`.",
    ],
    wrong=[
        WrongAnswer(  # a silence means that it was not done
            """
class PatientMaestro(Service):
    @command
    async def record_adagio(self, beat: float) -> float:
        for _ in range(3):
            try:
                take = await self.call(Strings.play_violin_adagio, bars=(5, 12), beat=beat)
                return take.ends
            except CommandFailed:
                pass
""",
            "before or after the next cue",
        ),
        WrongAnswer(  # no patience
            """
class PatientMaestro(Service):
    @command
    async def record_adagio(self, beat: float) -> float:
        take = await self.call(Strings.play_violin_adagio, bars=(5, 12), beat=beat)
        return take.ends
""",
            "nobody plays who is not cued again",
        ),
        WrongAnswer(  # as if nothing had happened
            """
class PatientMaestro(Service):
    @command
    async def record_adagio(self, beat: float) -> float:
        try:
            await self.call(Strings.play_violin_adagio, bars=(5, 12), beat=beat)
        except CommandFailed:
            await self.call(Strings.strike_take, bars=(5, 12))
        return beat + 32
""",
            "nobody plays who is not cued again",
        ),
        WrongAnswer(  # strikes the good one as well
            """
class PatientMaestro(Service):
    @command
    async def record_adagio(self, beat: float) -> float:
        try:
            take = await self.call(Strings.play_violin_adagio, bars=(5, 12), beat=beat)
        except CommandFailed:
            take = await self.call(Strings.play_violin_adagio, bars=(5, 12), beat=beat)
            await self.call(Strings.strike_take, bars=(5, 12))
        return take.ends
""",
            "strikes every take of these bars",
        ),
        WrongAnswer(  # one kind of failure only
            """
class PatientMaestro(Service):
    @command
    async def record_adagio(self, beat: float) -> float:
        for _ in range(3):
            try:
                take = await self.call(Strings.play_violin_adagio, bars=(5, 12), beat=beat)
                return take.ends
            except NoReply:
                await self.call(Strings.strike_take, bars=(5, 12))
""",
            "nobody plays who is not cued again",
        ),
        WrongAnswer(  # the second take where the first one would have ended
            """
class PatientMaestro(Service):
    @command
    async def record_adagio(self, beat: float) -> float:
        for attempt in range(3):
            try:
                take = await self.call(
                    Strings.play_violin_adagio, bars=(5, 12), beat=beat + 32 * attempt)
                return take.ends
            except CommandFailed:
                await self.call(Strings.strike_take, bars=(5, 12))
""",
            "the same as that of the first",
        ),
    ],
    others=[
        """
class PatientMaestro(Service):
    @command
    async def record_adagio(self, beat: float) -> float:
        while True:
            try:
                return (await self.call(
                    Strings.play_violin_adagio, bars=(5, 12), beat=beat, timeout_seconds=2)).ends
            except CommandFailed:
                await self.call(Strings.strike_take, bars=(5, 12))
""",
        """
class PatientMaestro(Service):
    @command
    async def record_adagio(self, beat: float) -> float:
        return await self.take(beat, 3)

    async def take(self, beat, left):
        await self.call(Strings.strike_take, bars=(5, 12))  # a clean tape each time
        try:
            await self.call(Strings.play_violin_adagio, bars=(5, 12), beat=beat)
        except CommandFailed:
            if not left:
                raise
            return await self.take(beat, left - 1)
        return beat + 32
""",
    ],
    why="A cue without an answer leaves you in doubt. A compensation that is harmless where there "
    "is nothing to take back ends the doubt: after it you know that the take is not on the record.",
)


# all-or-nothing


def _tired() -> Section:
    """Brass who say no to every cue."""

    async def play_fanfare(
        self: Section, bars: Bars, tempo: float = TEMPO, beat: float = 0.0
    ) -> Take:
        raise Refused("the trumpets have gone home")

    play_fanfare.__qualname__ = "Brass.play_fanfare"
    made = type("Brass", (Section,), {"part": Brass.part, "play_fanfare": command(play_fanfare)})
    brass: Section = made(speed=SPEED)
    return brass


async def a_whole_album(answers: Answers, seed: int, brass: Section | None = None) -> Lab:
    maestro = answers.ThoroughMaestro
    percussion, strings, usual = sections()
    async with Lab(maestro, percussion, strings, brass or usual, **where(seed)) as lab:
        with suppress(CommandFailed):
            await lab.call(maestro.record_album, timeout_seconds=100)
        await lab.quiet(at_most_messages=100)
    return lab


async def without_trumpets(answers: Answers, seed: int) -> Lab:
    return await a_whole_album(answers, seed, _tired())


def all_of_it(lab: Lab) -> str:
    there = [take.bars for take in takes(lab)]
    missing = [in_words(bars) for _, bars in SCORE.values() if bars not in there]
    return f"{', '.join(missing)} are not on the record" if missing else ""


def nothing_is_left(lab: Lab) -> str:
    left = ", ".join(in_words(take.bars) for take in takes(lab))
    return f"{left} are on the record" if left else ""


def last_one_first(lab: Lab) -> str:
    struck = [
        name_of(section)
        for message in lab.trace.done()
        for section in (Strings, Percussion)
        if message.type == section.strike_take.message_type
    ]
    return "" if struck[:2] == ["Strings", "Percussion"] else f"struck were {', '.join(struck)}"


def the_no_is_told(lab: Lab) -> str:
    told = lab.trace.received(by="you")
    return "" if told and told[-1].reason else "you were told that all is well"


ALL_OR_NOTHING = Task(
    id="all-or-nothing",
    title="All of it, or nothing",
    points=2,
    names=["ThoroughMaestro"],
    trials=[
        Trial(
            a_whole_album,
            [
                Claim(
                    "where nobody refuses, the whole album is on the record",
                    all_of_it,
                    "when your Maestro strikes: only after a refusal",
                )
            ],
            seeds=range(2),
            real=True,
        ),
        Trial(
            without_trumpets,
            [
                Claim(
                    "where the brass refuse, nothing is left on the record",
                    nothing_is_left,
                    "what was recorded before the refusal: each take of it has to be struck",
                ),
                Claim(
                    "what was recorded last is struck first",
                    last_one_first,
                    "the order in which you strike: back the way you came",
                ),
                Claim(
                    "who asked for the album hears of the refusal",
                    the_no_is_told,
                    "the end of your `except`: `raise` says it to the caller",
                ),
            ],
        ),
    ],
    hints=[
        "What has been recorded at the moment at which the brass say no?",
        "Put the cue for the fanfare into a `try`. In `except Refused:` strike the adagio, then "
        "the roll, and let the refusal go on to the caller.",
        "`except Refused:` with `await self.call(Strings.strike_take, bars=(5, 12))`, `await "
        "self.call(Percussion.strike_take, bars=(1, 4))` and `raise`.",
    ],
    wrong=[
        WrongAnswer(  # half of it
            """
class ThoroughMaestro(Service):
    @command
    async def record_album(self):
        roll = await self.call(Percussion.start_timpani_roll, bars=(1, 4))
        adagio = await self.call(Strings.play_violin_adagio, bars=(5, 12), beat=roll.ends)
        try:
            await self.call(Brass.play_fanfare, bars=(13, 16), beat=adagio.ends)
        except Refused:
            await self.call(Strings.strike_take, bars=(5, 12))
            raise
""",
            "each take of it has to be struck",
        ),
        WrongAnswer(  # forwards
            """
class ThoroughMaestro(Service):
    @command
    async def record_album(self):
        roll = await self.call(Percussion.start_timpani_roll, bars=(1, 4))
        adagio = await self.call(Strings.play_violin_adagio, bars=(5, 12), beat=roll.ends)
        try:
            await self.call(Brass.play_fanfare, bars=(13, 16), beat=adagio.ends)
        except Refused:
            await self.call(Percussion.strike_take, bars=(1, 4))
            await self.call(Strings.strike_take, bars=(5, 12))
            raise
""",
            "back the way you came",
        ),
        WrongAnswer(  # nobody hears of it
            """
class ThoroughMaestro(Service):
    @command
    async def record_album(self):
        roll = await self.call(Percussion.start_timpani_roll, bars=(1, 4))
        adagio = await self.call(Strings.play_violin_adagio, bars=(5, 12), beat=roll.ends)
        try:
            await self.call(Brass.play_fanfare, bars=(13, 16), beat=adagio.ends)
        except Refused:
            await self.call(Strings.strike_take, bars=(5, 12))
            await self.call(Percussion.strike_take, bars=(1, 4))
""",
            "says it to the caller",
        ),
        WrongAnswer(  # in any case
            """
class ThoroughMaestro(Service):
    @command
    async def record_album(self):
        roll = await self.call(Percussion.start_timpani_roll, bars=(1, 4))
        adagio = await self.call(Strings.play_violin_adagio, bars=(5, 12), beat=roll.ends)
        try:
            await self.call(Brass.play_fanfare, bars=(13, 16), beat=adagio.ends)
        finally:
            await self.call(Strings.strike_take, bars=(5, 12))
            await self.call(Percussion.strike_take, bars=(1, 4))
""",
            "only after a refusal",
        ),
    ],
    others=[
        """
class ThoroughMaestro(Service):
    @command
    async def record_album(self):
        async with Saga(self, "album") as saga:
            roll = await saga.step(
                Percussion.start_timpani_roll, undo=Percussion.strike_take, bars=(1, 4))
            adagio = await saga.step(
                Strings.play_violin_adagio, undo=Strings.strike_take, bars=(5, 12), beat=roll.ends)
            await saga.pivot(Brass.play_fanfare, bars=(13, 16), beat=adagio.ends)
""",
        """
class ThoroughMaestro(Service):
    @command
    async def record_album(self):
        done, beat = [], 0
        try:
            for section, cue, bars in (
                (Percussion, Percussion.start_timpani_roll, (1, 4)),
                (Strings, Strings.play_violin_adagio, (5, 12)),
                (Brass, Brass.play_fanfare, (13, 16)),
            ):
                beat = (await self.call(cue, bars=bars, beat=beat)).ends
                done.append((section, bars))
        except CommandFailed:
            for section, bars in reversed(done):
                await self.call(section.strike_take, bars=bars)
            raise
        return beat
""",
    ],
    why="An album without an end is worse than none. Who has seen each step can take each step "
    "back, the last one first, and say so. That is a saga, and lesson 07 is about it.",
)


# find-the-silence


class Recorder(Service):
    """Gives the cues of a plan; `None` in the place of a beat strikes what is there."""

    @command
    async def follow(self, plan: list[tuple[str, float | None]]) -> None:
        for name, beat in plan:
            cue, bars = SCORE[name]
            if beat is None:
                section = next(s for s in (Percussion, Strings, Brass) if s.__name__ == cue.service)
                await self.call(section.strike_take, bars=bars)
            else:
                await self.call(cue, bars=bars, beat=beat)


async def silences_of(
    answers: Answers, seed: int, plan: list[tuple[str, float | None]]
) -> dict[str, Any]:
    """What the learner finds in the trace of a plan, beside what is there."""
    async with Lab(Recorder, *sections(), **where(seed)) as lab:
        await lab.call(Recorder.follow, plan=plan)
        await lab.quiet()
    return {"found": answers.silences(lab.trace), "there": _silences(takes(lab))}


def _silences(played: list[Take]) -> list[tuple[float, float]]:
    found, ended = [], 0.0
    for take in sorted(played, key=lambda take: take.starts):
        if take.starts > ended:
            found.append((ended, take.starts))
        ended = max(ended, take.ends)
    return found


async def late_cues(answers: Answers, seed: int) -> dict[str, Any]:
    dice = Random(f"{seed} late cues")
    adagio = 16.0 + 4 * dice.choice((0, 1, 2))
    fanfare = adagio + 32 + 4 * dice.choice((1, 2, 3))
    return await silences_of(answers, seed, [("roll", 0), ("adagio", adagio), ("fanfare", fanfare)])


async def a_late_beginning(answers: Answers, seed: int) -> dict[str, Any]:
    begins = 4.0 * (seed + 1)
    return await silences_of(answers, seed, [("roll", begins), ("adagio", begins + 16)])


async def one_over_another(answers: Answers, seed: int) -> dict[str, Any]:
    plan: list[tuple[str, float | None]] = [("roll", 0), ("adagio", 16), ("fanfare", 20)]
    return await silences_of(answers, seed, [*plan, ("roll", 52)])


async def a_struck_take(answers: Answers, seed: int) -> dict[str, Any]:
    plan: list[tuple[str, float | None]] = [("roll", 0), ("adagio", 16), ("fanfare", 48)]
    return await silences_of(answers, seed, [*plan, ("adagio", None)])


def found_them(run: Any) -> str:
    try:
        found = [(float(begin), float(end)) for begin, end in run["found"]]
    except (TypeError, ValueError, OverflowError):
        return f"you found {run['found']!r:.60}, which is no list of pairs"
    there = [(float(begin), float(end)) for begin, end in run["there"]]
    return "" if found == there else f"you found {found}, and there is {there}"


FIND_SILENCE = Task(
    id="find-the-silence",
    title="Where is it silent?",
    points=2,
    names=["silences"],
    trials=[
        Trial(
            late_cues,
            [
                Claim(
                    "it is silent from the end of a take to the start of the next one",
                    found_them,
                    "`take.starts` and `take.ends` of the takes, in the order in which they begin",
                )
            ],
        ),
        Trial(
            a_late_beginning,
            [
                Claim(
                    "a record that begins late is silent from beat 0 on",
                    found_them,
                    "what you compare the first take with: nothing was played before it",
                )
            ],
        ),
        Trial(
            one_over_another,
            [
                Claim(
                    "it is not silent while anybody plays",
                    found_them,
                    "two takes that sound at once: the one that begins first may end last",
                )
            ],
            seeds=range(1),
        ),
        Trial(
            a_struck_take,
            [
                Claim(
                    "what was struck is not heard",
                    found_them,
                    "where your takes come from: `takes_of(trace)` leaves out those that were "
                    "struck",
                )
            ],
            seeds=range(1),
        ),
    ],
    hints=[
        "When you have heard the takes up to here, from which beat on would it be silent?",
        "Go through `takes_of(trace)`, which gives pairs of a message and a take, in the order of "
        "playing. Keep the latest end so far, which is 0 before anybody plays.",
        "In the loop: `if take.starts > ended: found.append((ended, take.starts))`, and then "
        "`ended = max(ended, take.ends)`.",
    ],
    wrong=[
        WrongAnswer(  # neighbours only
            """
def silences(trace):
    takes = [take for _, take in takes_of(trace)]
    found, ended = [], 0.0
    for take in takes:
        if take.starts > ended:
            found.append((ended, take.starts))
        ended = take.ends
    return found
""",
            "may end last",
        ),
        WrongAnswer(  # the beginning forgotten
            """
def silences(trace):
    takes = [take for _, take in takes_of(trace)]
    ends = [max(take.ends for take in takes[:n]) for n in range(1, len(takes))]
    return [(end, take.starts) for end, take in zip(ends, takes[1:]) if take.starts > end]
""",
            "nothing was played before it",
        ),
        WrongAnswer(  # every reply is a take
            """
def silences(trace):
    replies = [m.data for m in trace.sent() if m.kind == "reply" and isinstance(m.data, dict)]
    found, ended = [], 0.0
    for take in sorted(replies, key=lambda take: take["starts"]):
        if take["starts"] > ended:
            found.append((ended, take["starts"]))
        ended = max(ended, take["ends"])
    return found
""",
            "leaves out those that were struck",
        ),
        WrongAnswer(  # the beat of the cue in place of the bar lines, and no pairs
            """
def silences(trace):
    return sum(take.starts for _, take in takes_of(trace))
""",
            "no list of pairs",
        ),
        WrongAnswer(  # also what is no silence
            """
def silences(trace):
    found, ended = [], 0.0
    for _, take in takes_of(trace):
        found.append((ended, take.starts))
        ended = max(ended, take.ends)
    return found
""",
            "in the order in which they begin",
        ),
    ],
    others=[
        """
def silences(trace):
    found, ended = [], 0.0
    for _, take in takes_of(trace):
        if take.starts > ended:
            found.append((ended, take.starts))
        ended = max(ended, take.ends)
    return found
""",
        """
def silences(trace):
    takes = [take for _, take in takes_of(trace)]
    last = int(max(take.ends for take in takes))
    heard = [any(t.starts <= beat < t.ends for t in takes) for beat in range(last)]
    edges = [beat for beat in range(1, last) if heard[beat] != heard[beat - 1]]
    edges = ([] if heard[0] else [0]) + edges
    return [list(pair) for pair in zip(edges[::2], edges[1::2])]
""",
    ],
    why="All that happened stands in the messages, so each question about a run is a function of "
    "its trace. The recording, the score and this list look at the same takes.",
)

TASKS = [CONDUCT, RECORD_AGAIN, ALL_OR_NOTHING, FIND_SILENCE]
