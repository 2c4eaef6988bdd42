"""A record: what came of a day, as data that crosses from a learner's process to the judge's."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from collections.abc import Set as AnySet
from dataclasses import asdict, dataclass, field, fields, is_dataclass
from importlib import import_module
from typing import Any

from pydantic import BaseModel

from labkit.steps import Moment
from labkit.system.ledger import Entry, Ledger
from labkit.system.message import Message
from labkit.trace import Trace
from labkit.views.card import Card

KIND, OF = "is a", "of"
DEEPEST = 40
ADDRESS = re.compile(r" at 0x[0-9a-f]+")
# Not str(value): a subclass may say of itself what it likes.
PLAIN: dict[type, Callable[[Any], Any]] = {
    str: str.__str__,
    int: int.__int__,
    float: float.__float__,
}


@dataclass(frozen=True)
class Record:
    """A run that is over: what a claim may ask of a lab."""

    trace: Trace
    ledger: Ledger
    contracts: Mapping[str, type[BaseModel]] = field(default_factory=dict)

    def card(self) -> Card:
        """The run in numbers."""
        return Card.of(self.trace, self.ledger)


def data(value: Any, deep: int = 0) -> Any:
    """A day's value as JSON can hold it; `value` makes it again.

    Plain values stay what they are: numbers, texts, True, False, None, and tuples, lists, sets and
    mappings of them. So do messages, and the models and dataclasses that labkit or an exercise has
    defined, traces and ledgers. A lab, or what has both as it has, becomes a `Record`. What is of a
    learner's own making loses its class: a model or a dataclass becomes a mapping, a class its
    name, all else its repr.
    """
    if deep > DEEPEST:
        raise ValueError("the value holds itself, or is too deep")
    if value is None or value is True or value is False:
        return value
    for like, plain in PLAIN.items():
        if isinstance(value, like):
            return plain(value)
    kind, inner = _opened(value)
    if kind in ("trace", "ledger", "run", "other") or isinstance(inner, str):
        return {KIND: kind, OF: inner}
    if kind == "mapping":
        return {KIND: kind, OF: [[data(k, deep + 1), data(v, deep + 1)] for k, v in inner.items()]}
    if isinstance(inner, Mapping):
        return {KIND: kind, OF: {name: data(each, deep + 1) for name, each in inner.items()}}
    return {KIND: kind, OF: [data(each, deep + 1) for each in inner]}


def value(data: Any) -> Any:
    """What `data` told."""
    if not isinstance(data, dict):
        return data
    kind, of = data[KIND], data[OF]
    if kind in MADE:
        return MADE[kind](value(each) for each in of)
    if kind == "mapping":
        return {value(key): value(each) for key, each in of}
    if kind == "other":
        return of
    if kind in ("trace", "run"):
        return _run(of)
    if kind == "ledger":
        return Ledger(Entry(**row) for row in of)
    made = _ours(kind)
    if made is not None and issubclass(made, BaseModel):
        return made.model_validate_json(of)
    if is_dataclass(made):
        return _ours(kind)(**{name: value(each) for name, each in of.items()})
    raise ValueError(f"{kind} is no class of the course's")


MADE: dict[str, Callable[[Iterable[Any]], Any]] = {"tuple": tuple, "list": list, "set": set}


def is_run(value: Any) -> bool:
    """Whether something has a trace and a ledger, as a lab has."""
    try:
        return isinstance(value.trace, Trace) and isinstance(value.ledger, Iterable)
    except Exception:  # whatever a learner's object does when it is asked
        return False


def _opened(value: Any) -> tuple[str, Any]:
    """What kind of thing it is, and what it is made of."""
    name = f"{type(value).__module__}:{type(value).__qualname__}"
    if isinstance(value, Record):
        return "run", _moments(value.trace) | _effects(value)
    if isinstance(value, Ledger):
        return "ledger", [asdict(entry) for entry in value]
    if isinstance(value, BaseModel):
        ours = name.startswith("labkit.")
        return (name, value.model_dump_json()) if ours else ("mapping", value.model_dump())
    if is_dataclass(value) and not isinstance(value, type):
        inside = {each.name: getattr(value, each.name) for each in fields(value)}
        return (name if name.startswith("labkit.") else "mapping"), inside
    if isinstance(value, Trace):
        return "trace", _moments(value)
    if is_run(value):
        return "run", _moments(value.trace) | _effects(value)
    if isinstance(value, Mapping):
        return "mapping", value
    for kind, like in (("tuple", tuple), ("list", list), ("set", AnySet)):
        if isinstance(value, like):
            return kind, sorted(value, key=repr) if kind == "set" else list(value)
    if isinstance(value, type):
        return "other", value.__name__
    return "other", ADDRESS.sub("", repr(value)[:2000])  # an address differs from run to run


def _moments(trace: Trace) -> dict[str, Any]:
    places: dict[int, int] = {}
    messages: list[str] = []
    moments = []
    for moment in trace.moments:
        at = None
        if moment.message is not None:
            # A message stands at several moments; it is told once.
            at = places.setdefault(id(moment.message), len(messages))
            if at == len(messages):
                messages.append(moment.message.model_dump_json(exclude_none=True))
        moments.append([moment.what, moment.where, moment.topic, at, moment.seconds, moment.note])
    return {"messages": messages, "moments": moments}


def _effects(run: Any) -> dict[str, Any]:
    # A contract of the course's own goes by its name; a learner's stays in the learner's process.
    contracts = {
        type_: f"{model.__module__}:{model.__qualname__}"
        for type_, model in getattr(run, "contracts", {}).items()
        if model.__module__.startswith("labkit.")
    }
    return {"ledger": [asdict(entry) for entry in run.ledger], "contracts": contracts}


def _run(of: dict[str, Any]) -> Record | Trace:
    messages = [Message.model_validate_json(text) for text in of["messages"]]
    trace = Trace(
        Moment(what, where, topic, None if at is None else messages[at], seconds, note)
        for what, where, topic, at, seconds, note in of["moments"]
    )
    if "ledger" not in of:
        return trace
    models = {type_: _ours(name) for type_, name in of["contracts"].items()}
    contracts = {type_: model for type_, model in models.items() if model}
    return Record(trace, Ledger(Entry(**row) for row in of["ledger"]), contracts)


def _ours(name: str) -> Any:
    """A class that labkit or an exercise has defined; None where it is another's."""
    module, _, path = name.partition(":")
    found = getattr(import_module(module), path, None) if module.startswith("labkit.") else None
    return found if isinstance(found, type) else None
