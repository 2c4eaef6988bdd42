"""Exercise 05: a musician of one's own, the lead when it is free, and who answered whom."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Mapping
from typing import Any

from labkit.lab import Lab
from labkit.music.improvising import Part, lick, melody
from labkit.music.jam import Bassist, Drummer, Keyboardist, Saxophonist
from labkit.music.jam_events import (
    EveningBegan,
    GrooveStarted,
    PhrasePlayed,
    RhythmEstablished,
    Tone,
)
from labkit.music.listening_back import answers as answers_in
from labkit.music.musician import Musician
from labkit.music.pitch import key_named
from labkit.music.song import phrases_of
from labkit.system.faults import delay
from labkit.system.service import Service, on
from labkit.teaching.task import Answers, Claim, Task, Trial, WrongAnswer, where
from labkit.trace import Trace

# On each day the band plays in another key and tempo.
GROOVES = (("F", 132), ("D minor", 104), ("Eb", 160), ("G minor", 120))
BEATS = 16
STORM = 300

Span = tuple[int, int]


def played_by(lab: Lab, name: str) -> list[PhrasePlayed]:
    """What somebody has played, bar by bar, also where nobody heard it."""
    said = [PhrasePlayed.read(message.data) for message in lab.trace.sent(PhrasePlayed, by=name)]
    return sorted(said, key=lambda phrase: phrase.bars)


# join-the-band


async def with_the_band(answers: Answers, seed: int, *faults: Any) -> Lab:
    trumpeter = answers.Trumpeter
    key, tempo = GROOVES[seed % len(GROOVES)]
    band = Bassist(key, tempo), Drummer, Keyboardist, Saxophonist, trumpeter
    async with Lab(*band, faults=faults, **where(seed)) as lab:
        await lab.publish(EveningBegan(evening=seed))
        await lab.quiet(at_most_messages=STORM)
    return lab


async def with_the_groove_behind(answers: Answers, seed: int) -> Lab:
    """The drummer's word and all that follows reach Trumpeter before the bassist's."""
    trumpeter = answers.Trumpeter
    heard = getattr(trumpeter, "reactions", {})
    late = [GrooveStarted] if "GrooveStarted" in heard else []
    faults = [delay(trumpeter, seconds=5, message=event) for event in late]
    return await with_the_band(answers, seed + 2, *faults)


def only_plays(lab: Lab) -> str:
    others = sorted({m.type for m in lab.trace.sent(by="Trumpeter")} - {"PhrasePlayed"})
    return f"Trumpeter also said {', '.join(others)}" if others else ""


def no_storm(lab: Lab) -> str:
    many = len(played_by(lab, "Trumpeter"))
    return f"Trumpeter played {many} phrases, and went on" if many > 40 else ""


def answers_each_solo(lab: Lab) -> str:
    solos = {p.bars for _, p in phrases_of(lab.trace) if p.lead and not p.last}
    wanted = sorted((bars[1] + 1, bars[1] + 4) for bars in solos)
    times = Counter(phrase.bars for phrase in played_by(lab, "Trumpeter"))
    for bars in wanted:
        if times[bars] != 1:
            many = "nothing" if not times[bars] else f"{times[bars]} phrases"
            return f"in bars {bars[0]} to {bars[1]} Trumpeter played {many}"
    return ""


def where_is_the_answer(lab: Lab) -> str:
    times = Counter(phrase.bars for phrase in played_by(lab, "Trumpeter"))
    if times and max(times.values()) > 1:
        return "to whom it reacts: four play in each four bars, and one of them has `lead`"
    return "`bars` of your phrase: a solo of bars 5 to 8 is answered in bars 9 to 12"


def nothing_else(lab: Lab) -> str:
    ended = max((phrase.bars[1] for _, phrase in phrases_of(lab.trace) if phrase.last), default=0)
    solos = {(p.bars[1] + 1, p.bars[1] + 4) for _, p in phrases_of(lab.trace) if p.lead}
    for phrase in played_by(lab, "Trumpeter"):
        if phrase.bars[0] > ended:
            return f"the song ended in bar {ended}, and Trumpeter plays bars {_bars(phrase.bars)}"
        if phrase.bars not in solos:
            return f"Trumpeter plays bars {_bars(phrase.bars)}, and no solo came before them"
    return ""


def after_the_end(lab: Lab) -> str:
    ended = max((phrase.bars[1] for _, phrase in phrases_of(lab.trace) if phrase.last), default=0)
    late = any(phrase.bars[0] > ended for phrase in played_by(lab, "Trumpeter"))
    return (
        "how one hears that it is over: the solo that ends the song has `last`"
        if late
        else "to whom it reacts: `lead` tells a solo from what the others play"
    )


def in_key(lab: Lab) -> str:
    [rhythm] = lab.trace.sent(RhythmEstablished)
    key = key_named(rhythm.data["key"])
    for phrase in played_by(lab, "Trumpeter"):
        wrong = [tone.pitch for tone in phrase.notes if not key.contains(tone.pitch)]
        if wrong:
            return f"the band plays in {key.name}, and the pitch {wrong[0]} is not in it"
        if not phrase.notes:
            return f"in bars {_bars(phrase.bars)} Trumpeter plays no note"
    return ""


def which_key(lab: Lab) -> str:
    if "Trumpeter" in lab.trace.listeners(GrooveStarted):
        return (
            "where your key comes from: nobody promises that GrooveStarted is heard first. "
            "Each phrase brings its key with it"
        )
    return "`key_named(phrase.key).scale`: seven numbers from 0 to 11; add 60 to each"


def in_time(lab: Lab) -> str:
    [rhythm] = lab.trace.sent(RhythmEstablished)
    for phrase in played_by(lab, "Trumpeter"):
        if phrase.tempo != rhythm.data["tempo"]:
            band = rhythm.data["tempo"]
            return f"the band plays at {band:g} beats a minute, and Trumpeter at {phrase.tempo:g}"
        for tone in phrase.notes:
            if tone.beat * 2 % 1:
                return f"a note begins at beat {tone.beat:g}, between two eighths"
            if not 0 <= tone.beat < BEATS:
                return f"a note begins at beat {tone.beat:g}; four bars have beats 0 to 15.5"
    return ""


def which_time(lab: Lab) -> str:
    phrases = played_by(lab, "Trumpeter")
    uneven = any(tone.beat * 2 % 1 for phrase in phrases for tone in phrase.notes)
    if uneven:
        return "how swing is written: eighths are even (1.5), and whoever plays them swings them"
    if any(tone.beat >= BEATS for phrase in phrases for tone in phrase.notes):
        return "from where beats are counted: each phrase begins at its own beat 0"
    return "the tempo of your phrase: it stands in the phrase that you answer"


def _bars(bars: Span) -> str:
    return f"{bars[0]} to {bars[1]}"


ONLY_PLAYS = Claim(
    "Trumpeter plays, and tells nobody what to do",
    only_plays,
    "what your event wants: if something is wrong when nobody obeys, it is a command in disguise",
)
IN_KEY = Claim("each note is in the key of the band", in_key, which_key)
JOINS = [
    Claim(
        "Trumpeter stops when the song does",
        no_storm,
        "whom Trumpeter hears: whoever listens for PhrasePlayed hears itself as well",
    ),
    ONLY_PLAYS,
    Claim(
        "each solo is answered once, in the four bars after it",
        answers_each_solo,
        where_is_the_answer,
    ),
    Claim("it plays nothing else", nothing_else, after_the_end),
    IN_KEY,
    Claim("each note is in time", in_time, which_time),
]


def trumpeter(body: str, before: str = "") -> str:
    """A Trumpeter whose reaction to a phrase is this; in the gate's code."""
    lines = "\n".join("        " + line for line in body.strip().splitlines())
    return f"""
from labkit.music import GrooveStarted, PhrasePlayed, key_named
{before}

class Trumpeter(Service):
    def __init__(self):
        self.key, self.tempo, self.solo = "C", 120, None

    async def play(self, bars, notes, key, tempo):
        await self.publish(
            PhrasePlayed(
                musician=self.name, instrument="brass", bars=bars, notes=notes, key=key, tempo=tempo
            )
        )

    @on(PhrasePlayed)
    async def answer(self, phrase):
{lines}
"""


ANSWER = """
if phrase.lead and not phrase.last:
    scale = key_named(phrase.key).scale
    notes = [(beat, 1, 60 + scale[beat % 5]) for beat in range(4)]
    bars = phrase.bars[1] + 1, phrase.bars[1] + 4
    await self.play(bars, notes, phrase.key, phrase.tempo)
"""

JOIN_THE_BAND = Task(
    id="join-the-band",
    title="A musician of your own",
    points=3,
    names=["Trumpeter"],
    trials=[
        Trial(with_the_band, JOINS),
        Trial(with_the_groove_behind, [IN_KEY, JOINS[-1]], seeds=range(1)),
    ],
    hints=[
        "Which event tells you that there is something to answer, and how do you tell a solo from "
        "what the others play at the same time?",
        "All that you need stands in the phrase that you hear: `lead`, `last`, `bars`, `key`, "
        "`tempo`. `key_named(phrase.key).scale` holds the seven tones of the key, from 0 to 11.",
        "If `phrase.lead and not phrase.last`: publish a PhrasePlayed with "
        "`bars=(phrase.bars[1] + 1, phrase.bars[1] + 4)`, the key and tempo of the phrase, and "
        "`notes=[(0, 1, 60 + scale[0]), (1.5, 0.5, 60 + scale[2])]`.",
    ],
    wrong=[
        WrongAnswer(  # reacts to all, itself included: the storm of lesson 03
            trumpeter(ANSWER.replace("phrase.lead and not phrase.last", "not phrase.last")),
            "hears itself as well",
        ),
        WrongAnswer(  # answers each of the four
            trumpeter(ANSWER.replace("phrase.lead and", "phrase.musician != self.name and")),
            "one of them has `lead`",
        ),
        WrongAnswer(  # does not hear the end
            trumpeter(ANSWER.replace(" and not phrase.last", "")),
            "the solo that ends the song has `last`",
        ),
        WrongAnswer(  # one key for all evenings
            trumpeter(ANSWER.replace("key_named(phrase.key)", 'key_named("C")')),
            "add 60 to each",
        ),
        WrongAnswer(  # misconception 8: what was published first is heard first
            trumpeter(
                ANSWER.replace("phrase.key", "self.key").replace("phrase.tempo", "self.tempo")
                + "\n"
            )
            + """
    @on(GrooveStarted)
    async def remember(self, groove):
        self.key, self.tempo = groove.key, groove.tempo
""",
            "nobody promises that GrooveStarted is heard first",
        ),
        WrongAnswer(  # misconception 3: a command in the past tense
            trumpeter(
                ANSWER + "    await self.publish(SilenceRequested(musician=phrase.musician))",
                "class SilenceRequested(Event):\n    musician: str",
            ),
            "command in disguise",
        ),
        WrongAnswer(  # writes the swing out
            trumpeter(ANSWER.replace("(beat, 1,", "(beat + 2 / 3, 0.3,")),
            "eighths are even",
        ),
        WrongAnswer(  # counts beats from the beginning of the song
            trumpeter(ANSWER.replace("(beat, 1,", "(4 * phrase.bars[1] + beat, 1,")),
            "each phrase begins at its own beat 0",
        ),
        WrongAnswer(  # a tempo of one's own
            trumpeter(ANSWER.replace("phrase.key, phrase.tempo)", "phrase.key, 120)")),
            "it stands in the phrase that you answer",
        ),
        WrongAnswer(  # plays at the same time as what it answers
            trumpeter(ANSWER.replace("phrase.bars[1] + 1, phrase.bars[1] + 4", "phrase.bars")),
            "is answered in bars 9 to 12",
        ),
    ],
    others=[
        trumpeter(
            """
if phrase.lead and not phrase.last:
    high = [tone.pitch for tone in phrase.notes][:6]
    notes = [(2 * at, 1.5, pitch - 12) for at, pitch in enumerate(high)]
    first = phrase.bars[0] + 4
    await self.play((first, first + 3), notes, phrase.key, phrase.tempo)
"""
        ),
        """
from labkit.music import PhrasePlayed, RhythmEstablished, key_named

class Trumpeter(Service):
    def __init__(self):
        self.answered = set()

    @on(RhythmEstablished)
    async def listen(self, rhythm):
        self.answered.clear()

    @on(PhrasePlayed)
    async def answer(self, phrase):
        first = phrase.bars[1] + 1
        if phrase.last or not phrase.lead or first in self.answered:
            return
        self.answered.add(first)
        tonic = 60 + key_named(phrase.key).tonic
        await self.publish(
            PhrasePlayed(
                musician="Trumpeter",
                instrument="brass",
                bars=(first, first + 3),
                notes=[(0, 4, tonic), (8.5, 0.5, tonic), (9, 2, tonic)],
                key=phrase.key,
                tempo=phrase.tempo,
            )
        )
""",
    ],
    why="No musician knows that Trumpeter exists, and none was changed; the band waits for it all "
    "the same, since they wait for whoever they hear. It needs nothing but the event that it "
    "answers, because key, tempo and bars travel in it (event-carried state). Had it waited for "
    "GrooveStarted, it would have relied on an order of arrival that nobody promises.",
)


# take-the-lead

BARS = [(first, first + 3) for first in range(1, 24, 4)]
GONE_AFTER = 8


class Scripted(Service):
    """Plays four bars a second, whatever happens: so many seconds late, and none after a bar."""

    instrument = "bass"

    def __init__(self, late: float = 0.0, gone_after: int = 24) -> None:
        self._late, self._gone_after = late, gone_after

    @on(RhythmEstablished)
    async def play(self, rhythm: RhythmEstablished) -> None:
        await asyncio.sleep(self._late)
        for bars in BARS:
            if bars[1] <= self._gone_after:
                await self.publish(self._phrase(bars, rhythm))
            await asyncio.sleep(1)

    def _phrase(self, bars: Span, rhythm: RhythmEstablished) -> PhrasePlayed:
        lead, tonic = self.instrument != "bass", 60 + key_named(rhythm.key).tonic
        return PhrasePlayed(
            musician=self.name,
            instrument=self.instrument,
            bars=bars,
            notes=(Tone(0, 4, tonic if lead else tonic - 24),),
            key=rhythm.key,
            tempo=rhythm.tempo,
            lead=lead,
            last=bars == BARS[-1],
        )


class Walker(Scripted):
    """Its bars are the clock of this band."""


class Soloist(Scripted):
    """Has the lead, as long as it is there."""

    instrument = "saxophone"


async def a_trio(answers: Answers, seed: int, walker: Walker, soloist: Soloist) -> Lab:
    key, tempo = GROOVES[seed % len(GROOVES)]
    async with Lab(walker, soloist, answers.Pianist, **where(seed)) as lab:
        await lab.publish(RhythmEstablished(key=key, tempo=tempo))
        await lab.quiet(at_most_seconds=20, at_most_messages=STORM)
    return lab


async def solo_behind(answers: Answers, seed: int) -> Lab:
    return await a_trio(answers, seed, Walker(), Soloist(late=0.3))


async def solo_before(answers: Answers, seed: int) -> Lab:
    return await a_trio(answers, seed, Walker(late=0.3), Soloist())


async def solo_gone(answers: Answers, seed: int) -> Lab:
    return await a_trio(answers, seed, Walker(), Soloist(late=0.2, gone_after=GONE_AFTER))


def pianist_only_plays(lab: Lab) -> str:
    others = sorted({m.type for m in lab.trace.sent(by="Pianist")} - {"PhrasePlayed"})
    return f"Pianist also said {', '.join(others)}" if others else ""


def pianist_plays_on(lab: Lab) -> str:
    times = Counter(phrase.bars for phrase in played_by(lab, "Pianist"))
    for bars in BARS[1:]:
        if times[bars] != 1:
            many = "nothing" if not times[bars] else f"{times[bars]} phrases"
            return f"in bars {_bars(bars)} Pianist played {many}"
    beyond = [bars for bars in times if bars not in BARS[1:]]
    return f"Pianist also played bars {_bars(beyond[0])}" if beyond else ""


def why_not_on(lab: Lab) -> str:
    bars = {phrase.bars for phrase in played_by(lab, "Pianist")}
    if any(first > BARS[-1][1] for first, _ in bars):
        return "how one hears that it is over: the bass phrase that ends the song has `last`"
    if (5, 8) in bars and BARS[-1] not in bars:
        return "what Pianist does when no solo comes: nobody will tell it, so it must stop waiting"
    return "which phrase Pianist answers: the bass comes once in each four bars, in any case"


def leads_when_free(lab: Lab) -> str:
    solos = {p.bars for _, p in phrases_of(lab.trace) if p.lead and p.musician != "Pianist"}
    for phrase in played_by(lab, "Pianist"):
        before = phrase.bars[0] - 4, phrase.bars[0] - 1
        if phrase.lead and before in solos:
            return (
                f"Pianist leads in bars {_bars(phrase.bars)}, and Soloist played in the four before"
            )
        if not phrase.lead and before not in solos:
            return f"nobody led in bars {_bars(before)}, and Pianist does not lead in the next four"
    return ""


def who_was_heard(lab: Lab) -> str:
    played = played_by(lab, "Pianist")
    if any(phrase.lead and phrase.bars[0] <= GONE_AFTER + 4 for phrase in played):
        return (
            "when you decide: the solo of the same bars may be heard up to 0.3 s after the bass. "
            "Nobody promises an order"
        )
    if any(phrase.lead for phrase in played):
        return "whose solos you count: Pianist hears itself as well"
    return "which solo counts: that of the same four bars, and not one of long ago"


def in_good_time(lab: Lab) -> str:
    sent = {
        (moment.where, tuple(moment.message.data["bars"])): moment.seconds
        for moment in lab.trace
        if moment.what == "sent" and moment.message and moment.message.type == "PhrasePlayed"
    }
    for bars in BARS[1:]:
        late = sent["Pianist", bars] - sent["Walker", bars]
        if late > 0:
            return f"Pianist's bars {_bars(bars)} came {late:.1f} s after the bass had begun them"
    return ""


LEADS = [
    Claim(
        "Pianist plays, and tells nobody what to do",
        pianist_only_plays,
        "what your event wants: to lead, one needs nobody's permission. One plays",
    ),
    Claim(
        "Pianist plays once in each four bars, from bar 5 to the end", pianist_plays_on, why_not_on
    ),
    Claim("Pianist leads where nobody led in the four bars before", leads_when_free, who_was_heard),
    Claim(
        "Pianist's bars are there before the bass begins them",
        in_good_time,
        "how long you wait: the bass begins the next four bars one second after these",
    ),
]

MINE = """
import asyncio
from labkit.music import PhrasePlayed, key_named

def my_phrase(heard, lead):
    tonic = 60 + key_named(heard.key).tonic
    return PhrasePlayed(
        musician="Pianist",
        instrument="keys",
        bars=(heard.bars[1] + 1, heard.bars[1] + 4),
        notes=[(0, 4, tonic)],
        key=heard.key,
        tempo=heard.tempo,
        lead=lead,
    )
"""


def pianist(body: str, before: str = "") -> str:
    """A Pianist whose reaction to a phrase is this; in the gate's code."""
    lines = "\n".join("        " + line for line in body.strip().splitlines())
    return f"""{MINE}{before}

class Pianist(Service):
    def __init__(self):
        self.solos = set()

    @on(PhrasePlayed)
    async def listen(self, phrase):
{lines}
"""


LISTEN = """
if phrase.lead and phrase.musician != "Pianist":
    self.solos.add(phrase.bars)
if phrase.instrument == "bass" and not phrase.last:
    await asyncio.sleep(0.5)
    await self.publish(my_phrase(phrase, lead=phrase.bars not in self.solos))
"""

TAKE_THE_LEAD = Task(
    id="take-the-lead",
    title="The lead, when it is free",
    points=3,
    names=["Pianist"],
    trials=[
        Trial(solo_gone, LEADS),
        Trial(solo_behind, LEADS),
        Trial(solo_before, LEADS),
    ],
    hints=[
        "When the bass of bars 5 to 8 is heard and the solo is not: is the soloist gone, or late? "
        "What could you hear that tells the one from the other?",
        "Nothing could. Note each solo by its `bars`; when the bass comes, wait a moment, and then "
        "look what you have noted. The handler may sleep: others are handled meanwhile.",
        "At a bass phrase that is not the `last`: `await asyncio.sleep(0.5)`, then publish "
        "`my_phrase(phrase, lead=phrase.bars not in self.solos)`. Note no solo of your own.",
    ],
    wrong=[
        WrongAnswer(  # misconception 8: decides on what came first
            pianist(LISTEN.replace("await asyncio.sleep(0.5)", "pass")),
            "Nobody promises an order",
        ),
        WrongAnswer(  # misconception 22: somebody else handles the time-out
            pianist(
                LISTEN.replace(
                    "await asyncio.sleep(0.5)",
                    "while phrase.bars not in self.solos: await asyncio.sleep(0.05)",
                )
            ),
            "it must stop waiting",
        ),
        WrongAnswer(  # reacts to the solo alone: no solo, no reaction
            pianist(
                """
if phrase.lead and not phrase.last:
    await self.publish(my_phrase(phrase, lead=False))
"""
            ),
            "it must stop waiting",
        ),
        WrongAnswer(  # a solo of long ago counts for ever
            pianist(LISTEN.replace("phrase.bars not in self.solos", "not self.solos")),
            "not one of long ago",
        ),
        WrongAnswer(  # hears its own solo, and gives the lead to nobody
            pianist(LISTEN.replace(' and phrase.musician != "Pianist"', "")),
            "hears itself as well",
        ),
        WrongAnswer(  # waits until it is too late
            pianist(LISTEN.replace("sleep(0.5)", "sleep(1.5)")),
            "one second after these",
        ),
        WrongAnswer(  # misconception 3: asks for what it could do
            pianist(
                LISTEN.replace(
                    "await asyncio.sleep(0.5)",
                    "await asyncio.sleep(0.5); await self.publish(LeadRequested(by='Pianist'))",
                ),
                "\nclass LeadRequested(Event):\n    by: str\n",
            ),
            "needs nobody's permission",
        ),
        WrongAnswer(  # does not hear the end
            pianist(LISTEN.replace(" and not phrase.last", "")),
            "that ends the song has `last`",
        ),
    ],
    others=[
        pianist(
            """
if phrase.musician == "Pianist" or phrase.last:
    return
if phrase.lead:
    self.solos.add(phrase.bars[0])
    return
for _ in range(40):
    await asyncio.sleep(0.01)
    if phrase.bars[0] in self.solos:
        break
await self.publish(my_phrase(phrase, phrase.bars[0] not in self.solos))
"""
        ),
        MINE
        + """
class Pianist(Service):
    def __init__(self):
        self.last_solo = 0

    @on(PhrasePlayed)
    async def listen(self, phrase):
        if phrase.instrument == "saxophone":
            self.last_solo = max(self.last_solo, phrase.bars[0])
        elif phrase.instrument == "bass" and not phrase.last:
            await asyncio.sleep(0.4)
            await self.publish(my_phrase(phrase, lead=self.last_solo < phrase.bars[0]))
""",
    ],
    why="A soloist who is gone and one who is late look the same from outside, so somebody must "
    "decide how long is too long. With a conductor it is the conductor; here it is each musician "
    "for itself, and none may leave it to another. And the join must bear both orders of arrival.",
)


# who-answered-whom


async def an_evening(answers: Answers, seed: int, *more: Any) -> dict[str, Any]:
    key, tempo = GROOVES[seed % len(GROOVES)]
    band = Bassist(key, tempo), Drummer, Keyboardist, Saxophonist, *more
    async with Lab(*band, simulate=seed) as lab:
        await lab.publish(EveningBegan(evening=seed))
        await lab.quiet()
    return {"found": answers.who_answered(lab.trace), "trace": lab.trace}


async def an_evening_with_a_guest(answers: Answers, seed: int) -> dict[str, Any]:
    return await an_evening(answers, seed + 4, Violinist)


class Violinist(Musician):
    """A guest who would take a solo, too."""

    instrument = "violins"
    solos = True

    def improvise(self, part: Part) -> list[Tone]:
        return melody(part, 60, 84) if part.lead else lick(part, 60, 80)


Counts = dict[tuple[str, str], int]


def found(run: dict[str, Any]) -> Counts | None:
    """What the learner counted, where it has the form that was asked for."""
    counts = run["found"]
    if not isinstance(counts, Mapping):
        return None
    for pair, times in counts.items():
        if not isinstance(pair, tuple) or len(pair) != 2 or not isinstance(times, int):
            return None
    return {pair: times for pair, times in counts.items() if times}


def is_counted(run: dict[str, Any]) -> str:
    if found(run) is not None:
        return ""
    return f"it returned {run['found']!r:.80}"


def is_right(run: dict[str, Any]) -> str:
    counts, wanted = found(run) or {}, answers_in(run["trace"])
    for pair in sorted({*counts, *wanted}, key=str):
        if counts.get(pair, 0) != wanted[pair]:
            who, whom = pair
            return (
                f"{who} answered {whom} {_times(wanted[pair])}, and you found "
                f"{_times(counts.get(pair, 0))}"
            )
    return ""


def which_mistake(run: dict[str, Any]) -> str:
    counts, trace, wanted = found(run) or {}, run["trace"], answers_in(run["trace"])
    if counts == {(whom, who): times for (who, whom), times in wanted.items()}:
        return "which of the two comes first: (who answered, whom)"
    if counts == counted(trace, "PhrasePlayed", "SoloPassed", "RhythmEstablished"):
        return "what an answer answers: RhythmEstablished was not played, it made them begin"
    if counts == counted(trace, "PhrasePlayed"):
        return "what happens when a solo is over: SoloPassed is answered as well"
    if sum(counts.values()) > 2 * sum(wanted.values()):
        return "what was heard and what was answered: all hear all, and each answers one"
    return "what a message says about its cause: `causationid` is the id of another message"


def counted(trace: Trace, *causes: str) -> Counts:
    """How often a phrase was played because of one of these."""
    sender = {message.id: message.sender for message in trace.sent() if message.type in causes}
    return dict(
        Counter(
            (message.sender, sender[message.causationid])
            for message in trace.sent(PhrasePlayed)
            if message.causationid in sender
        )
    )


def _times(count: int) -> str:
    return {0: "never", 1: "once", 2: "twice"}.get(count, f"{count} times")


ANSWERED = [
    Claim(
        'a dict such as {("Drummer", "Saxophonist"): 5}',
        is_counted,
        "what `who_answered` returns: pairs of names as keys, and whole numbers",
    ),
    Claim("each answer is counted, and nothing else", is_right, which_mistake),
]

BY_ID = """
def who_answered(trace):
    said = {m.id: m for m in trace.sent()}
    counts = {}
    for phrase in trace.sent("PhrasePlayed"):
        cause = said.get(phrase.causationid)
        if cause and cause.type in ("PhrasePlayed", "SoloPassed"):
            pair = phrase.sender, cause.sender
            counts[pair] = counts.get(pair, 0) + 1
    return counts
"""

WHO_ANSWERED_WHOM = Task(
    id="who-answered-whom",
    title="Listening back",
    points=2,
    names=["who_answered"],
    trials=[
        Trial(an_evening, ANSWERED, seeds=range(3)),
        Trial(an_evening_with_a_guest, ANSWERED, seeds=range(1)),
    ],
    hints=[
        "All musicians hear every phrase. What in a message says which of them led to it?",
        "Make a dict from each message's `id` to the message, then look up the `causationid` of "
        "each PhrasePlayed in it.",
        "`said = {m.id: m for m in trace.sent()}`; for each `m` of `trace.sent(PhrasePlayed)` take "
        "`said.get(m.causationid)`, and count `(m.sender, cause.sender)` where the `type` of the "
        'cause is "PhrasePlayed" or "SoloPassed".',
    ],
    wrong=[
        WrongAnswer(  # after it, so because of it
            """
def who_answered(trace):
    counts, phrases = {}, trace.sent("PhrasePlayed")
    for before, phrase in zip(phrases, phrases[1:]):
        pair = phrase.sender, before.sender
        counts[pair] = counts.get(pair, 0) + 1
    return counts
""",
            "`causationid` is the id of another message",
        ),
        WrongAnswer(  # who heard is not who answered
            """
def who_answered(trace):
    counts = {}
    for moment in trace:
        if moment.what == "received" and moment.message.type == "PhrasePlayed":
            pair = moment.where, moment.message.sender
            counts[pair] = counts.get(pair, 0) + 1
    return counts
""",
            "all hear all, and each answers one",
        ),
        WrongAnswer(  # whatever the cause was
            BY_ID.replace(
                '("PhrasePlayed", "SoloPassed")',
                '("PhrasePlayed", "SoloPassed", "RhythmEstablished")',
            ),
            "it made them begin",
        ),
        WrongAnswer(  # forgets the end of a solo
            BY_ID.replace('("PhrasePlayed", "SoloPassed")', '("PhrasePlayed",)'),
            "SoloPassed is answered as well",
        ),
        WrongAnswer(  # the wrong way round
            BY_ID.replace("phrase.sender, cause.sender", "cause.sender, phrase.sender"),
            "(who answered, whom)",
        ),
        WrongAnswer(  # a list of names
            """
def who_answered(trace):
    return [m.sender for m in trace.sent("PhrasePlayed")]
""",
            "pairs of names as keys",
        ),
    ],
    others=[
        BY_ID,
        """
from collections import Counter

def who_answered(trace):
    played = [m for m in trace.sent() if m.type in ("PhrasePlayed", "SoloPassed")]
    return Counter(
        (answer.sender, call.sender)
        for answer in played if answer.type == "PhrasePlayed"
        for call in played if call.id == answer.causationid
    )
""",
        """
def who_answered(trace):
    counts = {}
    for phrase in trace.sent("PhrasePlayed"):
        why = trace.why(phrase)
        if len(why) > 1 and why[-2].type != "RhythmEstablished":
            pair = why[-1].sender, why[-2].sender
            counts[pair] = counts.get(pair, 0) + 1
    return counts
""",
    ],
    why="In the code of the four musicians it stands nowhere who answers whom: it depends on who "
    "is there and who has the lead. It can only be read afterwards, and only if each message names "
    "its cause. Time does not tell it: what came before need not be the reason.",
)


# one-rhythm

SLOW, QUICK = GrooveStarted(key="D minor", tempo=96), GrooveStarted(key="F", tempo=138)


async def grooves(answers: Answers, seed: int, *said: GrooveStarted) -> Lab:
    async with Lab(answers.Timekeeper, **where(seed)) as lab:
        for groove in said:
            await lab.publish(groove)
        await lab.quiet(at_most_seconds=20, at_most_messages=STORM)
    return lab


async def slow_first(answers: Answers, seed: int) -> Lab:
    return await grooves(answers, seed, SLOW, QUICK)


async def quick_first(answers: Answers, seed: int) -> Lab:
    return await grooves(answers, seed, QUICK, SLOW)


async def only_one(answers: Answers, seed: int) -> Lab:
    return await grooves(answers, seed, (QUICK, SLOW)[seed % 2])


def rhythms(lab: Lab) -> list[RhythmEstablished]:
    return [RhythmEstablished.read(m.data) for m in lab.trace.sent(RhythmEstablished)]


def one_rhythm(lab: Lab) -> str:
    many, heard = len(rhythms(lab)), len(lab.trace.received(GrooveStarted))
    started = "one groove was" if heard == 1 else f"{heard} grooves were"
    return "" if many == 1 else f"{started} started, and {many or 'no'} rhythms established"


def why_not_one(lab: Lab) -> str:
    if rhythms(lab):
        return "what you do when a groove is heard, and another one has been heard already"
    return "what you wait for: a second groove may never come, and nobody will tell you"


def the_slower(lab: Lab) -> str:
    [rhythm] = rhythms(lab)
    heard = [GrooveStarted.read(m.data) for m in lab.trace.received(GrooveStarted)]
    slower = min(heard, key=lambda groove: groove.tempo)
    if (rhythm.key, rhythm.tempo) == (slower.key, slower.tempo):
        return ""
    wanted = f"{slower.key} at {slower.tempo:g} is the slower one"
    return f"{wanted}, and the rhythm is {rhythm.key} at {rhythm.tempo:g}"


def which_one(lab: Lab) -> str:
    [rhythm] = rhythms(lab)
    heard = [GrooveStarted.read(m.data) for m in lab.trace.received(GrooveStarted)]
    if (rhythm.key, rhythm.tempo) not in [(groove.key, groove.tempo) for groove in heard]:
        return "key and tempo belong together: take both from the same groove"
    return "whether your choice hangs on the order in which the two are heard"


ONE = [
    Claim("one rhythm is established", one_rhythm, why_not_one),
    Claim("it is that of the slower groove, whichever is heard first", the_slower, which_one),
]


def timekeeper(body: str) -> str:
    """A Timekeeper whose reaction to a groove is this; in the gate's code."""
    lines = "\n".join("        " + line for line in body.strip().splitlines())
    return f"""
import asyncio
from labkit.music import GrooveStarted, RhythmEstablished

class Timekeeper(Service):
    def __init__(self):
        self.grooves = []

    @on(GrooveStarted)
    async def add_a_beat(self, groove):
{lines}
"""


CHOOSE = """
self.grooves.append(groove)
if len(self.grooves) == 1:
    await asyncio.sleep(0.5)
    chosen = min(self.grooves, key=lambda heard: heard.tempo)
    await self.publish(RhythmEstablished(key=chosen.key, tempo=chosen.tempo))
"""

ONE_RHYTHM = Task(
    id="one-rhythm",
    title="Two bassists, one rhythm",
    points=2,
    names=["Timekeeper"],
    trials=[Trial(quick_first, ONE), Trial(slow_first, ONE), Trial(only_one, ONE)],
    hints=[
        "You hear a groove. Do you know already whether it is the only one?",
        "Keep the grooves in a list. The first one makes you wait half a second and then choose; "
        "one that comes meanwhile is only kept.",
        "`self.grooves.append(groove)`; if it is the first: `await asyncio.sleep(0.5)`, then "
        "`min(self.grooves, key=lambda heard: heard.tempo)`, and publish its key and its tempo.",
    ],
    wrong=[
        WrongAnswer(  # misconception 8: the first one heard
            timekeeper(CHOOSE.replace("await asyncio.sleep(0.5)", "pass")),
            "hangs on the order",
        ),
        WrongAnswer(  # the last one heard
            timekeeper(
                CHOOSE.replace(
                    "min(self.grooves, key=lambda heard: heard.tempo)", "self.grooves[-1]"
                )
            ),
            "hangs on the order",
        ),
        WrongAnswer(  # a rhythm for each
            timekeeper(
                """
await self.publish(RhythmEstablished(key=groove.key, tempo=groove.tempo))
"""
            ),
            "another one has been heard already",
        ),
        WrongAnswer(  # misconception 22: waits for what may never come
            timekeeper(
                """
self.grooves.append(groove)
if len(self.grooves) == 2:
    chosen = min(self.grooves, key=lambda heard: heard.tempo)
    await self.publish(RhythmEstablished(key=chosen.key, tempo=chosen.tempo))
"""
            ),
            "a second groove may never come",
        ),
        WrongAnswer(  # the key of the one, the tempo of the other
            timekeeper(CHOOSE.replace("key=chosen.key", "key=self.grooves[0].key")),
            "key and tempo belong together",
        ),
    ],
    others=[
        timekeeper(CHOOSE),
        """
import asyncio
from labkit.music import GrooveStarted, RhythmEstablished

class Timekeeper(Service):
    slowest = None

    @on(GrooveStarted)
    async def add_a_beat(self, groove):
        first = self.slowest is None
        if first or groove.tempo < self.slowest.tempo:
            self.slowest = groove
        if first:
            await asyncio.sleep(0.3)
            await self.publish(
                RhythmEstablished(key=self.slowest.key, tempo=self.slowest.tempo, feel="swing")
            )
""",
    ],
    why="Whoever takes the first that comes lets chance decide, and on another evening decides "
    "otherwise. A rule that looks at what was said, and not at when it came, gives the same answer "
    "in every order; and the time-out keeps it from waiting for a bassist who is not there.",
)


TASKS = [JOIN_THE_BAND, TAKE_THE_LEAD, WHO_ANSWERED_WHOM, ONE_RHYTHM]
