"""The festival: three styles that hold on bad days, and rules that notice who leaves a style."""

import asyncio
from pathlib import Path

import pytest

from labkit import LabError, invariants
from labkit.occurrences import Facts
from labkit.shop import festival as world
from labkit.steps import IS_BACK
from labkit.teaching.exercises.the_festival import ALWAYS, FESTIVAL, SCHEDULES, TASKS
from labkit.teaching.festival import choreography, hybrid, orchestration, styles
from labkit.teaching.festival.days import bad_day, claimed, classes, fine_day
from labkit.teaching.festival.figures import figures, figures_of_the_styles
from labkit.teaching.judge import judge
from labkit.teaching.record import data, value
from labkit.trace import key_of

ROOT = Path(__file__).parent.parent.parent
BRIEF = (ROOT / "course" / "15-the-festival.md").read_text(encoding="utf-8")
EXERCISE = (ROOT / "course" / "exercises" / "15-the-festival.md").read_text(encoding="utf-8")
FESTIVALS = (orchestration, choreography, hybrid)
LIMIT_SECONDS = 120.0  # of real time, on a machine that has other work as well
OTHER_SEEDS = range(50, 100)  # none of those that the check has
every_festival = pytest.mark.parametrize("festival", FESTIVALS, ids=lambda each: each.STYLE)


def run(day):
    return asyncio.run(day)


def claim_of(festival):
    return claimed(festival.STYLE, getattr(festival, "DOMAINS", None))


def broken(claims, lab):
    """The claims that do not hold of a run, each with what was found."""
    found = [(claim.expected, claim.holds(lab)) for claim in claims]
    return [(words, str(why)) for words, why in found if (why if isinstance(why, str) else not why)]


@every_festival
def test_a_festival_holds_on_days_that_the_check_does_not_have(festival):
    seven = invariants(stock=world.SEATS, within_seconds=120.0)
    struck, confirmed, refunded = set(), 0, 0
    for seed in OTHER_SEEDS:
        lab = run(bad_day(festival.SERVICES, seed, claim_of(festival)))
        facts = Facts(lab)
        assert [verdict for each in seven if not (verdict := each.judge(facts))] == [], seed
        assert broken(ALWAYS, lab) == [], seed
        struck |= {moment.note for moment in lab.trace if moment.what == "struck"}
        confirmed += len({key_of(message) for message in lab.trace.sent(world.OrderConfirmed)})
        refunded += len(lab.ledger.keys("refunded"))
    # The days were bad, and the festival took place.
    assert {IS_BACK, "delivered twice", "overtaken"} <= struck
    assert confirmed > len(OTHER_SEEDS)
    assert refunded > len(OTHER_SEEDS) / 4


def test_the_check_has_fifty_schedules_and_no_two_are_alike():
    assert [list(t.seeds) for t in FESTIVAL.trials if t.seeds == SCHEDULES] == [list(range(50))]
    texts = [run(bad_day(choreography.SERVICES, seed)).trace.text() for seed in SCHEDULES]
    assert len(set(texts)) == len(texts)


@every_festival
def test_a_day_is_the_same_day_again_under_its_seed(festival):
    first, again = (run(bad_day(festival.SERVICES, 7)) for _ in range(2))
    assert first.trace.text() == again.trace.text()


@every_festival
def test_a_festival_keeps_to_its_own_style_and_to_no_other(festival):
    lab = run(fine_day(festival.SERVICES))
    domains = claim_of(festival).domains or {"all": ["Seats"]}
    kept = [
        style
        for style in styles.STYLES
        if not styles.breach(lab.trace, style, domains) + styles.lack(lab.trace, style, domains)
    ]
    assert kept == [festival.STYLE]


def test_a_day_on_which_nothing_comes_to_the_gate_is_no_breach_of_a_hybrid():
    lab = run(fine_day([hybrid.BoxOffice, hybrid.Seats, hybrid.Payment]))
    domains = {"box office": ["BoxOffice", "Seats", "Payment"]}
    assert styles.breach(lab.trace, "hybrid", domains) == ""
    assert "no event crosses a border" in styles.lack(lab.trace, "hybrid", domains)


@pytest.mark.parametrize("festival", [orchestration, hybrid], ids=lambda each: each.STYLE)
def test_a_festival_holds_also_if_it_takes_each_silence_for_a_failure(festival):
    source = Path(festival.__file__).read_text(encoding="utf-8")
    names = {}
    exec(source.replace("Saga(self, order_id)", "Saga(self, order_id, tries=1)"), names)
    outcome = judge(FESTIVAL, names, limit_seconds=LIMIT_SECONDS)
    assert outcome.passed, str(outcome)


@every_festival
def test_what_comes_out_of_another_process_is_judged_the_same(festival):
    claims = FESTIVAL.trials[0].claims
    lab = run(fine_day(festival.SERVICES, claim=claim_of(festival)))
    assert broken(claims, value(data(lab))) == broken(claims, lab) == []


def test_a_mistake_that_comes_out_of_another_process_is_still_one():
    for mistake in FESTIVAL.wrong:
        names = {}
        exec(mistake.code, names)  # a festival is code, and this is what running it means
        outcome = judge(FESTIVAL, names, limit_seconds=LIMIT_SECONDS)
        claims, record = outcome.trial.claims, value(data(outcome.run))
        assert broken(claims, record) == broken(claims, outcome.run) != []


@pytest.mark.parametrize("task", TASKS, ids=lambda task: task.id)
def test_no_two_mistakes_get_the_same_words(task):
    outcomes = []
    for mistake in task.wrong:
        names = {}
        exec(mistake.code, names)
        outcomes.append(str(judge(task, names, limit_seconds=LIMIT_SECONDS)))
    assert len(outcomes) >= (10 if task is FESTIVAL else 3)
    for at, mistake in enumerate(task.wrong):
        assert [n for n, words in enumerate(outcomes) if mistake.message in words] == [at]


def test_the_figures_tell_the_styles_apart():
    counted = run(figures_of_the_styles())
    assert set(counted) == set(styles.STYLES)
    flow = {style: each["flow"] for style, each in counted.items()}
    assert flow["orchestration"] == 1 < flow["hybrid"] < flow["choreography"]
    assert figures(run(fine_day(hybrid.SERVICES))) == counted["hybrid"]


@pytest.mark.parametrize(
    ("services", "words"),
    [
        ([], r"SERVICES holds \[\]"),
        (world.Visitors, "Write a list of the classes"),
        ([world.Visitors()], "the classes themselves"),
        ("Seats", "SERVICES holds 'Seats'"),
    ],
)
def test_services_that_are_no_list_of_classes_are_named(services, words):
    with pytest.raises(LabError, match=words):
        classes(services)


@pytest.mark.parametrize(
    ("style", "domains", "words"),
    [
        (["choreography"], None, "STYLE is .*Write a word"),
        ("hybrid", ["sales"], "Domains name their services"),
        ("hybrid", {"sales": "Seats"}, "needs a list of services"),
        ("hybrid", {"a": [hybrid.Seats], "b": [hybrid.Seats]}, "stands in two domains"),
        ("hybrid", {"a": [3]}, "is no service"),
    ],
)
def test_a_claim_that_can_not_be_said_is_told_why(style, domains, words):
    with pytest.raises(LabError, match=words):
        claimed(style, domains)


def test_a_mistyped_domain_is_found_when_the_style_is_judged():
    lab = run(fine_day(hybrid.SERVICES))
    domains = {"box office": ["BoxOffice", "Seat", "Payment"], "gate": ["SoundCheck", "Badges"]}
    assert "did you mean Seat" in styles.breach(lab.trace, "hybrid", domains)


def test_the_brief_says_what_the_contracts_say():
    events = [e for e in vars(world).values() if isinstance(e, type) and issubclass(e, world.Event)]
    told = [e for e in events if e is not world.Event]
    assert len(told) > 10
    for event in told:
        assert f"`{event.__name__}({', '.join(takes(event))})`" in BRIEF
    for name, arguments in world.COMMANDS.items():
        assert f"`{name.partition('.')[2]}({', '.join(arguments)})`" in BRIEF
    for effect, owner in world.OWNERS.items():
        assert any(f"`{effect}`" in line and f"`{owner}`" in line for line in BRIEF.splitlines())


def takes(event):
    return [name for name, field in event.model_fields.items() if field.is_required()]


def test_the_solution_in_the_text_is_the_festival_that_is_tested_here():
    source = Path(hybrid.__file__).read_text(encoding="utf-8")
    assert source[source.index("class Seats") :].strip() in EXERCISE
