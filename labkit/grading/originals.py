"""The originals: what labkit was before a learner's code ran, to be put back after it."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from functools import cached_property
from types import CodeType, FunctionType
from typing import Any

# What runs on a day. Pictures and grading are not in the learner's process.
PARTS = "lab occurrences properties running shop steps system teaching trace"
WATCHED = tuple(f"labkit.{part}" for part in PARTS.split())
KINDS = (FunctionType, type, property, classmethod, staticmethod, cached_property)


class Originals:
    """Functions, methods and classes by where they stand, and the code of each function."""

    def __init__(self) -> None:
        self._kept = [(vars(owner), owner, name, thing) for owner, name, thing in _all()]
        functions = {id(t): t for _, _, _, t in self._kept if isinstance(t, FunctionType)}
        self._codes: list[tuple[FunctionType, CodeType]] = [
            (function, function.__code__) for function in functions.values()
        ]

    def put_back(self) -> list[str]:
        """Undo what was changed, and name it."""
        changed = []
        for names, owner, name, thing in self._kept:
            if names.get(name) is not thing:
                setattr(owner, name, thing)
                changed.append(f"{owner.__name__}.{name}")
        for function, code in self._codes:
            if function.__code__ is not code:
                function.__code__ = code
                changed.append(function.__qualname__)
        return changed


def _all() -> Iterator[tuple[Any, str, Any]]:
    for module in [sys.modules[name] for name in sorted(sys.modules) if name.startswith(WATCHED)]:
        for name, thing in list(vars(module).items()):
            if isinstance(thing, KINDS):
                yield module, name, thing
            if isinstance(thing, type) and thing.__module__ == module.__name__:
                own = vars(thing).items()
                yield from ((thing, key, each) for key, each in own if isinstance(each, KINDS))
