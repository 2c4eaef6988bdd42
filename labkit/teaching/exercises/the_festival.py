"""Exercise 15: a festival of one's own, in the style that it claims; and why that style."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from labkit.lab import Lab
from labkit.occurrences import Facts
from labkit.seven_invariants import (
    causes_form_a_tree,
    each_effect_once,
    every_order_ends,
    messages_keep_their_contract,
    nobody_charged_for_nothing,
    nothing_undone_after,
    stock_is_conserved,
)
from labkit.shop.festival import COMMANDS, OWNERS, SEATS, OrderConfirmed, OrderRejected
from labkit.steps import IS_BACK
from labkit.system.saga import HumanTaskOpened
from labkit.teaching.festival import choreography, days, hybrid, orchestration, styles
from labkit.teaching.festival.days import (
    AFTER_THE_STORM,
    BEFORE_THE_STORM,
    MOST_MESSAGES,
    QUEUE,
    StyleClaimed,
    claimed,
)
from labkit.teaching.festival.figures import MEASURES, figures, figures_of_the_styles
from labkit.teaching.task import Answers, Claim, Task, Trial, WrongAnswer
from labkit.trace import Trace, key_of
from labkit.verdict import Property, Verdict

DEADLINE_SECONDS = 120.0
SCHEDULES = range(50)


# the-festival


def claim_of(answers: Answers) -> StyleClaimed:
    return claimed(answers.STYLE, getattr(answers, "DOMAINS", None))


async def fine(answers: Answers, seed: int) -> Lab:
    return await days.fine_day(answers.SERVICES, seed, claim_of(answers))


async def stormy(answers: Answers, seed: int) -> Lab:
    return await days.stormy_day(answers.SERVICES, seed, claim_of(answers))


async def bad(answers: Answers, seed: int) -> Lab:
    return await days.bad_day(answers.SERVICES, seed, claim_of(answers))


class Judged:
    """The run that is judged just now, with its facts: they are found once for all claims."""

    run: Any = None
    facts: Facts

    @classmethod
    def facts_of(cls, run: Any) -> Facts:
        if cls.run is not run:
            cls.run, cls.facts = run, Facts(run)
        return cls.facts


def holding(property: Property) -> Callable[[Any], Any]:
    """A property of the run, as a claim."""

    def judge(run: Any) -> Verdict:
        return property.judge(Judged.facts_of(run))

    return judge


def keeps_its_style(run: Any) -> str:
    claim = run.trace.sent(StyleClaimed)[0].data
    return styles.breach(run.trace, claim["style"], claim["domains"])


def shows_its_style(run: Any) -> str:
    claim = run.trace.sent(StyleClaimed)[0].data
    return styles.lack(run.trace, claim["style"], claim["domains"])


def effects_are_their_owners(run: Any) -> str:
    for entry in run.ledger:
        owner = OWNERS.get(entry.effect, entry.service)
        if entry.service != owner:
            return f'{entry.service} wrote "{entry.effect}" in the ledger, and {owner} owns that'
    return ""


def commands_are_as_given(run: Any) -> str:
    for message in run.trace.sent():
        if message.kind == "command" and message.type in COMMANDS:
            wanted, given = COMMANDS[message.type], message.data
            if set(given) != set(wanted):
                return f"{message.type} was told with {', '.join(given)}"
    return ""


def sound_comes_first(run: Any) -> str:
    checked = False
    for entry in run.ledger:
        checked = checked or entry.effect == "checked"
        if entry.effect == "shipped" and not checked:
            return f"{entry.key} had a badge before the sound check"
    return ""


def said(trace: Trace, kind: Any) -> set[str]:
    return {key_of(message) for message in trace.sent(kind)}


def words_are_true(run: Any) -> str:
    confirmed, rejected = said(run.trace, OrderConfirmed), said(run.trace, OrderRejected)
    shipped = set(run.ledger.keys("shipped"))
    for words, orders in (
        ("is confirmed and has no badge", confirmed - shipped),
        ("is rejected and has a badge", rejected & shipped),
    ):
        if orders:
            return f"{min(orders)} {words}"
    return ""


def seats_are_used_or_free(run: Any) -> str:
    ended = said(run.trace, OrderRejected) - said(run.trace, HumanTaskOpened)
    kept = Counter(run.ledger.keys("reserved")) - Counter(run.ledger.keys("released"))
    lost = sorted(set(kept) & ended - set(run.ledger.keys("shipped")))
    return f"a seat stays with {lost[0]}, who is rejected" if lost else ""


def seats_are_sold(run: Any) -> str:
    badges = run.ledger.keys("shipped")
    if len(badges) == SEATS:
        return ""
    return f"{len(QUEUE)} visitors queued for {SEATS} seats, and {len(badges)} got in"


def band_in_time(trace: Trace) -> bool:
    told = [m.message.type for m in trace if m.what == "sent" and m.message is not None]
    return told.index("BandArrived") < told.index("StormBroke")


def nobody_comes_after_the_storm(run: Any) -> str:
    badges = run.ledger.keys("shipped")
    if AFTER_THE_STORM in badges:
        return f"{AFTER_THE_STORM} ordered long after the storm, and has a badge"
    if badges and not band_in_time(run.trace):
        return f"the band came after the storm, and {badges[0]} has a badge"
    return ""


def who_came_early_is_in(run: Any) -> str:
    shut_out = band_in_time(run.trace) and BEFORE_THE_STORM not in run.ledger.keys("shipped")
    return f"{BEFORE_THE_STORM} ordered in good time, and has no badge" if shut_out else ""


def comes_to_rest(run: Any) -> str:
    many = len(run.trace.sent())
    return "" if many < MOST_MESSAGES else f"{many:,} messages on one day, and it goes on"


def where_it_stopped(run: Any) -> str:
    dead = [message for message in run.trace.sent() if message.kind == "dead"]
    if dead:
        return (
            f"the dead letter of {dead[0].sender} ({dead[0].type}): what was raised there? Nobody "
            "waits for an answer to an event"
        )
    if any(moment.note == IS_BACK for moment in run.trace):
        return (
            "the service that died on the way: what did it know that stood in no book? "
            "`self.effect` writes, `self.done` reads, and what it had not finished comes again"
        )
    return (
        "the last message of that order: who should have gone on? Nobody promises which comes "
        "first, the money, the sound or the storm"
    )


def where_the_style_is_left(run: Any) -> str:
    style = run.trace.sent(StyleClaimed)[0].data["style"]
    return LOOK_AT_STYLE.get(style, "the line with STYLE")


LOOK_AT_STYLE = {
    "orchestration": "who sends commands, and which service has an `@on` besides that one",
    "choreography": "each `self.call`: what happened, of which the other could hear by itself?",
    "hybrid": "DOMAINS, and on which side of a border the sender and the receiver stand",
}

ALWAYS = [
    Claim(
        "it comes to rest",
        comes_to_rest,
        "two services that answer each other: which of the events should lead to no other?",
    ),
    Claim(
        "each effect has its owner, and nobody else writes it",
        effects_are_their_owners,
        "the table of effects in the brief: Seats, Payment, SoundCheck and Badges",
    ),
    Claim(
        "the festival is led in the style that it claims",
        keeps_its_style,
        where_the_style_is_left,
    ),
    Claim(
        "each message is as its contract says (I6)",
        holding(messages_keep_their_contract()),
        "the class of that event: is it the one that is given, or one of your own?",
    ),
    Claim(
        "the given commands take what the brief says",
        commands_are_as_given,
        "the table of commands: the names of the arguments belong to the contract",
    ),
    Claim(
        "each effect happens once (I2)",
        holding(each_effect_once()),
        "the message that came twice: which key is the same in both?",
    ),
    Claim(
        f"no more than {SEATS} seats are taken at a time (I4)",
        holding(stock_is_conserved(SEATS)),
        "when you count the seats: nothing may be awaited between the look and the deed",
    ),
    Claim(
        "no badge before the sound check has passed",
        sound_comes_first,
        "what you do for who has paid while the band is still on its way",
    ),
    Claim(
        "who has the badge keeps it, and the ticket is paid (I5)",
        holding(nothing_undone_after("shipped")),
        "the badge is the pivot: what do you do for who is in when the storm breaks?",
    ),
    Claim(
        "confirmed is who has a badge, and rejected who has none",
        words_are_true,
        "when you say how an order has ended: which deed decides it?",
    ),
    Claim(
        f"each order ends within {DEADLINE_SECONDS:g} s, or a person is told (I3)",
        holding(every_order_ends(DEADLINE_SECONDS)),
        where_it_stopped,
    ),
    Claim(
        "nobody has paid who has neither badge nor refund (I1)",
        holding(nobody_charged_for_nothing()),
        "the order that was rejected: who hears of it, and who gives the money back?",
    ),
    Claim(
        "each seat is used, or it is free again",
        seats_are_used_or_free,
        "the order that was rejected: who hears of it, and who gives up the seat?",
    ),
    Claim(
        "the causes form a tree (I7)",
        holding(causes_form_a_tree()),
        "the message without a cause: say things in a handler, not beside one",
    ),
]


def text_of(module: Any) -> str:
    return Path(module.__file__).read_text(encoding="utf-8")


def changed(text: str, *changes: tuple[str, str]) -> str:
    """A festival with a mistake in it: each first text stands in it once, and is replaced."""
    for old, new in changes:
        if text.count(old) != 1:
            raise ValueError(f"It stands in the text {text.count(old)} times: {old}")
        text = text.replace(old, new)
    return text


ORCHESTRATION, CHOREOGRAPHY, HYBRID = map(text_of, (orchestration, choreography, hybrid))
CLAIMS_A_HYBRID = """
STYLE = "hybrid"
DOMAINS = {"sales": [Seats, Payment], "stage": [SoundCheck, Badges]}
"""
CHARGES = 'self.effect("charged", order_id, seat.amount, once=order_id)'
DECISION = """
        if not self.done("shipped", order_id) and not self.done("turned away", order_id):
            if self.done("StormBroke", "festival"):"""
WORD = """
        if self.done("shipped", order_id):
            await self.publish(BadgeHandedOver(order_id=order_id))
        elif self.done("turned away", order_id):
            await self.publish(BadgeRefused(order_id=order_id, reason="a storm broke"))
"""
WORD_OF_NO = """
        if self.done("turned away", order_id):
            await self.publish(BadgeRefused(order_id=order_id, reason="a storm broke"))
        elif self.done("shipped", order_id):
            await self.publish(BadgeHandedOver(order_id=order_id))
"""
AGAIN = """
        for number in range(1, self.times("paid") + 1):
            if paid := self.done("paid", str(number)):
                await self.decide(paid.once)
"""
NOTED = 'self.effect("paid", str(self.times("paid") + 1), once=payment.order_id)'
HEARS_OF_MONEY = "    @on(PaymentCharged)\n    async def hear_of_money"
REMEMBERS = "    def __init__(self):\n        self.paid = []\n\n" + HEARS_OF_MONEY
FROM_MEMORY = "\n        for order_id in self.paid:\n            await self.decide(order_id)\n"
ON_REJECTION = "    @on(OrderRejected)\n    async def "
PAYS = "order_id=order_id, amount=amount)\n        async"

WRONG = [
    WrongAnswer(  # "the broker delivers once"
        changed(CHOREOGRAPHY, (CHARGES, CHARGES.replace(", once=order_id", ""))),
        "which key is the same in both",
    ),
    WrongAnswer(  # one seat too many
        changed(CHOREOGRAPHY, ("taken == SEATS", "taken > SEATS")),
        "3 reserved of a stock of 2",
    ),
    WrongAnswer(  # what was given back is not sold again
        changed(CHOREOGRAPHY, (' - self.times("released")', "")),
        "what becomes of a seat that was given back",
    ),
    WrongAnswer(  # nobody gives up the seat
        changed(CHOREOGRAPHY, (f"{ON_REJECTION}release", "    async def release")),
        "who gives up the seat",
    ),
    WrongAnswer(  # nobody gives back the money
        changed(CHOREOGRAPHY, (f"{ON_REJECTION}refund", "    async def refund")),
        "who gives the money back",
    ),
    WrongAnswer(  # the storm takes the badge from those who are in
        changed(
            CHOREOGRAPHY,
            (DECISION, DECISION.replace('not self.done("shipped", order_id) and ', "")),
            (WORD, WORD_OF_NO),
        ),
        "what do you do for who is in when the storm breaks",
    ),
    WrongAnswer(  # no join: who has paid is in
        changed(CHOREOGRAPHY, ('elif self.done("SoundCheckPassed", "festival"):', "else:")),
        "while the band is still on its way",
    ),
    WrongAnswer(  # a join that knows one order of arrival
        changed(CHOREOGRAPHY, (AGAIN, "")),
        "Nobody promises which comes first",
    ),
    WrongAnswer(  # who waits is known to the memory alone
        changed(
            CHOREOGRAPHY,
            (HEARS_OF_MONEY, REMEMBERS),
            (NOTED, "self.paid.append(payment.order_id)"),
            (AGAIN, FROM_MEMORY),
        ),
        "what did it know that stood in no book",
    ),
    WrongAnswer(  # paid is not yet in
        changed(
            CHOREOGRAPHY,
            ("@on(BadgeHandedOver)", "@on(PaymentCharged)"),
            ("badge: BadgeHandedOver", "badge: PaymentCharged"),
        ),
        "which deed decides it",
    ),
    WrongAnswer(  # nobody hears the storm
        changed(
            CHOREOGRAPHY,
            ("@on(SoundCheckPassed, StormBroke)", "@on(SoundCheckPassed)"),
        ),
        "whether it is asked before each badge",
    ),
    WrongAnswer(  # an event of one's own under a given name
        changed(
            CHOREOGRAPHY,
            (
                "class Tickets(Service):",
                "from labkit import Event\n\nclass OrderConfirmed(Event):\n    ticket: str\n\n\n"
                "class Tickets(Service):",
            ),
            ("OrderConfirmed(order_id=badge.order_id)", "OrderConfirmed(ticket=badge.order_id)"),
        ),
        "is it the one that is given, or one of your own",
    ),
    WrongAnswer(  # a command of one's own under a given name
        changed(
            ORCHESTRATION,
            ("charge(self, order_id: str, amount: int)", "charge(self, order_id: str, price: int)"),
            ('self.effect("charged", order_id, amount', 'self.effect("charged", order_id, price'),
            (PAYS, PAYS.replace("amount=", "price=")),
        ),
        "the names of the arguments belong to the contract",
    ),
    WrongAnswer(  # one service does another one's work
        changed(
            CHOREOGRAPHY,
            (
                '                self.effect("turned away", order_id, once=order_id)',
                '                self.effect("turned away", order_id, once=order_id)\n'
                '                self.effect("released", order_id, once=order_id)',
            ),
        ),
        'Badges wrote "released" in the ledger',
    ),
    WrongAnswer(  # a careless subscription
        changed(
            CHOREOGRAPHY,
            (
                "class Tickets(Service):\n",
                "class Tickets(Service):\n    @on(SeatReleased)\n    async def tell(self, seat):\n"
                "        no = OrderRejected(order_id=seat.order_id, reason='released')\n"
                "        await self.publish(no)\n\n",
            ),
        ),
        "which of the events should lead to no other",
    ),
    WrongAnswer(  # "an event can be refused"
        changed(
            CHOREOGRAPHY,
            ("class Seats(Service):", "from labkit import Refused\n\nclass Seats(Service):"),
            (
                'await self.publish(SeatRefused(order_id=order_id, reason="sold out"))',
                'raise Refused("sold out")',
            ),
        ),
        "Nobody waits for an answer to an event",
    ),
    WrongAnswer(  # a word that is no style
        CHOREOGRAPHY + '\nSTYLE = "microservices"\n',
        "not one of orchestration, choreography, hybrid",
    ),
    WrongAnswer(  # a conductor, and one who follows the news on the side
        changed(
            ORCHESTRATION,
            (
                "class Badges(Service):\n",
                "class Badges(Service):\n    @on(StormBroke)\n    async def close(self, storm):\n"
                '        self.effect("closed", "festival", once="festival")\n\n',
            ),
        ),
        "Badges reacts to StormBroke by itself, although Director directs",
    ),
    WrongAnswer(  # events in name, commands in fact
        ORCHESTRATION + '\nSTYLE = "choreography"\n',
        "of which the other could hear by itself",
    ),
    WrongAnswer(  # "if somebody hears events, it is an orchestration as well"
        CHOREOGRAPHY + '\nSTYLE = "orchestration"\n',
        "nobody tells anybody what to do",
    ),
    WrongAnswer(  # a conductor of all domains
        ORCHESTRATION + CLAIMS_A_HYBRID,
        "crosses the border from Director to",
    ),
    WrongAnswer(  # domains, and nobody who directs in one
        CHOREOGRAPHY + CLAIMS_A_HYBRID,
        "there is nobody who directs one",
    ),
    WrongAnswer(  # two conductors before one orchestra
        changed(
            HYBRID,
            (
                'self.effect("released", order_id, once=order_id)',
                'self.effect("released", order_id, once=order_id)\n'
                "        await self.call(Payment.refund, order_id=order_id)",
            ),
        ),
        "inside box office two services direct",
    ),
    WrongAnswer(  # one domain that holds all
        HYBRID + '\nDOMAINS = {"festival": SERVICES}\n',
        "it is all one domain",
    ),
]


FESTIVAL = Task(
    id="the-festival",
    title="The festival",
    points=10,
    names=["SERVICES", "STYLE"],
    trials=[
        Trial(
            fine,
            [
                *ALWAYS,
                Claim(
                    "the style that is claimed can be seen",
                    shows_its_style,
                    where_the_style_is_left,
                ),
                Claim(
                    "on a fine day all seats are sold",
                    seats_are_sold,
                    "whom you turn away, and what becomes of a seat that was given back",
                ),
            ],
            seeds=range(1, 2),
            real=True,
        ),
        Trial(
            stormy,
            [
                *ALWAYS,
                Claim(
                    "after the storm nobody gets in",
                    nobody_comes_after_the_storm,
                    "who hears StormBroke, and whether it is asked before each badge",
                ),
                Claim(
                    "who ordered long before the storm is in by then",
                    who_came_early_is_in,
                    "what you wait for: the sound check has passed, and the weather still holds",
                ),
            ],
        ),
        Trial(bad, ALWAYS, seeds=SCHEDULES),
    ],
    hints=[
        "Which single deed decides an order, so that before it all can be taken back, and after it "
        "nothing? Who does it, and what must that one know?",
        'Get the fine day right, then the storm, then the bad days: `look("the-festival")` draws '
        'the first, and after a failed check `replay("the-festival")` gives you the day that '
        "shows the mistake. On bad days, ask of each line: what if it runs twice, and what if the "
        "service dies behind it?",
        "Books do nearly all of it: `self.effect(…, once=order_id)` before each word, `self.done` "
        "before each deed, and what was said already is said again. Lessons 06 and 07 have a "
        "Payment that can take its parts.",
    ],
    wrong=WRONG,
    others=[ORCHESTRATION, CHOREOGRAPHY, HYBRID],
    why="Three shapes, and the seven invariants hold in each: they are won by keys, by books and "
    "by one deed that decides, and not by the style. The style says where the next reader finds "
    "what comes next, and whom a change touches.",
)


# the-claim

FORM = (
    '{"instead of": a style, "for": (a measure, yours, the other\'s), "price": (a measure, yours, '
    'the other\'s), "look again": a sentence}'
)


async def the_claim(answers: Answers, seed: int) -> dict[str, Any]:
    day = await days.fine_day(answers.SERVICES, seed, claim_of(answers))
    return {
        "reasons": answers.REASONS,
        "style": answers.STYLE,
        "breach": keeps_its_style(day) or shows_its_style(day),
        "own": figures(day),
        "others": await figures_of_the_styles(),
    }


def well_formed(day: Mapping[str, Any]) -> str:
    reasons = day["reasons"]
    if not isinstance(reasons, Mapping):
        return f"REASONS is {reasons!r:.60}, and not a dict"
    for name in ("instead of", "for", "price", "look again"):
        if name not in reasons:
            return f"REASONS has no {name!r}"
    for name in ("for", "price"):
        given = reasons[name]
        if not isinstance(given, tuple | list) or len(given) != 3 or given[0] not in (*MEASURES,):
            return f"{name!r} is {given!r:.60}"
    return ""


def another_style(day: Mapping[str, Any]) -> str:
    instead = day["reasons"]["instead of"]
    if instead == day["style"]:
        return f"you chose {instead} instead of {instead}"
    if instead not in (*day["others"],):
        return f"{instead!r:.40} is no style"
    return ""


def led_as_claimed(day: Mapping[str, Any]) -> str:
    return str(day["breach"])


def as_counted(day: Mapping[str, Any]) -> str:
    for name in ("for", "price"):
        measure, own, other = day["reasons"][name]
        counted = counted_of(day, measure)
        if (own, other) == counted[::-1] and own != other:
            return f"{name!r}: the two numbers of {measure} stand the wrong way round"
        if (own, other) != counted:
            return f"{name!r}: {measure} was not {own!r:.20} and {other!r:.20}"
    return ""


def counted_of(day: Mapping[str, Any], measure: str) -> tuple[int, int]:
    return day["own"][measure], day["others"][day["reasons"]["instead of"]][measure]


def speaks_for_it(day: Mapping[str, Any]) -> str:
    measure = day["reasons"]["for"][0]
    own, other = counted_of(day, measure)
    return "" if own < other else f"{measure} is {own} in yours and {other} in the other"


def has_its_price(day: Mapping[str, Any]) -> str:
    measure = day["reasons"]["price"][0]
    own, other = counted_of(day, measure)
    if own > other:
        return ""
    return f"{measure} costs you nothing: it is {own} in yours and {other} in the other"


def names_an_occasion(day: Mapping[str, Any]) -> str:
    again = day["reasons"]["look again"]
    if not isinstance(again, str) or len(again.split()) < 4:
        return f'"look again" is {again!r:.60}'
    if not any(character.isdigit() for character in again):
        return f"nobody can tell when that is: {again!r:.80}"
    return ""


def claiming(festival: str, reasons: str) -> str:
    return f"{festival}\nREASONS = {reasons}\n"


CHOSEN = (
    '{"instead of": "orchestration", "for": ("messages", 15, 32), "price": ("flow", 5, 1), '
    '"look again": "when more than 2 steps are decided in another way in a year"}'
)
CLAIM = Task(
    id="the-claim",
    title="The claim, and its price",
    points=3,
    names=["SERVICES", "STYLE", "REASONS"],
    trials=[
        Trial(
            the_claim,
            [
                Claim("a dict with four entries", well_formed, f"the form: {FORM}"),
                Claim(
                    "another style that you could have chosen",
                    another_style,
                    f"the styles are {', '.join(styles.STYLES)}; one of them is yours",
                ),
                Claim("a festival that keeps to its style", led_as_claimed, "the first task"),
                Claim(
                    "numbers that were counted",
                    as_counted,
                    "`figures(await fine_day(SERVICES))` for yours, and the table for the other's; "
                    "yours stands first",
                ),
                Claim(
                    "a number that speaks for your style",
                    speaks_for_it,
                    "in which of the measures your festival has the smaller number",
                ),
                Claim(
                    "a price that you pay for it",
                    has_its_price,
                    "in which of the measures the other festival has the smaller number",
                ),
                Claim(
                    "an occasion to look at the choice again, with a number in it",
                    names_an_occasion,
                    "what would have to happen, and how often, for the other style to be the "
                    "better one",
                ),
            ],
            seeds=range(1, 2),
        )
    ],
    hints=[
        "What would a colleague say for the other style, and in which number does it show?",
        "Count yours with `figures(await fine_day(SERVICES))` and put it beside the table. In all "
        "measures less is better.",
        'For example `"for": ("flow", 1, 5)` says: what comes next stands in one service of mine, '
        "and in five of the other festival.",
    ],
    wrong=[
        WrongAnswer(
            claiming(CHOREOGRAPHY, '"everybody does it this way"'),
            "and not a dict",
        ),
        WrongAnswer(  # no other was looked at
            claiming(CHOREOGRAPHY, CHOSEN.replace("orchestration", "choreography")),
            "chose choreography instead of choreography",
        ),
        WrongAnswer(  # "choreography is faster"
            claiming(CHOREOGRAPHY, CHOSEN.replace('"messages", 15, 32', '"chain", 1, 5')),
            "chain was not 1 and 5",
        ),
        WrongAnswer(
            claiming(CHOREOGRAPHY, CHOSEN.replace("15, 32", "32, 15")),
            "the wrong way round",
        ),
        WrongAnswer(  # counted rightly, and it speaks for the other one
            claiming(CHOREOGRAPHY, CHOSEN.replace('"messages", 15, 32', '"chain", 5, 2')),
            "chain is 5 in yours and 2 in the other",
        ),
        WrongAnswer(  # a choice without a price
            claiming(CHOREOGRAPHY, CHOSEN.replace('"flow", 5, 1', '"knows", 3, 6')),
            "costs you nothing",
        ),
        WrongAnswer(  # for ever
            claiming(CHOREOGRAPHY, CHOSEN.replace("more than 2", "many")),
            "nobody can tell when that is",
        ),
        WrongAnswer(
            claiming(ORCHESTRATION + '\nSTYLE = "choreography"\n', CHOSEN),
            "Look: the first task",
        ),
    ],
    others=[
        claiming(CHOREOGRAPHY, CHOSEN),
        claiming(
            ORCHESTRATION,
            '{"instead of": "choreography", "for": ["flow", 1, 5], "price": ["messages", 32, 15], '
            '"look again": "when there are 50 orders a second"}',
        ),
        claiming(
            HYBRID,
            '{"instead of": "orchestration", "for": ("knows", 4, 6), "price": ("chain", 4, 2), '
            '"look again": "when the box office and the gate belong to 1 team"}',
        ),
    ],
    why="A style is chosen for a number and paid for with another one; a choice without a price "
    "was not looked at from the other side. And a choice that nobody can revise is a belief.",
)


TASKS = [FESTIVAL, CLAIM]
