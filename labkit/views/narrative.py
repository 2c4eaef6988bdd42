"""A trace told in sentences: the alternative text of its sequence diagram."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence

from labkit.steps import YOU, Mark, Step
from labkit.trace import key_of
from labkit.views.picture import listed, shorten, told

FIRST = 12
LONGEST_LIST = 10
EMPTY = "The trace is empty: nothing has been said yet."


def narrative(entries: Sequence[Step | Mark], marks: Mapping[str, str] | None = None) -> str:
    """How many messages between whom, what went wrong, then the first of them in words.

    marks: what is marked in the picture, by the id of the message.
    """
    if not entries:
        return EMPTY
    said, failed = labels(entries[:FIRST]), failures(entries[:FIRST])
    sentences = [_counts(entries), *_marked(entries, marks or {})]
    sentences += [_sentence(entry, said, failed) for entry in entries[:FIRST]]
    if len(entries) > FIRST:
        sentences.append(f"… and {len(entries) - FIRST:,} more.")
    return " ".join(sentences)


def participants(entries: Iterable[Step | Mark]) -> list[str]:
    """Everybody who takes part, in the order in which they come in; you come first."""
    names: dict[str, None] = {}
    for entry in entries:
        if isinstance(entry, Mark):
            names[entry.service] = None
        else:
            names.update(dict.fromkeys((entry.sender, *entry.reached, *entry.missed)))
    return sorted(names, key=lambda name: name != YOU)


def labels(entries: Iterable[Step | Mark]) -> dict[str, str]:
    """What stands at each message, by its id: what is said, and of which order."""
    steps = [entry for entry in entries if isinstance(entry, Step)]
    keys: dict[str, str] = {}
    for step in steps:
        message = step.message
        answered = keys.get(message.causationid or "", "")
        # A reply holds a result and no order; it speaks of what its command spoke of.
        keys[message.id] = answered if message.kind == "reply" else _key(step)
    several = len(set(keys.values()) - {""}) > 1
    return {
        step.message.id: step.label
        if step.message.kind == "reply" and not several
        else f"{step.label} {keys[step.message.id]}".rstrip()
        for step in steps
    }


def failures(entries: Iterable[Step | Mark]) -> dict[str, dict[str, str]]:
    """Who failed and why, by the id of the message that lets it be known.

    That is the reply to a command, where there is one: until then all went well.
    """
    steps = [entry for entry in entries if isinstance(entry, Step)]
    replies = {s.message.causationid: s.message.id for s in steps if s.message.kind == "reply"}
    return {replies.get(s.message.id, s.message.id): s.failed for s in steps if s.failed}


def _key(step: Step) -> str:
    key, data = key_of(step.message), step.message.data
    if not key and isinstance(data, dict):
        first = next(iter(data.values()), "")
        key = str(first) if isinstance(first, str | int) and not isinstance(first, bool) else ""
    return shorten(key[:99], 16)


def _counts(entries: Sequence[Step | Mark]) -> str:
    steps = [entry for entry in entries if isinstance(entry, Step)]
    names = [told(name) for name in participants(entries)]
    if len(names) > LONGEST_LIST:
        names = [*names[: LONGEST_LIST - 1], f"{len(names) - LONGEST_LIST + 1} more"]
    kinds: Counter[str] = Counter(step.message.kind for step in steps)
    found = [_times(kinds[kind], word) for kind, word in KINDS.items() if kinds[kind]]
    wrong = [f"{count:,} {what}" for what, count in _wrong(steps) if count]
    return (
        f"Sequence diagram of {_times(len(steps), 'message')}"
        + (f" ({', '.join(found)})" if found else "")
        + f" between {listed(names)}"
        + (f"; {listed(wrong)}." if wrong else ".")
    )


KINDS = {
    "command": "command",
    "reply": "reply",
    "event": "event",
    "dead": "dead letter",
    "unreadable": "unreadable message",
    "status": "status message",
}


def _times(count: int, word: str) -> str:
    many = f"{word[:-1]}ies" if word.endswith("y") else f"{word}s"
    return f"{count:,} {word if count == 1 else many}"


def _wrong(steps: Sequence[Step]) -> Iterator[tuple[str, int]]:
    yield "never reached a listener", sum(bool(step.missed) for step in steps)
    yield "failed", sum(bool(step.failed) for step in steps)
    yield "struck by a fault", sum(bool(step.struck) for step in steps)
    yield "came too late", sum(step.late for step in steps)
    yield "arrived more than once", sum(len(set(s.reached)) < len(s.reached) for s in steps)
    yield "heard by nobody", sum(nobody(step) and step.message.kind != "dead" for step in steps)


def _marked(entries: Sequence[Step | Mark], marks: Mapping[str, str]) -> Iterator[str]:
    said = labels(entries) if marks else {}
    for step in entries:
        if isinstance(step, Step) and step.message.id in marks:
            what, words = told(said[step.message.id]), told(marks[step.message.id], 80)
            yield f"Marked: {what} from {told(step.sender)}; here: {words}."


def nobody(step: Step) -> bool:
    """Whether nobody listens to this message."""
    return not step.reached and not step.missed


def _sentence(entry: Step | Mark, said: dict[str, str], failed: dict[str, dict[str, str]]) -> str:
    if isinstance(entry, Mark):
        return _capital(f"{told(entry.service)} {told(entry.note)}.")
    what, sender = told(said[entry.message.id]), told(entry.sender)
    kind, s = entry.message.kind, "" if entry.sender == YOU else "s"
    times = Counter(entry.reached)
    to = listed(told(name) + _often(count) for name, count in times.items())
    if kind == "dead":
        line = f"{sender} write{s} {what}" + (f", which reaches {to}" if to else "")
    elif kind in ("command", "reply"):
        verb = "tell" if kind == "command" else "answer"
        target = to or listed(map(told, entry.missed)) or "nobody"
        line = f"{sender} {verb}{s} {target}: {what}" + (", too late" if entry.late else "")
    else:
        line = f"{sender} publish{'es' if s else ''} {what}"
        line += f", which reaches {to}" if to else ""
    if nobody(entry) and kind != "dead":
        line += "; nobody listens"
    line += "".join(f"; it never reaches {told(name)}" for name in entry.missed)
    line += "".join(f"; fault at {told(n)}: {told(what)}" for n, what in entry.struck.items())
    for name, why in failed.get(entry.message.id, {}).items():
        line += f"; {told(name)} failed: {told(why, 80)}"
    return _capital(line.rstrip(".") + ".")


def _often(count: int) -> str:
    return "" if count == 1 else " twice" if count == 2 else f" {count} times"


def _capital(sentence: str) -> str:
    return sentence[:1].upper() + sentence[1:] if sentence.startswith(YOU) else sentence
