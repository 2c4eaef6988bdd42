"""Progress: which tasks a learner has passed, in a small file beside the notebooks."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

FILE = ".labkit-progress.json"


def note(id: str, kind: str, folder: Path | None = None) -> None:
    """Remember how a check went; what was passed once stays passed."""
    known = read(folder)
    before = known.get(id, {})
    state = "passed" if "passed" in (kind, before.get("state")) else "tried"
    if kind == "not attempted" and not before:
        return
    known[id] = {"state": state, "tries": int(before.get("tries", 0)) + 1}
    path = _path(folder)
    try:
        # Written beside it and moved over it: an interrupt leaves the old file or the new one.
        new = path.with_suffix(".new")
        new.write_text(json.dumps(known, indent=1, sort_keys=True) + "\n", encoding="utf-8")
        new.replace(path)
    except OSError:
        pass  # a folder that can't be written to is no reason to fail a check


def read(folder: Path | None = None) -> dict[str, dict[str, Any]]:
    """What is known so far; a file that can't be read counts as none."""
    try:
        known = json.loads(_path(folder).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return known if isinstance(known, dict) else {}


def passed(id: str, folder: Path | None = None) -> bool:
    """Whether a task has been passed."""
    return read(folder).get(id, {}).get("state") == "passed"


def _path(folder: Path | None) -> Path:
    return (folder or Path.cwd()) / FILE
