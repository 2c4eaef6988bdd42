"""Exercise 13: which style for which need, a weighing corrected and argued, and a record."""

from __future__ import annotations

from collections.abc import Mapping
from math import isfinite
from random import Random
from typing import Any

from labkit.guide import QUESTIONS, SITUATIONS, STYLES, weigh
from labkit.guide.game_day import Measure, Number
from labkit.system.errors import LabError
from labkit.teaching.task import Answers, Claim, Task, Trial, WrongAnswer

PLAYED = "refusal", "observer", "mute", "decision"
BANDS = "orchestrated", "choreographed"
# Situation, measure, style: the number that it has.
Numbers = dict[str, dict[str, dict[str, Number]]]
_measured: Numbers = {}


async def measured() -> Numbers:
    """What the four quick situations give; the same each time, so it is measured once."""
    for name in PLAYED:
        if name not in _measured:
            found = (await SITUATIONS[name].played()).found
            _measured[name] = {
                measure.words: {style: found[style][measure.words] for style in BANDS}
                for measure in SITUATIONS[name].measures
            }
    return _measured


def measure_of(situation: object, words: object) -> Measure | None:
    """A measure of one of the four situations; None where there is no such one."""
    if situation not in PLAYED:
        return None
    return next((m for m in SITUATIONS[str(situation)].measures if m.words == words), None)


def better(situation: str, words: str, numbers: Numbers) -> str:
    """The style that has the better number there."""
    measure = measure_of(situation, words)
    assert measure is not None
    return " and ".join(measure.best(numbers[situation][words]))


# which-for-what

MESSAGES = "messages for an order"
TOUCHED = "services touched that were there before"
# Of what each need speaks.
NEEDS: dict[str, set[tuple[str, str]]] = {
    "cheap": {("refusal", MESSAGES), ("mute", MESSAGES)},
    "newcomers": {("observer", TOUCHED)},
    "honest": {("observer", "points for an order that is refused")},
    "noticed": {("mute", "seconds until a person could know")},
    "checks": {("decision", TOUCHED)},
    "small": {("decision", "services that one service must know, at most")},
}


async def the_needs(answers: Answers, seed: int) -> dict[str, Any]:
    return {"needs": answers.needs, "measured": await measured()}


def needs_in_form(day: Mapping[str, Any]) -> str:
    needs = day["needs"]
    if not isinstance(needs, Mapping):
        return f"`needs` is {needs!r:.60}, and not a dict"
    for name in NEEDS:
        given = needs.get(name)
        if not isinstance(given, tuple | list) or len(given) != 3:
            return f"{name!r} is {given!r:.60}"
        if measure_of(*given[:2]) is None:
            return f"{name!r}: no line of the board is {given[0]!r:.40}, {given[1]!r:.60}"
        if given[2] not in BANDS:
            return f"{name!r}: the style is {given[2]!r:.40}"
    return ""


def speaks_of_it(day: Mapping[str, Any]) -> str:
    for name, lines in NEEDS.items():
        situation, words, _ = day["needs"][name]
        if (situation, words) not in lines:
            return f"{name!r}: {situation}, {words}, does not speak of that need"
    return ""


def of_what_it_speaks(day: Mapping[str, Any]) -> str:
    if tuple(day["needs"]["checks"][:2]) == ("observer", TOUCHED):
        return (
            "what joins: who only listens is an observer, who may say no decides; there is a "
            "situation for each"
        )
    return "what the need asks for, in its own words, before you look for a style"


def has_the_better_number(day: Mapping[str, Any]) -> str:
    for name in NEEDS:
        situation, words, style = day["needs"][name]
        if style != better(situation, words, day["measured"]):
            numbers = day["measured"][situation][words]
            told = ", ".join(f"{each} {_told(number)}" for each, number in numbers.items())
            return f"{name!r}: {style}, but {words}: {told}"
    return ""


def _told(number: Number) -> str:
    return "never" if number is None else f"{number:g}"


def of_the_numbers(day: Mapping[str, Any]) -> str:
    if len({day["needs"][name][2] for name in NEEDS}) == 1:
        return "each line by itself: no style is the better one in all of them"
    return "the two numbers of that line; in each of these lines less is better"


NEEDED = Task(
    id="which-for-what",
    title="Which style for which need",
    points=2,
    names=["needs"],
    trials=[
        Trial(
            the_needs,
            [
                Claim(
                    "for each of the six needs a situation, a measure and a style",
                    needs_in_form,
                    'the form: `"cheap": (situation, measure, style)`, the first two as they stand '
                    "on the board; the styles are orchestrated and choreographed",
                ),
                Claim("a measure that speaks of the need", speaks_of_it, of_what_it_speaks),
                Claim(
                    "the style that has the better number in that line",
                    has_the_better_number,
                    of_the_numbers,
                ),
            ],
            seeds=range(1),
        )
    ],
    hints=[
        "Read one need. Which line of the board would its owner look at, and no other?",
        "Two needs speak of services that change, two of services that know or notice. Somebody "
        "who may say no is the situation `decision`; somebody who listens is `observer`.",
        'For example `"newcomers": ("observer", "services touched that were there before", '
        '"choreographed")`: 0 is less than 1.',
    ],
    wrong=[
        WrongAnswer(  # always a conductor
            f"""
needs = {{
    "cheap": ("refusal", "{MESSAGES}", "orchestrated"),
    "newcomers": ("observer", "{TOUCHED}", "orchestrated"),
    "honest": ("observer", "points for an order that is refused", "orchestrated"),
    "noticed": ("mute", "seconds until a person could know", "orchestrated"),
    "checks": ("decision", "{TOUCHED}", "orchestrated"),
    "small": ("decision", "services that one service must know, at most", "orchestrated"),
}}
""",
            "no style is the better one in all of them",
        ),
        WrongAnswer(  # choreography is easier to extend
            f"""
needs = {{
    "cheap": ("refusal", "{MESSAGES}", "choreographed"),
    "newcomers": ("observer", "{TOUCHED}", "choreographed"),
    "honest": ("observer", "points for an order that is refused", "orchestrated"),
    "noticed": ("mute", "seconds until a person could know", "orchestrated"),
    "checks": ("observer", "{TOUCHED}", "choreographed"),
    "small": ("decision", "services that one service must know, at most", "choreographed"),
}}
""",
            "who may say no decides",
        ),
        WrongAnswer(  # a number that is at hand
            f"""
needs = {{
    "cheap": ("refusal", "{MESSAGES}", "choreographed"),
    "newcomers": ("observer", "{TOUCHED}", "choreographed"),
    "honest": ("observer", "points for an order that is refused", "orchestrated"),
    "noticed": ("mute", "{MESSAGES}", "choreographed"),
    "checks": ("decision", "{TOUCHED}", "orchestrated"),
    "small": ("decision", "services that one service must know, at most", "choreographed"),
}}
""",
            "before you look for a style",
        ),
        WrongAnswer(  # events tell more, so they must show more
            f"""
needs = {{
    "cheap": ("mute", "{MESSAGES}", "choreographed"),
    "newcomers": ("observer", "{TOUCHED}", "choreographed"),
    "honest": ("observer", "points for an order that is refused", "orchestrated"),
    "noticed": ("mute", "seconds until a person could know", "choreographed"),
    "checks": ("decision", "{TOUCHED}", "orchestrated"),
    "small": ("decision", "services that one service must know, at most", "choreographed"),
}}
""",
            "orchestrated 41.3, choreographed never",
        ),
        WrongAnswer('needs = {"cheap": "choreographed"}', "the form:"),
    ],
    others=[
        f"""
touched, known = "{TOUCHED}", "services that one service must know, at most"
needs = dict(
    cheap=["mute", "{MESSAGES}", "choreographed"],
    newcomers=["observer", touched, "choreographed"],
    honest=["observer", "points for an order that is refused", "orchestrated"],
    noticed=["mute", "seconds until a person could know", "orchestrated"],
    checks=["decision", touched, "orchestrated"],
    small=["decision", known, "choreographed"],
)
""",
        f"""
from labkit.guide import SITUATIONS

lines = {{
    "cheap": ("refusal", "{MESSAGES}"),
    "newcomers": ("observer", SITUATIONS["observer"].measures[0].words),
    "honest": ("observer", SITUATIONS["observer"].measures[1].words),
    "noticed": ("mute", SITUATIONS["mute"].measures[0].words),
    "checks": ("decision", SITUATIONS["decision"].measures[0].words),
    "small": ("decision", SITUATIONS["decision"].measures[1].words),
}}
conducted = ("honest", "noticed", "checks")
needs = {{
    name: (*line, "orchestrated" if name in conducted else "choreographed")
    for name, line in lines.items()
}}
""",
    ],
    why="The same situation speaks for one style or for the other, depending on what you need in "
    "it. So a rule of thumb that names a situation is half a rule: the other half is the measure.",
)


# what-the-numbers-say

FACTS = "peak_per_second", "served_per_second", "listeners", "decisions_last_year"


def _case(seed: int, nth: int) -> tuple[dict[str, str], dict[str, int]]:
    """Some answers, and some facts, of which now and then one is not known."""
    dice = Random(f"{seed} {nth}")
    asked = [q for q in QUESTIONS if q.name not in ("load", "observers", "decision")]
    answers = {q.name: dice.choice(list(q.replies)) for q in dice.sample(asked, 4)}
    answers |= {"load": dice.choice(["peaks", "steady"]), "observers": "many", "decision": "no"}
    served = dice.randint(5, 20)
    peak = served if nth == 1 else dice.randint(1, 40)
    facts = {
        "peak_per_second": peak,
        "served_per_second": served,
        "listeners": nth if nth < 4 else dice.randint(0, 6),
        "decisions_last_year": dice.choice([0, 0, 1, 5]),
    }
    if nth >= 3:
        del facts[dice.choice(FACTS)]
    return answers, facts


def _corrected(answers: Mapping[str, str], facts: Mapping[str, int]) -> dict[str, str]:
    known = dict(answers)
    if "peak_per_second" in facts and "served_per_second" in facts:
        more = facts["peak_per_second"] > facts["served_per_second"]
        known["load"] = "peaks" if more else "steady"
    if "listeners" in facts:
        known["observers"] = "many" if facts["listeners"] >= 3 else "few"
    if "decisions_last_year" in facts:
        known["decision"] = "yes" if facts["decisions_last_year"] else "no"
    return known


async def some_facts(answers: Answers, seed: int) -> list[dict[str, Any]]:
    told = []
    for nth in range(6):
        given, facts = _case(seed, nth)
        mine, yours = dict(given), dict(facts)
        returned = answers.corrected(mine, yours)
        told.append(
            {"given": given, "facts": facts, "after": mine, "facts after": yours, "is": returned}
        )
    return told


def a_new_dict(day: list[dict[str, Any]]) -> str:
    for each in day:
        if not isinstance(each["is"], Mapping):
            return f"`corrected` returned {each['is']!r:.60}, and not a dict"
        if each["after"] != each["given"] or each["facts after"] != each["facts"]:
            return "what was given to `corrected` is another one afterwards"
    return ""


def as_the_numbers_say(day: list[dict[str, Any]]) -> str:
    for each in day:
        wanted = _corrected(each["given"], each["facts"])
        for name in ("load", "observers", "decision"):
            if each["is"].get(name) != wanted[name]:
                return (
                    f"from {each['facts']} and {name!r}: {each['given'][name]!r} came "
                    f"{each['is'].get(name)!r:.40}"
                )
    return ""


def where_they_say_it(day: list[dict[str, Any]]) -> str:
    for each in day:
        facts, given = each["facts"], each["given"]
        wanted = _corrected(given, facts)
        wrong = [n for n in ("load", "observers", "decision") if each["is"].get(n) != wanted[n]]
        if not wrong:
            continue
        if len(facts) < len(FACTS) and wanted[wrong[0]] == given[wrong[0]]:
            return "a fact that is not there: it says nothing, so the answer stays what it was"
        if wrong[0] == "load" and facts["peak_per_second"] == facts["served_per_second"]:
            return "the very edge: as many come as can be served, so nobody has to wait"
        if wrong[0] == "observers":
            return "from how many listeners on there are many"
        return f"which number says what about {wrong[0]}"
    return ""


def the_rest_stays(day: list[dict[str, Any]]) -> str:
    for each in day:
        wanted = _corrected(each["given"], each["facts"])
        for name in sorted({*wanted, *map(str, each["is"])}):
            if each["is"].get(name) != wanted.get(name):
                return f"{name!r} was {wanted.get(name)!r}, and is {each['is'].get(name)!r:.40}"
    return ""


NUMBERS = Task(
    id="what-the-numbers-say",
    title="What the numbers say",
    points=2,
    names=["corrected"],
    trials=[
        Trial(
            some_facts,
            [
                Claim(
                    "a new dict of answers",
                    a_new_dict,
                    "what you change: the colleague's own answers should stay as they were, so "
                    "begin with a copy, `dict(answers)`",
                ),
                Claim(
                    "three answers that the facts give, where they are known",
                    as_the_numbers_say,
                    where_they_say_it,
                ),
                Claim(
                    "all other answers as they were",
                    the_rest_stays,
                    "what no fact speaks of: that stays, whichever way it pulls",
                ),
            ],
        )
    ],
    hints=[
        "Which of the twelve questions can be answered by a number, without an opinion?",
        "Copy the answers, then correct one question after the other, each only if its facts are "
        'there: `if "listeners" in facts:`.',
        'For example `known["observers"] = "many" if facts["listeners"] >= 3 else "few"`; for the '
        "load both numbers must be there.",
    ],
    wrong=[
        WrongAnswer(  # the colleague finds other answers than those that were given
            """
def corrected(answers, facts):
    if "peak_per_second" in facts and "served_per_second" in facts:
        more = facts["peak_per_second"] > facts["served_per_second"]
        answers["load"] = "peaks" if more else "steady"
    if "listeners" in facts:
        answers["observers"] = "many" if facts["listeners"] >= 3 else "few"
    if "decisions_last_year" in facts:
        answers["decision"] = "yes" if facts["decisions_last_year"] else "no"
    return answers
""",
            "begin with a copy",
        ),
        WrongAnswer(  # what is not known is taken for nought
            """
def corrected(answers, facts):
    known = dict(answers)
    more = facts.get("peak_per_second", 0) > facts.get("served_per_second", 0)
    known["load"] = "peaks" if more else "steady"
    known["observers"] = "many" if facts.get("listeners", 0) >= 3 else "few"
    known["decision"] = "yes" if facts.get("decisions_last_year", 0) else "no"
    return known
""",
            "it says nothing, so the answer stays",
        ),
        WrongAnswer(  # full is not too full
            """
def corrected(answers, facts):
    known = dict(answers)
    if "peak_per_second" in facts and "served_per_second" in facts:
        more = facts["peak_per_second"] >= facts["served_per_second"]
        known["load"] = "peaks" if more else "steady"
    if "listeners" in facts:
        known["observers"] = "many" if facts["listeners"] >= 3 else "few"
    if "decisions_last_year" in facts:
        known["decision"] = "yes" if facts["decisions_last_year"] else "no"
    return known
""",
            "as many come as can be served",
        ),
        WrongAnswer(  # an answer is changed because of where it pulls
            """
def corrected(answers, facts):
    known = dict(answers, domains="one", where="yes")
    if "peak_per_second" in facts and "served_per_second" in facts:
        more = facts["peak_per_second"] > facts["served_per_second"]
        known["load"] = "peaks" if more else "steady"
    if "listeners" in facts:
        known["observers"] = "many" if facts["listeners"] >= 3 else "few"
    if "decisions_last_year" in facts:
        known["decision"] = "yes" if facts["decisions_last_year"] else "no"
    return known
""",
            "whichever way it pulls",
        ),
        WrongAnswer(  # one listener is a few already
            """
def corrected(answers, facts):
    known = dict(answers)
    if "peak_per_second" in facts and "served_per_second" in facts:
        more = facts["peak_per_second"] > facts["served_per_second"]
        known["load"] = "peaks" if more else "steady"
    if "listeners" in facts:
        known["observers"] = "many" if facts["listeners"] else "few"
    if "decisions_last_year" in facts:
        known["decision"] = "yes" if facts["decisions_last_year"] else "no"
    return known
""",
            "from how many listeners on",
        ),
    ],
    others=[
        """
def corrected(answers, facts):
    rules = {
        "load": lambda f: "peaks" if f["peak_per_second"] > f["served_per_second"] else "steady",
        "observers": lambda f: "few" if f["listeners"] < 3 else "many",
        "decision": lambda f: "yes" if f["decisions_last_year"] > 0 else "no",
    }
    known = {}
    for name, answer in answers.items():
        known[name] = answer
    for name, rule in rules.items():
        try:
            known[name] = rule(facts)
        except KeyError:
            pass
    return known
""",
        """
def corrected(answers, facts):
    peak, served = facts.get("peak_per_second"), facts.get("served_per_second")
    listeners, decisions = facts.get("listeners"), facts.get("decisions_last_year")
    found = {}
    if None not in (peak, served):
        found["load"] = ("steady", "peaks")[peak > served]
    if listeners is not None:
        found["observers"] = ("few", "many")[listeners > 2]
    if decisions is not None:
        found["decision"] = ("no", "yes")[decisions > 0]
    return {**answers, **found}
""",
    ],
    why="Where a number is known it answers the question, and it answers it the same way whoever "
    "asks. Where none is known, that is no proof of anything: somebody has to measure it, or to "
    "stand by an opinion. And an answer that is changed for the sake of the sum is no answer.",
)


# argue-each-way

SHOP = {
    "domains": "nested",
    "flow": "both",
    "where": "yes",
    "wait": "no",
    "observers": "many",
    "decision": "yes",
    "undo": "several",
    "silence": "much",
    "load": "peaks",
    "outage": "yes",
    "audit": "no",
    "teams": "many",
}
LEAST, MOST = 1, 3


async def three_weights(answers: Answers, seed: int) -> Any:
    return answers.weights


def weights_in_form(weights: Any) -> str:
    if not isinstance(weights, Mapping):
        return f"`weights` is {weights!r:.60}, and not a dict"
    for style in STYLES:
        if not isinstance(weights.get(style), Mapping):
            return f"`weights[{style!r}]` is {weights.get(style)!r:.60}"
        try:
            weigh(SHOP, weights=weights[style])
        except LabError as problem:
            return f"{style}: {str(problem).splitlines()[0]}"
    return ""


def all_count(weights: Mapping[str, Mapping[str, float]]) -> str:
    for style in STYLES:
        for name, weight in weights[style].items():
            if not LEAST <= weight <= MOST:
                return f"{style}: {name} weighs {weight:g}"
    return ""


def each_way(weights: Mapping[str, Mapping[str, float]]) -> str:
    for style in STYLES:
        advice = weigh(SHOP, weights=weights[style])
        if advice.leads != (style,):
            sums = ", ".join(f"{name} {total:g}" for name, total in advice.totals.items())
            return f"with the weights for {style} the sums are {sums}"
    return ""


def which_way(weights: Mapping[str, Mapping[str, float]]) -> str:
    if len({repr(sorted(weights[style].items())) for style in STYLES}) == 1:
        return "what differs between your three arguments: here all three weigh alike"
    for style in STYLES:
        advice = weigh(SHOP, weights=weights[style])
        if style in advice.leads and advice.tie:
            return "a tie: it is nobody's argument yet"
    return "the rows of `weigh(shop)`: which answers pull towards that style, and how many of them?"


EACH_WAY = Task(
    id="argue-each-way",
    title="Argue each way",
    points=2,
    names=["weights"],
    trials=[
        Trial(
            three_weights,
            [
                Claim(
                    "for each of the three styles a dict of weights",
                    weights_in_form,
                    'the form: `{"orchestration": {"where": 2}, "choreography": …, "hybrid": …}`',
                ),
                Claim(
                    f"weights from {LEAST} to {MOST}",
                    all_count,
                    "a weight below 1 or above 3: no answer is thrown away, and none is all",
                ),
                Claim("each style ahead by itself, under its weights", each_way, which_way),
            ],
            seeds=range(1),
        )
    ],
    hints=[
        "What would somebody say who is convinced of one of the three? Which questions would they "
        "call the important ones?",
        "`weigh(shop)` shows which answers pull towards which style. For one of the three styles "
        "you need not change anything.",
        'For orchestration: `{"where": 3, "decision": 3, "undo": 3, "silence": 3}`. With 2 in '
        "place of 3 the hybrid is still ahead, for it gets half of each pull.",
    ],
    wrong=[
        WrongAnswer(  # what does not fit is thrown away
            """
against = ["wait", "observers", "load", "outage", "teams"]
weights = {
    "orchestration": {name: 0 for name in ["domains", "flow", *against]},
    "choreography": {"domains": 0, "flow": 0},
    "hybrid": {},
}
""",
            "no answer is thrown away",
        ),
        WrongAnswer(  # one weight more, everywhere
            """
questions = ["where", "decision", "undo", "silence", "wait", "observers", "load", "outage", "teams"]
weights = {style: {name: 2 for name in questions} for style in STYLES}
""".replace("STYLES", '["orchestration", "choreography", "hybrid"]'),
            "here all three weigh alike",
        ),
        WrongAnswer(  # one strong conviction
            """
weights = {
    "orchestration": {"where": 3},
    "choreography": {"load": 3, "outage": 3, "wait": 3, "observers": 3, "teams": 3},
    "hybrid": {},
}
""",
            "which answers pull towards that style, and how many",
        ),
        WrongAnswer(  # as far as the other
            """
weights = {
    "orchestration": {"where": 3, "decision": 3, "undo": 2, "silence": 2},
    "choreography": {"load": 3, "outage": 3, "wait": 3, "observers": 3, "teams": 3},
    "hybrid": {},
}
""",
            "nobody's argument yet",
        ),
        WrongAnswer('weights = {"orchestration": 3, "choreography": 2, "hybrid": 1}', "the form:"),
    ],
    others=[
        """
weights = {
    "orchestration": dict(where=3, decision=3, undo=3, silence=3),
    "choreography": dict(wait=2, observers=2, load=2, outage=2, teams=2),
    "hybrid": {},
}
""",
        """
from labkit.guide import QUESTIONS

def louder(style):
    return {
        question.name: 3 if style in max_of(question) else 1 for question in QUESTIONS
    }

def max_of(question):
    pulls = question.replies[shop[question.name]].pulls
    return [style for style, pull in pulls.items() if pull == max(pulls.values())]

shop = {
    "domains": "nested", "flow": "both", "where": "yes", "wait": "no", "observers": "many",
    "decision": "yes", "undo": "several", "silence": "much", "load": "peaks", "outage": "yes",
    "audit": "no", "teams": "many",
}
weights = {style: louder(style) for style in ("orchestration", "choreography", "hybrid")}
""",
    ],
    why="The answers are facts about a system; the weights are what somebody cares about. With "
    "the same answers, and weights that nobody would call absurd, each of the three can be ahead. "
    "So a weighing ends no quarrel; it shows what the quarrel is about.",
)


# the-record


async def the_record(answers: Answers, seed: int) -> dict[str, Any]:
    return {"adr": answers.adr, "measured": await measured()}


PARTS = "context", "forces", "options", "decision", "good", "bad", "look_again"


def record_in_form(day: Mapping[str, Any]) -> str:
    adr = day["adr"]
    if not isinstance(adr, Mapping):
        return f"`adr` is {adr!r:.60}, and not a dict"
    for part in PARTS:
        if part not in adr:
            return f"`adr` has no {part!r}"
    if not isinstance(adr["context"], str) or len(adr["context"].split()) < 5:
        return f"the context is {adr['context']!r:.60}, from which nobody can know your system"
    options = adr["options"]
    if not isinstance(options, list | tuple | set) or not set(map(str, options)) >= set(BANDS):
        return f"the options are {options!r:.60}"
    if adr["decision"] not in BANDS:
        return f"the decision is {adr['decision']!r:.60}"
    return ""


def forces_in_numbers(day: Mapping[str, Any]) -> str:
    forces = day["adr"]["forces"]
    if not isinstance(forces, list | tuple) or len(forces) < 2:
        return f"the forces are {forces!r:.60}; there must be two at least"
    for force in forces:
        if not isinstance(force, list | tuple) or len(force) != 4:
            return f"{force!r:.60} has no numbers"
        situation, words, *numbers = force
        if measure_of(situation, words) is None:
            return f"no line of the board is {situation!r:.40}, {words!r:.60}"
        real = list(day["measured"][situation][words].values())
        if numbers != real:
            told = " and ".join(_told(number) for number in real)
            return f"{situation}, {words}: {numbers!r:.60}, where {told} were measured"
    return ""


def _lines(given: object) -> list[tuple[str, str]] | None:
    """Pairs of situation and measure; None where it is something else."""
    if not isinstance(given, list | tuple):
        return None
    pairs = [tuple(each) if isinstance(each, list | tuple) else () for each in given]
    return [(p[0], p[1]) for p in pairs] if all(len(p) == 2 for p in pairs) else None


def _consequences(day: Mapping[str, Any], part: str) -> str:
    """What is wrong with the good, or with the bad, consequences."""
    adr, lines = day["adr"], _lines(day["adr"][part])
    if not lines:
        return f"{part!r} is {adr[part]!r:.60}, and names no force"
    forces = [tuple(force[:2]) for force in adr["forces"]]
    for line in lines:
        if line not in forces:
            return f"{part!r} names {', '.join(map(str, line))}, which is none of your forces"
        ahead = better(*line, day["measured"])
        if (ahead == adr["decision"]) != (part == "good"):
            return (
                f"{part!r} names {', '.join(line)}, and {ahead} has the better number there; "
                f"you decided for {adr['decision']}"
            )
    return ""


def good_is_good(day: Mapping[str, Any]) -> str:
    return _consequences(day, "good")


def bad_is_bad(day: Mapping[str, Any]) -> str:
    return _consequences(day, "bad")


def can_be_wrong(day: Mapping[str, Any]) -> str:
    adr = day["adr"]
    again = adr["look_again"]
    if not isinstance(again, list | tuple) or len(again) != 4 or again[2] not in ("above", "below"):
        return f"'look_again' is {again!r:.60}"
    situation, words, side, limit = again
    if (situation, words) not in [tuple(force[:2]) for force in adr["forces"]]:
        return f"'look_again' names {situation!r:.40}, {words!r:.60}, which is none of your forces"
    if isinstance(limit, bool) or not isinstance(limit, int | float) or not isfinite(limit):
        return f"the limit of 'look_again' is {limit!r:.40}"
    now = day["measured"][situation][words][adr["decision"]]
    value = float("inf") if now is None else now
    if (value > limit) if side == "above" else (value < limit):
        return f"{words} is {_told(now)} now, and {side} {limit:g} already"
    return ""


def when_it_is_wrong(day: Mapping[str, Any]) -> str:
    again = day["adr"]["look_again"]
    if isinstance(again, str) or again is None:
        return "a decision that nothing could make wrong is a creed: name a number that could"
    return 'the form: `(situation, measure, "above" or "below", limit)`, a limit not passed yet'


RECORD = Task(
    id="the-record",
    title="A record that can be argued with",
    points=4,
    names=["adr"],
    trials=[
        Trial(
            the_record,
            [
                Claim(
                    "a record with all its parts, both options, and one of them decided for",
                    record_in_form,
                    f"the parts: {', '.join(PARTS)}; the options are {' and '.join(BANDS)}",
                ),
                Claim(
                    "forces in numbers, as they were measured",
                    forces_in_numbers,
                    "`board(…)` once more: a force is (situation, measure, number orchestrated, "
                    "number choreographed), and *never* is None",
                ),
                Claim(
                    "a good consequence: a force in which your decision has the better number",
                    good_is_good,
                    "whether your numbers carry your decision; either one can be carried",
                ),
                Claim(
                    "a bad consequence: a force in which the other option has the better number",
                    bad_is_bad,
                    "what your decision costs: a force that speaks against it belongs there too",
                ),
                Claim(
                    "a number that would make you look again, and does not yet",
                    can_be_wrong,
                    when_it_is_wrong,
                ),
            ],
            seeds=range(1),
        )
    ],
    hints=[
        "Which two lines of the board would you quarrel about with a colleague, each of you with "
        "one of them in hand?",
        "Take one force that speaks for your decision and one against it. The first stands under "
        '"good", the second under "bad", each as (situation, measure).',
        'For example `"look_again": ("mute", "seconds until a person could know", "above", 60)` '
        "for a conductor: it is 41.3 now.",
    ],
    wrong=[
        WrongAnswer(  # a decision that its own numbers contradict
            f"""
adr = {{
    "context": "A shop with two teams and many refusals.",
    "forces": [
        ("refusal", "{MESSAGES}", 12, 7),
        ("mute", "seconds until a person could know", 41.3, None),
    ],
    "options": ["orchestrated", "choreographed"],
    "decision": "choreographed",
    "good": [("mute", "seconds until a person could know")],
    "bad": [("refusal", "{MESSAGES}")],
    "look_again": ("refusal", "{MESSAGES}", "above", 9),
}}
""",
            "whether your numbers carry your decision",
        ),
        WrongAnswer(  # forces without numbers
            f"""
adr = {{
    "context": "A shop with two teams and many refusals.",
    "forces": ["choreography is decoupled", "orchestrators are a single point of failure"],
    "options": ["orchestrated", "choreographed"],
    "decision": "choreographed",
    "good": [("refusal", "{MESSAGES}")],
    "bad": [("mute", "seconds until a person could know")],
    "look_again": ("refusal", "{MESSAGES}", "above", 9),
}}
""",
            "has no numbers",
        ),
        WrongAnswer(  # no consequence
            f"""
adr = {{
    "context": "A shop with two teams and many refusals.",
    "forces": [
        ("refusal", "{MESSAGES}", 12, 7),
        ("observer", "{TOUCHED}", 1, 0),
    ],
    "options": ["orchestrated", "choreographed"],
    "decision": "choreographed",
    "good": [("refusal", "{MESSAGES}"), ("observer", "{TOUCHED}")],
    "bad": [],
    "look_again": ("refusal", "{MESSAGES}", "above", 9),
}}
""",
            "what your decision costs",
        ),
        WrongAnswer(  # always
            f"""
adr = {{
    "context": "Any system whatever, now and for ever.",
    "forces": [
        ("refusal", "{MESSAGES}", 12, 7),
        ("mute", "seconds until a person could know", 41.3, None),
    ],
    "options": ["orchestrated", "choreographed"],
    "decision": "orchestrated",
    "good": [("mute", "seconds until a person could know")],
    "bad": [("refusal", "{MESSAGES}")],
    "look_again": "never: always use an orchestrator",
}}
""",
            "is a creed",
        ),
        WrongAnswer(  # a limit that is passed already
            f"""
adr = {{
    "context": "A shop with two teams and many refusals.",
    "forces": [
        ("refusal", "{MESSAGES}", 12, 7),
        ("mute", "seconds until a person could know", 41.3, None),
    ],
    "options": ["orchestrated", "choreographed"],
    "decision": "choreographed",
    "good": [("refusal", "{MESSAGES}")],
    "bad": [("mute", "seconds until a person could know")],
    "look_again": ("mute", "seconds until a person could know", "above", 60),
}}
""",
            "is never now, and above 60 already",
        ),
        WrongAnswer(  # one option is no choice
            f"""
adr = {{
    "context": "A shop with two teams and many refusals.",
    "forces": [
        ("refusal", "{MESSAGES}", 12, 7),
        ("mute", "seconds until a person could know", 41.3, None),
    ],
    "options": ["orchestrated"],
    "decision": "orchestrated",
    "good": [("mute", "seconds until a person could know")],
    "bad": [("refusal", "{MESSAGES}")],
    "look_again": ("mute", "seconds until a person could know", "above", 60),
}}
""",
            "the options are ['orchestrated']",
        ),
    ],
    others=[
        f"""
adr = {{
    "context": "Four teams, each with its own plans, and departments that want to hear of orders.",
    "forces": [
        ["observer", "{TOUCHED}", 1, 0],
        ["decision", "{TOUCHED}", 1, 2],
        ["observer", "points for an order that is refused", 0, 129],
    ],
    "options": ["choreographed", "orchestrated"],
    "decision": "choreographed",
    "good": [["observer", "{TOUCHED}"]],
    "bad": [["decision", "{TOUCHED}"], ["observer", "points for an order that is refused"]],
    "look_again": ["decision", "{TOUCHED}", "above", 3],
}}
""",
        f"""
noticed = ("mute", "seconds until a person could know")
talk = ("mute", "{MESSAGES}")
adr = dict(
    context="One team; a stuck order costs the trust of a customer.",
    forces=[(*noticed, 41.3, None), (*talk, 8.0, 5.0)],
    options={{"orchestrated", "choreographed"}},
    decision="orchestrated",
    good=[noticed],
    bad=[talk],
    look_again=(*talk, "above", 20),
)
""",
    ],
    why="A record can be argued with when it names the numbers it rests on, what speaks against "
    "it, and what would change it. Whoever disagrees knows where to begin, and whoever comes later "
    "knows when to.",
)


TASKS = [NEEDED, NUMBERS, EACH_WAY, RECORD]
