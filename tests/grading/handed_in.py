"""What a class hands in: notebooks made from exercise 06, with answers good, wrong and hostile."""

import json
import textwrap
from collections.abc import Mapping
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
EXERCISE = "06-nothing-arrives-once"
TASKS = ("charge-once", "ask-again", "both-orders", "the-silent-loss")
PLAIN_PAYMENT = """
class Payment(Service):
    @command
    async def charge(self, order_id: str, amount: int) -> str:
        self.effect("charged", order_id, amount)
        return f"receipt for {order_id}"
"""
GOOD_PAYMENT = PLAIN_PAYMENT.replace("amount)\n", "amount, once=order_id)\n")


def notebook(folder: str) -> dict[str, Any]:
    text = (ROOT / folder / f"{EXERCISE}.ipynb").read_text(encoding="utf-8")
    return json.loads(text)


def source(cell: Mapping[str, Any]) -> str:
    return "".join(cell["source"])


def answered(answers: Mapping[str, str] | None = None, *, from_: str = "solutions") -> dict:
    """The solution (or the starter) with some cells written anew."""
    made = notebook(from_)
    for cell in made["cells"]:
        if cell["id"] in (answers or {}):
            cell["source"] = textwrap.dedent(answers[cell["id"]]).strip()
        if cell["cell_type"] == "code":
            cell["outputs"], cell["execution_count"] = [], None
    return made


def hand_in(folder: Path, learner: str, made: Mapping[str, Any], name: str = EXERCISE) -> Path:
    file = folder / learner / f"{name}.ipynb"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(made), encoding="utf-8")
    return file
