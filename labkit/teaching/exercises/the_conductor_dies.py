"""Exercise 08: a journal, what it takes up by itself, the twin, the same way, and version 2."""

from __future__ import annotations

import inspect
import random
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from labkit.durable.journal import Journal
from labkit.durable.rehearsal import POINTS, Killed, Shop
from labkit.system.errors import LabError, Refused
from labkit.system.ledger import Entry, Ledger
from labkit.teaching.task import Answers, Claim, Task, Trial, WrongAnswer

ONE = range(1)  # a day in which nothing is left to chance
SOLD = {"charged": 1, "reserved": 1, "shipped": 1}


def folder() -> TemporaryDirectory[str]:
    # A file that a dead conductor holds can't be removed on Windows.
    return TemporaryDirectory(ignore_cleanup_errors=True)


def file_in(place: str) -> Path:
    return Path(place) / "journal.db"


def journal_in(place: str) -> Journal:
    journal = Journal(file_in(place))
    # Whoever is killed here leaves the system alive, which has what was written.
    journal.rows("PRAGMA synchronous = OFF")
    return journal


async def awaited(said: Any, what: str) -> Any:
    if not inspect.isawaitable(said):
        raise LabError(f"{what} must be `async def`, so that a workflow can await it.")
    return await said


async def lived(engine: Any, workflow: Any, id: str, **given: Any) -> Any:
    """What a run answers in one life of the conductor; "killed" where he dies in it."""
    try:
        return await awaited(engine.run(workflow, id, **given), "`run`")
    except Killed:
        return "killed"


async def step(run: Any, name: str, do: Any) -> Any:
    if not hasattr(run, "step"):
        raise LabError(f"What your journal gives to the workflow has no `step`: {run!r:.60}.")
    return await awaited(run.step(name, do), "`step`")


def sale(shop: Shop, *, keyed: bool = True) -> Any:
    """The workflow of the lesson; without keys the world does each thing as often as asked."""

    def by(act: Any, order_id: str) -> Callable[[str], Any]:
        return lambda key: act(order_id, str(key) if keyed else "")

    async def place_order(run: Any, order_id: str) -> str:
        await step(run, "charge", by(shop.charge, order_id))
        shop.reach("between charge and reserve")
        await step(run, "reserve", by(shop.reserve, order_id))
        shop.reach("between reserve and ship")
        try:
            await step(run, "ship", by(shop.ship, order_id))
        except Refused:
            await step(run, "release", by(shop.release, order_id))
            shop.reach("between release and refund")
            await step(run, "refund", by(shop.refund, order_id))
            return "rejected"
        return "confirmed"

    return place_order


def counted(ledger: Any, order_id: str = "o-1") -> dict[str, int]:
    return dict(Counter(entry.effect for entry in ledger if entry.key == order_id))


def in_words(effects: dict[str, int]) -> str:
    told = [name if n == 1 else f"{name} {n} times" for name, n in effects.items()]
    return ", ".join(told) or "nothing at all"


# write-the-journal


async def sweep(answers: Answers, *, keyed: bool) -> dict[str, dict[str, int]]:
    """What an order of two lives has done, by the point at which the first one ended."""
    found = {}
    for point in POINTS:
        with folder() as place:
            shop = Shop(dies_at=point)
            for _ in range(2):
                await lived(
                    answers.Journal(file_in(place)), sale(shop, keyed=keyed), "o-1", order_id="o-1"
                )
            found[point] = counted(shop.ledger)
    return found


async def deaths_without_keys(answers: Answers, _: int) -> dict[str, dict[str, int]]:
    return await sweep(answers, keyed=False)


async def deaths_with_keys(answers: Answers, _: int) -> dict[str, dict[str, int]]:
    return await sweep(answers, keyed=True)


async def a_van_comes(answers: Answers, _: int) -> dict[str, int]:
    with folder() as place:
        shop = Shop(dies_at="between release and refund", vans=0)
        await lived(answers.Journal(file_in(place)), sale(shop), "o-1", order_id="o-1")
        shop.vans = 5
        await lived(answers.Journal(file_in(place)), sale(shop), "o-1", order_id="o-1")
        return counted(shop.ledger)


async def three_orders(answers: Answers, _: int) -> list[dict[str, int]]:
    with folder() as place:
        shop, orders = Shop(), ("o-1", "o-2", "o-3")
        journal = answers.Journal(file_in(place))
        for order_id in orders:
            await lived(journal, sale(shop), order_id, order_id=order_id)
        return [counted(shop.ledger, order_id) for order_id in orders]


def at_most_the_last(found: dict[str, dict[str, int]]) -> str:
    """Only what was done and not yet written may be done again."""
    gap = {"after charge": "charged", "after reserve": "reserved"}
    for point, effects in found.items():
        for effect, times in effects.items():
            if times > 1 and effect != gap.get(point):
                return f"he dies {point}, and after that: {in_words(effects)}"
    return ""


def all_ends(found: dict[str, dict[str, int]]) -> str:
    for point, effects in found.items():
        if set(effects) != set(SOLD):
            return f"he dies {point}, and after that: {in_words(effects)}"
    return ""


def each_once(found: dict[str, dict[str, int]]) -> str:
    for point, effects in found.items():
        if effects != SOLD:
            return f"he dies {point}, and after that: {in_words(effects)}"
    return ""


def no_means_no(effects: dict[str, int]) -> str:
    wanted = {"charged": 1, "reserved": 1, "released": 1, "refunded": 1}
    return "" if effects == wanted else f"in the end: {in_words(effects)}"


def each_sold(found: list[dict[str, int]]) -> str:
    for number, effects in enumerate(found, 1):
        if effects != SOLD:
            return f"o-{number}: {in_words(effects)}"
    return ""


HEAD = """
import json
import sqlite3

def opened(path):
    file = sqlite3.connect(path, isolation_level=None)
    file.execute("PRAGMA synchronous = OFF")
    return file
"""
JOURNAL_HEAD = (
    HEAD
    + """
class Journal:
    def __init__(self, path):
        self.file = opened(path)
        self.file.execute("CREATE TABLE IF NOT EXISTS steps (key TEXT PRIMARY KEY, outcome TEXT)")

    async def run(self, workflow, id, **given):
        return await workflow(Run(self.file, id), **given)

class Run:
    def __init__(self, file, id):
        self.file, self.id, self.number = file, id, 0

    def read(self, key):
        row = self.file.execute("SELECT outcome FROM steps WHERE key = ?", (key,)).fetchone()
        return json.loads(row[0]) if row else None

    def write(self, key, outcome):
        row = key, json.dumps(outcome)
        self.file.execute("INSERT OR REPLACE INTO steps VALUES (?, ?)", row)
"""
)

WRITE_THE_JOURNAL = Task(
    id="write-the-journal",
    title="A journal that keeps what was answered",
    points=3,
    names=["Journal"],
    trials=[
        Trial(
            deaths_without_keys,
            [
                Claim(
                    "whatever point he dies at, the next conductor brings the order to its end",
                    all_ends,
                    "when the answer is written: what is written before it was done counts as "
                    "done, and never happens",
                ),
                Claim(
                    "what was written down is not done again, by the next conductor either",
                    at_most_the_last,
                    "where the answers are kept: the second life has a new Journal on the same "
                    "file, and nothing else",
                ),
            ],
            seeds=ONE,
        ),
        Trial(
            deaths_with_keys,
            [
                Claim(
                    "with the keys that your journal gives, nothing at all is done twice",
                    each_once,
                    "the key that `do` is given: it must be the same in both lives, and "
                    "another one for each step",
                )
            ],
            seeds=ONE,
        ),
        Trial(
            three_orders,
            [
                Claim(
                    "each of three orders in one journal is charged, reserved and shipped",
                    each_sold,
                    "how a step is found again: step 1 of o-2 is not step 1 of o-1",
                )
            ],
            seeds=ONE,
        ),
        Trial(
            a_van_comes,
            [
                Claim(
                    "a no stays a no: the order that was being walked back is walked back",
                    no_means_no,
                    "what is written down when `do` raises Refused; replayed, the step must "
                    "raise it again, and not ask",
                )
            ],
            seeds=ONE,
        ),
    ],
    hints=[
        "What does the next conductor know when he opens the file: what was begun, or what was "
        "answered?",
        "The lesson's Journal has it but for the no. Put the step's `do` into a `try`, and write "
        "down either what it answered or what it raised.",
        "`except Refused as no: outcome = {'no': str(no)}`, then write the outcome; and whether "
        "it was read or new: `if 'no' in outcome: raise Refused(outcome['no'])`.",
    ],
    wrong=[
        WrongAnswer(  # noted before it is done: the effect is lost
            JOURNAL_HEAD
            + """
    async def step(self, name, do):
        self.number += 1
        key = f"{self.id}:{self.number}"
        if self.read(key) is None:
            self.write(key, {"answer": "begun"})
            await do(key)
        return "done"
""",
            "counts as done, and never happens",
        ),
        WrongAnswer(  # in memory
            """
class Journal:
    def __init__(self, path):
        self.answers = {}

    async def run(self, workflow, id, **given):
        return await workflow(Run(self.answers, id), **given)

class Run:
    def __init__(self, answers, id):
        self.answers, self.id, self.number = answers, id, 0

    async def step(self, name, do):
        self.number += 1
        key = f"{self.id}:{self.number}"
        if key not in self.answers:
            self.answers[key] = await do(key)
        return self.answers[key]
""",
            "a new Journal on the same file",
        ),
        WrongAnswer(  # a key that is another one each time
            JOURNAL_HEAD
            + """
    async def step(self, name, do):
        import uuid
        self.number += 1
        key = f"{self.id}:{self.number}"
        if self.read(key) is None:
            self.write(key, await do(str(uuid.uuid4())))
        return self.read(key)
""",
            "the same in both lives",
        ),
        WrongAnswer(  # found again by its name alone
            JOURNAL_HEAD
            + """
    async def step(self, name, do):
        if self.read(name) is None:
            self.write(name, await do(f"{self.id}:{name}"))
        return self.read(name)
""",
            "step 1 of o-2 is not step 1 of o-1",
        ),
        WrongAnswer(  # the lesson's own: asks again what was refused
            JOURNAL_HEAD
            + """
    async def step(self, name, do):
        self.number += 1
        key = f"{self.id}:{self.number}"
        if self.read(key) is None:
            self.write(key, await do(key))
        return self.read(key)
""",
            "raise it again, and not ask",
        ),
    ],
    others=[
        JOURNAL_HEAD
        + """
    async def step(self, name, do):
        self.number += 1
        key = f"{self.id} {self.number} {name}"
        outcome = self.read(key)
        if outcome is None:
            try:
                outcome = {"answer": await do(key)}
            except Exception as error:
                outcome = {"no": str(error)}
            self.write(key, outcome)
        if "no" in outcome:
            raise Refused(outcome["no"])
        return outcome["answer"]
""",
        """
import json
import pathlib

class Journal:  # a file of lines does as well
    def __init__(self, path):
        self.path = pathlib.Path(path)
        lines = self.path.read_text().splitlines() if self.path.exists() else []
        self.known = dict(json.loads(line) for line in lines)

    async def run(self, workflow, id, **given):
        return await workflow(Run(self, id), **given)

class Run:
    def __init__(self, journal, id):
        self.journal, self.id, self.number = journal, id, 0

    async def step(self, name, do):
        self.number += 1
        key = f"{self.id}:{self.number}"
        if key not in self.journal.known:
            try:
                self.journal.known[key] = [True, await do(key)]
            except Refused as no:
                self.journal.known[key] = [False, str(no)]
            with self.journal.path.open("a") as file:
                file.write(json.dumps([key, self.journal.known[key]]) + "\\n")
        well, said = self.journal.known[key]
        if not well:
            raise Refused(said)
        return said
""",
    ],
    why="The journal keeps answers, and a no is one. It is written after the step, so a step may "
    "be done twice and never not at all; the key, which comes from the run and the number of the "
    "step, makes the second time harmless. That is the whole of durable execution.",
)


# go-on-by-itself


async def left_behind(answers: Answers, _: int) -> dict[str, Any]:
    """Four orders of which nobody asks again: one ends, two die, one is refused in the end."""
    shop, prices = Shop(vans=3), Ledger()

    async def place_order(run: Any, order_id: str, amount: int) -> str:
        await step(run, "charge", lambda key: shop.charge(order_id, key))
        prices.write(Entry("Payment", "asked", order_id, amount, once=order_id))
        shop.reach("between charge and reserve")
        await step(run, "reserve", lambda key: shop.reserve(order_id, key))
        shop.reach("between reserve and ship")
        if order_id == "o-2":
            raise Refused("the customs said no")
        await step(run, "ship", lambda key: shop.ship(order_id, key))
        return f"parcel {order_id}"

    with folder() as place:
        for number, point in enumerate(("", POINTS[2], POINTS[1], POINTS[4]), 1):
            shop.dies_at = point
            conductor = answers.Recovering(file_in(place))
            given = {"order_id": f"o-{number}", "amount": 100 * number}
            await lived(conductor, place_order, f"o-{number}", **given)
        last = answers.Recovering(file_in(place))
        try:
            first = await awaited(last.recover(place_order), "`recover`")
        except Refused:
            first = "raised"
        try:
            again = await awaited(
                answers.Recovering(file_in(place)).recover(place_order), "`recover`"
            )
        except Refused:
            again = {}
    orders = {f"o-{n}": counted(shop.ledger, f"o-{n}") for n in range(1, 5)}
    amounts = {entry.key: entry.amount for entry in prices}
    return {"orders": orders, "amounts": amounts, "first": first, "again": again}


def taken_up(found: dict[str, Any]) -> str:
    for order_id in ("o-3", "o-4"):
        if found["orders"][order_id] != SOLD:
            return f"{order_id}: {in_words(found['orders'][order_id])}"
    return ""


def why_not_taken_up(found: dict[str, Any]) -> str:
    if found["first"] == "raised":
        return "o-2, whose workflow raises Refused: it must not keep those behind it from going on"
    return (
        "when a run is noted in the file: before its first step, or nobody knows of it when its "
        "conductor dies"
    )


def with_what_was_given(found: dict[str, Any]) -> str:
    wrong = {id: amount for id, amount in found["amounts"].items() if amount != 100 * int(id[-1])}
    return "".join(f"{id} was begun over {100 * int(id[-1])} cents, and went on over {amount}"
                   for id, amount in list(wrong.items())[:1])  # fmt: skip


def only_what_is_open(found: dict[str, Any]) -> str:
    first, again = found["first"], found["again"]
    if not isinstance(first, dict):
        return f"`recover` answered {first!r:.60}, and a dict was wanted: order, answer"
    told = {id: first.get(id) for id in ("o-3", "o-4")}
    if told != {"o-3": "parcel o-3", "o-4": "parcel o-4"}:
        return f"of o-3 and o-4 `recover` told {told}"
    if "o-1" in first:
        return "o-1 had ended in its first life, and was played again"
    more = sorted(set(again or ()) & {"o-1", "o-3", "o-4"})
    return f"{more[0]} was ended by the first `recover`, and a second one played it" if more else ""


PAGES = (
    HEAD
    + """
class Pages:
    def __init__(self, path):
        self.file = opened(path)
        self.file.execute("CREATE TABLE IF NOT EXISTS steps (key TEXT PRIMARY KEY, answer TEXT)")

    async def answer(self, key, do):
        for (answer,) in self.file.execute("SELECT answer FROM steps WHERE key = ?", (key,)):
            return json.loads(answer)
        answer = await do(key)
        row = key, json.dumps(answer)
        self.file.execute("INSERT OR IGNORE INTO steps VALUES (?, ?)", row)
        return answer

    async def run(self, workflow, id, **given):
        return await workflow(Run(self, id), **given)

class Run:
    def __init__(self, pages, id):
        self.pages, self.id, self.number = pages, id, 0

    async def step(self, name, do):
        self.number += 1
        return await self.pages.answer(f"{self.id}:{self.number}", do)
"""
)
RUNS = '"CREATE TABLE IF NOT EXISTS runs (id TEXT PRIMARY KEY, given TEXT, ended INTEGER)"'
RECOVERING = (
    PAGES
    + f"""
class Recovering(Pages):
    def __init__(self, path):
        super().__init__(path)
        self.file.execute({RUNS})
"""
)
NOTED = """
    async def run(self, workflow, id, **given):
        row = id, json.dumps(given)
        self.file.execute("INSERT OR IGNORE INTO runs VALUES (?, ?, 0)", row)
        return await self.play(workflow, id, given)
"""
PLAYED = """
    async def play(self, workflow, id, given):
        answer = await super().run(workflow, id, **given)
        self.file.execute("UPDATE runs SET ended = 1 WHERE id = ?", (id,))
        return answer
"""
OPEN_ROWS = '"SELECT id, given FROM runs WHERE ended = 0"'

GO_ON_BY_ITSELF = Task(
    id="go-on-by-itself",
    title="Orders after which nobody asks",
    points=2,
    names=["Recovering"],
    trials=[
        Trial(
            left_behind,
            [
                Claim(
                    "o-3 and o-4, whose conductors died, are shipped after `recover`",
                    taken_up,
                    why_not_taken_up,
                ),
                Claim(
                    "a run goes on with what it was given when it began",
                    with_what_was_given,
                    "what of `given` stands in the file",
                ),
                Claim(
                    "`recover` plays what has not ended, and tells what became of it",
                    only_what_is_open,
                    "what is written when a run has ended",
                ),
            ],
            seeds=ONE,
        )
    ],
    hints=[
        "Which orders are open? In which table could the next conductor read that?",
        "Note the run with what it was given before you play it, mark it when it has ended, and "
        "let `recover` play all that have no mark.",
        '`for id, given in self.file.execute("SELECT …").fetchall():` and inside it `try: '
        "ends[id] = await self.run(workflow, id, **json.loads(given))` with `except Refused`.",
    ],
    wrong=[
        WrongAnswer(  # noted when it is too late
            RECOVERING
            + """
    async def run(self, workflow, id, **given):
        answer = await super().run(workflow, id, **given)
        self.file.execute("INSERT OR REPLACE INTO runs VALUES (?, ?, 0)", (id, json.dumps(given)))
        return answer

    async def recover(self, workflow):
        ends = {}
        for id, given in self.file.execute("SELECT id, given FROM runs").fetchall():
            ends[id] = await self.run(workflow, id, **json.loads(given))
        return ends
""",
            "before its first step",
        ),
        WrongAnswer(  # the first error ends it
            RECOVERING
            + NOTED
            + PLAYED
            + f"""
    async def recover(self, workflow):
        rows = self.file.execute({OPEN_ROWS}).fetchall()
        return {{id: await self.play(workflow, id, json.loads(given)) for id, given in rows}}
""",
            "keep those behind it",
        ),
        WrongAnswer(  # what it was given is made up anew
            RECOVERING
            + """
    async def run(self, workflow, id, **given):
        self.file.execute("INSERT OR IGNORE INTO runs VALUES (?, '', 0)", (id,))
        answer = await super().run(workflow, id, **given)
        self.file.execute("UPDATE runs SET ended = 1 WHERE id = ?", (id,))
        return answer

    async def recover(self, workflow):
        ends = {}
        for (id,) in self.file.execute("SELECT id FROM runs WHERE ended = 0").fetchall():
            try:
                ends[id] = await self.run(workflow, id, order_id=id, amount=0)
            except Refused:
                pass
        return ends
""",
            "what of `given` stands in the file",
        ),
        WrongAnswer(  # never marks an end
            RECOVERING
            + NOTED
            + f"""
    async def play(self, workflow, id, given):
        return await super().run(workflow, id, **given)

    async def recover(self, workflow):
        ends = {{}}
        for id, given in self.file.execute({OPEN_ROWS}).fetchall():
            try:
                ends[id] = await self.play(workflow, id, json.loads(given))
            except Refused:
                pass
        return ends
""",
            "what is written when a run has ended",
        ),
    ],
    others=[
        RECOVERING
        + NOTED
        + PLAYED
        + f"""
    async def recover(self, workflow):
        ends = {{}}
        for id, given in self.file.execute({OPEN_ROWS}).fetchall():
            try:
                ends[id] = await self.play(workflow, id, json.loads(given))
            except Refused as no:
                ends[id] = f"refused: {{no}}"
        return ends
""",
        PAGES
        + """
class Recovering(Pages):  # one table is enough: the first and the last page of a run
    async def run(self, workflow, id, **given):
        async def begin(key):
            return given

        async def play(key):
            return await workflow(Run(self, id), **given)

        given = await self.answer(f"{id} begins", begin)
        return await self.answer(f"{id} ends", play)

    async def recover(self, workflow):
        keys = {key for (key,) in self.file.execute("SELECT key FROM steps")}
        begun = sorted(key.split()[0] for key in keys if key.endswith(" begins"))
        open_runs = [id for id in begun if f"{id} ends" not in keys]
        ends = {}
        for id in open_runs:
            try:
                ends[id] = await self.run(workflow, id)
            except Refused:
                continue
        return ends
""",
    ],
    why="A journal that knows only steps waits for somebody who asks again. One that notes each "
    "run, with what it was given, before its first step, needs nobody: whoever comes next reads "
    "what is open. And one order that can't go on must not hold up the others.",
)


# survive-the-twin


async def a_twin_comes(answers: Answers, _: int) -> dict[str, Any]:
    """The elder has done one step when the younger begins; then both go on, in turns."""
    shop, told = Shop(), []

    async def conducted(engine: Any, who: str, until: str) -> str:
        async def place_order(run: Any, order_id: str) -> str:
            for act in (shop.charge, shop.reserve, shop.ship):
                if act.__name__ == until:
                    raise Killed  # not dead: it has only not come further yet
                await step(run, act.__name__, lambda key, act=act: act(order_id))
            return "confirmed"

        try:
            return str(await lived(engine, place_order, "o-1", order_id="o-1"))
        except Exception as error:
            told.append(f"{who}: {error}")
            return "stopped"

    with folder() as place:
        elder = answers.Fenced(file_in(place))
        await conducted(elder, "elder", "reserve")
        younger = answers.Fenced(file_in(place))
        ends = [await conducted(younger, "younger", "reserve")]
        ends = [await conducted(elder, "elder", ""), await conducted(younger, "younger", "")]
        third = await conducted(answers.Fenced(file_in(place)), "third", "")
    return {
        "elder": ends[0],
        "younger": ends[1],
        "third": third,
        "effects": counted(shop.ledger),
        "by": told,
    }


async def a_twin_in_mid_step(answers: Answers, _: int) -> dict[str, Any]:
    """The younger begins while the elder is at the bank; the elder's answer comes too late."""
    shop = Shop()
    with folder() as place:
        elder, others = answers.Fenced(file_in(place)), []

        async def charge(key: str) -> str:
            others.append(answers.Fenced(file_in(place)))
            return await shop.charge("o-1", key)

        async def place_order(run: Any, order_id: str) -> str:
            await step(run, "charge", charge if not others else lambda key: shop.charge("o-1", key))
            await step(run, "reserve", lambda key: shop.reserve("o-1"))
            return "confirmed"

        try:
            end = await lived(elder, place_order, "o-1", order_id="o-1")
        except Exception:
            end = "stopped"
        after = counted(shop.ledger)
        younger = await lived(others[0], place_order, "o-1", order_id="o-1")
    return {"elder": end, "after": after, "younger": younger, "effects": counted(shop.ledger)}


def younger_ends_it(found: dict[str, Any]) -> str:
    if found["younger"] != "confirmed":
        return f"the younger one {found['younger']}"
    return "" if found["third"] == "confirmed" else "a third one, after both: it was stopped too"


def elder_does_nothing(found: dict[str, Any]) -> str:
    if found["elder"] == "stopped" and found["effects"] == SOLD:
        return ""
    return f"the elder one {found['elder']}; done: {in_words(found['effects'])}"


def elder_stops_in_mid_step(found: dict[str, Any]) -> str:
    if found["elder"] != "stopped" or found["after"].get("reserved"):
        return f"the elder one {found['elder']}; done: {in_words(found['after'])}"
    return "" if found["younger"] == "confirmed" else f"the younger one {found['younger']}"


FENCED = (
    PAGES
    + """
class Fenced(Pages):
    def __init__(self, path):
        super().__init__(path)
        self.file.execute("CREATE TABLE IF NOT EXISTS conductors (number INTEGER PRIMARY KEY)")
        self.number = self.file.execute("INSERT INTO conductors DEFAULT VALUES").lastrowid

    def must_be_the_last(self):
        [(last,)] = self.file.execute("SELECT max(number) FROM conductors").fetchall()
        if last != self.number:
            raise RuntimeError(f"conductor {last} has begun, and this is {self.number}")
"""
)

SURVIVE_THE_TWIN = Task(
    id="survive-the-twin",
    title="Two conductors, one baton",
    points=2,
    names=["Fenced"],
    trials=[
        Trial(
            a_twin_comes,
            [
                Claim(
                    "whoever opens the journal last can bring the order to its end",
                    younger_ends_it,
                    "a mark that says *taken* stays when its owner is killed; and then nobody "
                    "goes on any more",
                ),
                Claim(
                    "the elder one is stopped by an error, and does no step any more",
                    elder_does_nothing,
                    "when the number is compared: before each step, not only at the opening, and "
                    "not only when the answer is written",
                ),
            ],
            seeds=ONE,
        ),
        Trial(
            a_twin_in_mid_step,
            [
                Claim(
                    "an elder one that is overtaken in the middle of a step does no other step",
                    elder_stops_in_mid_step,
                    "the number that `__init__` was given: it must not be read anew later",
                )
            ],
            seeds=ONE,
        ),
    ],
    hints=[
        "Both have the same file open. What could they find in it that says who came later?",
        "Give each conductor a number in `__init__`, one higher than the last one's, and compare "
        "it with the highest before each step.",
        'In `answer`: `[(last,)] = self.file.execute("SELECT max(number) FROM conductors")`, '
        "`if last != self.number: raise …`, then `return await super().answer(key, do)`.",
    ],
    wrong=[
        WrongAnswer(  # a lock that nobody takes away
            PAGES
            + """
class Fenced(Pages):
    def __init__(self, path):
        super().__init__(path)
        self.file.execute("CREATE TABLE IF NOT EXISTS lock (one INTEGER PRIMARY KEY)")
        self.mine = self.file.execute("INSERT OR IGNORE INTO lock VALUES (1)").rowcount == 1

    async def answer(self, key, do):
        if not self.mine:
            raise RuntimeError("somebody conducts already")
        return await super().answer(key, do)
""",
            "stays when its owner is killed",
        ),
        WrongAnswer(  # no guard at all
            PAGES
            + """
class Fenced(Pages):
    pass
""",
            "when the number is compared",
        ),
        WrongAnswer(  # only what is written is guarded
            FENCED
            + """
    async def answer(self, key, do):
        for (answer,) in self.file.execute("SELECT answer FROM steps WHERE key = ?", (key,)):
            return json.loads(answer)
        answer = await do(key)
        self.must_be_the_last()
        row = key, json.dumps(answer)
        self.file.execute("INSERT OR IGNORE INTO steps VALUES (?, ?)", row)
        return answer
""",
            "not only when the answer is written",
        ),
        WrongAnswer(  # takes the newest number for its own again and again
            FENCED
            + """
    async def answer(self, key, do):
        self.must_be_the_last()
        said = await super().answer(key, do)
        [(self.number,)] = self.file.execute("SELECT max(number) FROM conductors").fetchall()
        return said
""",
            "it must not be read anew later",
        ),
    ],
    others=[
        FENCED
        + """
    async def answer(self, key, do):
        self.must_be_the_last()
        answer = await super().answer(key, do)
        self.must_be_the_last()
        return answer
""",
        PAGES
        + """
import uuid

class Fenced(Pages):  # the file names its one conductor, and each newcomer puts himself there
    def __init__(self, path):
        super().__init__(path)
        self.me = str(uuid.uuid4())
        self.file.execute("CREATE TABLE IF NOT EXISTS conductor (one INTEGER PRIMARY KEY, name)")
        self.file.execute("INSERT OR REPLACE INTO conductor VALUES (1, ?)", (self.me,))

    async def answer(self, key, do):
        if self.file.execute("SELECT name FROM conductor").fetchone() != (self.me,):
            raise PermissionError("another one has taken the baton")
        return await super().answer(key, do)
""",
    ],
    why="Nobody can know whether the other one is dead or slow. So the newcomer is let in, and the "
    "one before him is shut out: by a number that the file remembers. What he has in hand in that "
    "moment is still done; only its key keeps that from counting twice.",
)


# the-same-way


async def coins(answers: Answers, seed: int) -> dict[str, Any]:
    """Orders that go by van or by bike, each killed once; the dice are others in each life."""
    shops = {f"o-{number}": Shop(dies_at=point) for number, point in enumerate(POINTS * 3)}

    async def place_order(run: Any, order_id: str) -> Any:
        return await awaited(answers.place_order(run, shops[order_id], order_id), "`place_order`")

    ends: dict[str, Any] = {}
    state = random.getstate()
    try:
        with folder() as place:
            for life in range(2):
                random.seed(f"{seed} {life}")
                journal = journal_in(place)
                for order_id in shops:
                    try:
                        end = await lived(journal, place_order, order_id, order_id=order_id)
                    except LabError as error:
                        end = str(error).partition("\n")[0]
                    ends[order_id] = end
                names = [name for (name,) in journal.rows("SELECT name FROM steps")]
                await journal.close()
    finally:
        random.setstate(state)
    told = [(id, end, counted(shops[id].ledger, id)) for id, end in ends.items()]
    return {"ends": told, "by": sorted({name for name in names if name.startswith("ship by")})}


def the_same_way(found: dict[str, Any]) -> str:
    for order_id, end, effects in found["ends"]:
        if effects != SOLD or "step" in str(end):
            return f"{order_id}: {end}; done: {in_words(effects)}"
    return ""


def both_ways(found: dict[str, Any]) -> str:
    ways = found["by"]
    return "" if ways == ["ship by bike", "ship by van"] else f"steps: {', '.join(ways) or 'none'}"


SAME_WAY_HEAD = """
import random

async def place_order(run, shop, order_id):
"""
SOLD_SO_FAR = """
    await run.step("charge", lambda key: shop.charge(order_id, key))
    shop.reach("between charge and reserve")
    await run.step("reserve", lambda key: shop.reserve(order_id, key))
    shop.reach("between reserve and ship")
"""

THE_SAME_WAY = Task(
    id="the-same-way",
    title="Bug hunt: the coin",
    points=2,
    names=["place_order"],
    trials=[
        Trial(
            coins,
            [
                Claim(
                    "an order that died goes on, the way that it had taken",
                    the_same_way,
                    "where the coin is thrown: a replay throws it again, and it falls as it likes",
                ),
                Claim(
                    "some orders go by van, and others by bike",
                    both_ways,
                    "the coin is still wanted, and the step is called `ship by van` or "
                    "`ship by bike`",
                ),
            ],
            seeds=ONE,
        )
    ],
    hints=[
        "The function runs from the top in each life. What in it is not the same each time?",
        "A throw is an answer of the world, like a charge. What keeps answers?",
        "`async def throw(key): return random.choice(WAYS)`, and before the first use: "
        '`way = await run.step("throw a coin", throw)`.',
    ],
    wrong=[
        WrongAnswer(  # the bug itself
            SAME_WAY_HEAD
            + '    way = random.choice(["van", "bike"])\n'
            + '    await run.step(f"weigh for the {way}", lambda key: shop.check(order_id, key))\n'
            + SOLD_SO_FAR
            + '    await run.step(f"ship by {way}", lambda key: shop.ship(order_id, key))\n',
            "a replay throws it again",
        ),
        WrongAnswer(  # no coin any more
            SAME_WAY_HEAD
            + SOLD_SO_FAR
            + '    await run.step("ship by van", lambda key: shop.ship(order_id, key))\n',
            "the coin is still wanted",
        ),
        WrongAnswer(  # hidden in one step
            SAME_WAY_HEAD
            + SOLD_SO_FAR
            + '    await run.step("ship", lambda key: shop.ship(order_id, key))\n',
            "is called `ship by van`",
        ),
    ],
    others=[
        SAME_WAY_HEAD
        + SOLD_SO_FAR
        + """
    async def throw(key):
        return random.choice(["van", "bike"])

    way = await run.step("throw", throw)
    await run.step(f"ship by {way}", lambda key: shop.ship(order_id, key))
""",
        """
import random

async def place_order(run, shop, order_id):
    way = random.Random(order_id).choice(["van", "bike"])  # the same for an order, each time
"""
        + SOLD_SO_FAR
        + '    await run.step(f"ship by {way}", lambda key: shop.ship(order_id, key))\n',
    ],
    why="A workflow is replayed, so it must go the same way each time. Dice, clocks and files give "
    "another answer later: ask them in a step, and the journal keeps what they said.",
)


# version-two


async def a_friday(answers: Answers, _: int) -> dict[str, Any]:
    """Three orders under way with the old code, then the learner's; and one new order."""
    ledger = Ledger()
    shop = Shop(ledger)

    async def place_order(run: Any, order_id: str) -> Any:
        return await awaited(answers.place_order_2(run, shop, order_id), "`place_order_2`")

    ends: dict[str, Any] = {}
    with folder() as place:
        old = journal_in(place)
        for order_id, shop.dies_at in zip(("o-1", "o-2", "o-3"), POINTS[::2], strict=True):
            await lived(old, sale(shop), order_id, order_id=order_id)
        await old.close()
        new = journal_in(place)
        for order_id in ("o-1", "o-2", "o-3", "o-4"):
            shop.dies_at = "between reserve and ship" if order_id == "o-4" else ""
            for _ in range(2 if shop.dies_at else 1):
                try:
                    ends[order_id] = await lived(new, place_order, order_id, order_id=order_id)
                except LabError as error:
                    ends[order_id] = str(error).partition("\n")[0]
        await new.close()
    order = [entry.effect for entry in ledger if entry.key == "o-4"]
    effects = {id: counted(ledger, id) for id in ends}
    return {"ends": ends, "effects": effects, "new": order}


def old_ones_end(found: dict[str, Any]) -> str:
    for order_id in ("o-1", "o-2", "o-3"):
        done = {e: n for e, n in found["effects"][order_id].items() if e != "checked"}
        if done != SOLD:
            return f"{order_id}: {found['ends'][order_id]}; done: {in_words(done)}"
    return ""


def new_ones_are_checked_first(found: dict[str, Any]) -> str:
    wanted = ["checked", "charged", "reserved", "shipped"]
    return "" if found["new"] == wanted else f"o-4: {', '.join(found['new']) or 'nothing'}"


def old_ones_are_not_checked(found: dict[str, Any]) -> str:
    late = [id for id in ("o-2", "o-3") if "checked" in found["effects"][id]]
    return f"{late[0]} was charged on Thursday, and checked on Friday" if late else ""


SALE = SOLD_SO_FAR + '    await run.step("ship", lambda key: shop.ship(order_id, key))\n'
CHECKED = '    await run.step("check", lambda key: shop.check(order_id, key))\n'
VERSION_2 = "\nasync def place_order_2(run, shop, order_id):\n"

VERSION_TWO = Task(
    id="version-two",
    title="Friday's code, Thursday's orders",
    points=2,
    names=["place_order_2"],
    trials=[
        Trial(
            a_friday,
            [
                Claim(
                    "the three orders from before are brought to their end, and nothing twice",
                    old_ones_end,
                    "the steps that stand in the journal: o-2 has a charge as its first one. "
                    "`await run.patched(…)` says whether an order may go the new way",
                ),
                Claim(
                    "a new order is checked before it is charged",
                    new_ones_are_checked_first,
                    "where the check stands: money that is taken can't be kept from being taken",
                ),
                Claim(
                    "whoever has paid already is not checked any more",
                    old_ones_are_not_checked,
                    "the place of `run.patched`: before the step that is new, and only there",
                ),
            ],
            seeds=ONE,
        )
    ],
    hints=[
        "What is step 1 of o-2 in the journal, and what is it in your function?",
        '`if await run.patched("fraud check"):` is True for an order that has not been past that '
        "line yet, and stays so for that order.",
        "First the `if` with the check inside it, then charge, reserve and ship as before.",
    ],
    wrong=[
        WrongAnswer(VERSION_2 + CHECKED + SALE, "o-2 has a charge as its first one"),
        WrongAnswer(  # where it does no harm to old orders, and no good to new ones
            VERSION_2
            + SALE.replace(
                '    await run.step("ship"',
                '    if await run.patched("check"):\n    ' + CHECKED + '    await run.step("ship"',
            ),
            "can't be kept from being taken",
        ),
        WrongAnswer(VERSION_2 + SALE, "where the check stands"),
        WrongAnswer(  # asked first, and checked in both cases, at different places
            VERSION_2
            + '    new = await run.patched("check")\n    if new:\n    '
            + CHECKED
            + SALE.replace(
                '    await run.step("ship"',
                "    if not new:\n    "
                + CHECKED.replace('run.step("check", ', "(lambda do: do(f'{run.id}:check'))(")
                + '    await run.step("ship"',
            ),
            "before the step that is new, and only there",
        ),
    ],
    others=[
        VERSION_2 + '    if await run.patched("fraud check"):\n    ' + CHECKED + SALE,
        """
async def old(run, shop, order_id):
"""
        + SALE
        + """
async def new(run, shop, order_id):
"""
        + CHECKED
        + SALE
        + VERSION_2
        + """
    way = new if await run.patched("friday") else old
    return await way(run, shop, order_id)
""",
    ],
    why="A journal remembers steps, and new code must not read them as others. Let both ways stand "
    "in the code until the last old order has ended, or let an engine of the old version run until "
    "then. What has happened already is not checked afterwards.",
)

TASKS = [WRITE_THE_JOURNAL, GO_ON_BY_ITSELF, SURVIVE_THE_TWIN, THE_SAME_WAY, VERSION_TWO]
