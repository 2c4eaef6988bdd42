"""A decision record: what it says, what it can hold as evidence, and that it overwrites nothing."""

import asyncio
import re

import pytest

from labkit import Card, Lab, LabError, side_by_side
from labkit.comparing import compare
from labkit.guide import STYLES, weigh
from labkit.shop import Inventory, OrderOrchestrator, Payment, Shipping

SHOP = {"domains": "nested", "flow": "both", "where": "yes", "load": "peaks", "undo": "several"}
HEADINGS = [
    "## Context and Problem Statement",
    "## Decision Drivers",
    "## Considered Options",
    "## Decision Outcome",
    "### Consequences",
    "## More Information",
    "### When to look again",
    "### Evidence",
]


def one_order() -> Lab:
    async def run() -> Lab:
        async with Lab(OrderOrchestrator, Payment, Inventory, Shipping, simulate=1) as lab:
            await lab.call(OrderOrchestrator.place_order, order_id="o-1", amount=30)
            await lab.quiet()
        return lab

    return asyncio.run(run())


def section(text: str, heading: str) -> str:
    after = text.split(f"{heading}\n", 1)[1]
    return re.split(r"^##+ ", after, maxsplit=1, flags=re.MULTILINE)[0]


def test_a_record_has_the_headings_of_madr_in_their_order():
    text = weigh(SHOP).record("How orders flow").markdown
    assert text.startswith('---\nstatus: "proposed"\n---\n\n# How orders flow\n')
    assert [line for line in text.splitlines() if line.startswith("##")] == HEADINGS


def test_the_forces_stand_in_it_as_numbers_that_add_up():
    advice = weigh(SHOP, weights={"load": 2})
    rows = [
        [cell.strip(" *") for cell in line.strip("|").split("|")]
        for line in section(advice.record().markdown, "## Decision Drivers").splitlines()
        if line.startswith("|")
    ][2:]
    for at, style in enumerate(STYLES, 3):
        *pulls, total = (float(row[at]) for row in rows)
        assert sum(pulls) == total == advice.totals[style]


def test_the_decision_is_where_the_answers_pull_until_you_say_otherwise():
    record = weigh(SHOP).record()
    assert record.chosen == weigh(SHOP).leads[0]
    other = next(style for style in STYLES if style != record.chosen)
    against = weigh(SHOP).record(decision=other, because="we have nobody to run two of them")
    outcome = section(against.markdown, "## Decision Outcome")
    assert f'"{other}", because we have nobody to run two of them' in outcome
    assert "against the sum of the answers" in outcome
    assert "against the sum" not in record.markdown


def test_a_tie_is_decided_by_you_or_not_at_all():
    advice = weigh({"where": "yes", "load": "peaks"})
    assert advice.record().chosen is None
    assert "none yet. The answers tie" in advice.record().markdown
    assert advice.record(decision="choreography").chosen == "choreography"


@pytest.mark.parametrize("style", STYLES)
def test_every_decision_has_its_price(style):
    answers = {"where": "yes", "load": "peaks", "domains": "one", "flow": "both"}
    consequences = section(weigh(answers).record(decision=style).markdown, "### Consequences")
    assert "* Bad, because" in consequences
    for line in consequences.splitlines():
        if line.startswith("* Bad"):
            assert re.search(r"\(\d+ against -?\d+\)", line)


def test_it_says_when_to_look_again_and_then_the_answers_do_turn():
    advice = weigh(SHOP)
    again = section(advice.record(look_again=["in May"]).markdown, "### When to look again")
    assert advice.turns()
    assert again.count("* when ") == len(advice.turns())
    for question, answer, _ in advice.turns():
        assert f"when {question.name} becomes *{question.replies[answer].words}*" in again
    assert "* in May" in again


EVIDENCE = {
    "a lab": (lambda: one_order(), "| confirmed | 1 |"),
    "its card": (lambda: one_order().card(), "| longest chain | 2 |"),
    "its trace": (lambda: one_order().trace, "| who spoke | 5 |"),
    "cards": (
        lambda: side_by_side(a=one_order().card(), b=Card(9, 8, 1, 0, 0, 0, 70, 2)),
        "|  | a | b |",
    ),
    "numbers": (lambda: {"orders a day": 12_500, "teams": 3}, "| orders a day | 12,500 |"),
    "columns": (lambda: {"us": {"teams": 3}, "them": {"teams": None}}, "| teams | 3 | never |"),
    "one number": (lambda: 0.25, "| measured | 0.25 |"),
}


@pytest.mark.parametrize(("made", "line"), EVIDENCE.values(), ids=EVIDENCE)
def test_what_was_measured_stands_in_it(made, line):
    text = weigh(SHOP).record(evidence={"what I saw": made()}).markdown
    found = section(text, "### Evidence")
    assert "**what I saw**" in found
    assert line in found


def test_a_comparison_is_evidence_with_a_column_for_each_style():
    found = asyncio.run(compare(orders=5))
    text = weigh(SHOP).record(evidence={"a good day": found}).markdown
    assert "|  | orchestrated | choreographed |" in text
    assert "| confirmed | 5 | 5 |" in text


def test_a_decision_without_evidence_says_so():
    assert "nothing was measured for this decision" in weigh(SHOP).record().markdown


def test_text_from_outside_breaks_neither_a_table_nor_the_front_matter():
    record = weigh(SHOP).record(
        "One\n# two", status='said "yes"\n---', evidence={"a|b\n## c": {"x|y\nz": "1|2"}}
    )
    lines = record.markdown.splitlines()
    assert lines[1] == 'status: "said \\"yes\\" ---"'
    assert "# One # two" in lines
    assert "| x\\|y z | 1\\|2 |" in lines
    assert [line for line in lines if line.startswith("##")] == HEADINGS


def test_saving_overwrites_nothing_silently(tmp_path):
    path = tmp_path / "adr-001.md"
    record = weigh(SHOP).record()
    assert record.save(path) == path
    assert path.read_bytes() == record.markdown.encode()
    record.save(path)  # the same once more is no loss
    other = weigh(SHOP).record("Another one")
    with pytest.raises(LabError, match=r"(?s)adr-001\.md is there already.*take the next number"):
        other.save(path)
    assert path.read_text(encoding="utf-8") == record.markdown
    other.save(str(path), overwrite=True)
    assert path.read_text(encoding="utf-8") == other.markdown


def test_saving_where_one_can_not_is_told(tmp_path):
    record = weigh(SHOP).record()
    with pytest.raises(LabError, match="There is no folder"):
        record.save(tmp_path / "decisions" / "adr-001.md")
    with pytest.raises(LabError, match="is a folder"):
        record.save(tmp_path)


BAD = [
    ({"decision": "orchestrated"}, "did you mean orchestration?"),
    ({"decision": 3}, "no style 3"),
    ({"consequences": "Good"}, "should be a list"),
    ({"look_again": "in May"}, "should be a list"),
    ({"evidence": one_order}, "should be a dict"),
    ({"evidence": {"a run": object()}}, "'a run' is no evidence that can be read: object"),
    ({"evidence": {"a run": [1, 2]}}, "no evidence that can be read: list"),
]


@pytest.mark.parametrize(("parts", "told"), BAD)
def test_what_can_not_stand_in_a_record_is_told(parts, told):
    with pytest.raises(LabError, match=re.escape(told)):
        weigh(SHOP).record(**parts)


def test_a_notebook_shows_it_as_markdown_without_the_front_matter():
    bundle = weigh(SHOP).record()._repr_mimebundle_()
    assert bundle["text/markdown"].startswith("# Who directs our services")
    assert bundle["text/plain"].startswith("---")
