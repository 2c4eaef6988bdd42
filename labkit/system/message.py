"""A message: what one service says to others, in the form in which it crosses the broker."""

from __future__ import annotations

import difflib
import hashlib
import json
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from labkit.system.errors import BadMessage

Kind = Literal["event", "command", "reply", "dead", "status", "unreadable"]

LIMIT_BYTES = 1_000_000
PLAIN = {str, int, bool, type(None)}


class Event(BaseModel):
    """Something that has happened, named in the past tense; any number of services may react.

    Strict when you make one (an unknown or missing field is an error), tolerant when one is read
    from the broker (what it does not know, it ignores): Postel's law, the *tolerant reader*.

    Raises:
        BadMessage: a field is missing, unknown or of the wrong type.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    def __init__(self, /, **data: Any) -> None:
        try:
            super().__init__(**data)
        except ValidationError as error:
            raise BadMessage(complaint(type(self), error)) from None

    @classmethod
    def read(cls, data: object) -> Self:
        """Make an event from the data of a message, ignoring the fields it does not know."""
        if not isinstance(data, Mapping):
            raise BadMessage(
                f"{cls.__name__} needs an object with its fields; data is {data!r:.80}."
            )
        fields = cls.model_fields
        return cls(**{name: value for name, value in data.items() if name in fields})


class Message(BaseModel):
    """The envelope: CloudEvents 1.0, with the attributes that make a story traceable.

    `correlationid` names the message that began the story, `causationid` the one that led to this
    one (CloudEvents *correlation* extension), `traceparent` the same for tracing tools (W3C Trace
    Context). `kind`, `replyto`, `reason` and `idempotencykey` are extension attributes of labkit.
    """

    model_config = ConfigDict(frozen=True)

    specversion: Literal["1.0"] = "1.0"
    id: str = Field(min_length=1)
    source: str = Field(min_length=1)
    type: str = Field(min_length=1)
    time: str | None = None
    datacontenttype: str = "application/json"
    kind: Kind = "event"
    correlationid: str = ""
    causationid: str | None = None
    traceparent: str | None = None
    replyto: str | None = None
    reason: str | None = None
    idempotencykey: str | None = None
    data: Any = None
    # Whom a fault makes unavailable for it, and for how many tries; this never travels.
    struck: str = Field(default="", exclude=True)
    struck_times: int = Field(default=0, exclude=True)

    @property
    def sender(self) -> str:
        """The service that said it; a foreign client's whole `source`."""
        source = " ".join(self.source.split())
        name = source.removeprefix("/")
        return source if "/" in name else name

    @property
    def story(self) -> str:
        """The id of the message that began it all."""
        return self.correlationid or self.id

    @property
    def payload(self) -> bytes:
        """This message in the JSON event format of CloudEvents.

        Raises:
            BadMessage: it is larger than the broker should carry.
        """
        # Kept as functools.cached_property would, but for its lock (until Python 3.12).
        known: bytes | None = self.__dict__.get("payload")
        if known is None:
            known = self.__pydantic_serializer__.to_json(self, exclude_none=True)
            if len(known) > LIMIT_BYTES:
                raise BadMessage(too_large(self.type, len(known)))
            self.__dict__["payload"] = known
        return known


def say(
    kind: Kind,
    type: str,
    sender: str,
    data: object,
    *,
    nth: int,
    cause: Message | None = None,
    replyto: str | None = None,
    reason: str | None = None,
    idempotencykey: str | None = None,
    time: str | None = None,
) -> Message:
    """A new message; `nth` counts those of its type that this sender has said because of `cause`.

    The id is computed from who says what, why, and which one it is. It hangs on no clock and on no
    other message, so the same run has the same ids on any broker and in simulation; and one that
    crashes and says less the second time gives no message the id of another one.
    """
    if cause is None:
        id = story = f"{sender}-{nth}"
    else:
        id, story = f"{sender}-{_digest(f'{cause.id} {sender} {type} {nth}', 6)}", cause.story
    # As Message(…) does it, without making an empty one first.
    said: Message = Message.__pydantic_validator__.validate_python(
        {
            "id": id,
            "source": f"/{sender}",
            "type": type,
            "time": time or datetime.now(UTC).isoformat(),
            "kind": kind,
            "correlationid": story,
            "causationid": cause.id if cause else None,
            "traceparent": _traceparent(story, id),
            "replyto": replyto,
            "reason": reason,
            "idempotencykey": idempotencykey,
            "data": data,
        }
    )
    return said


def status(name: str, state: str, nth: str, time: str | None = None) -> Message:
    """That a participant is `online` or `offline`, for the broker to retain."""
    story = f"{name}-0"
    return Message(
        id=f"{name}-{state}-{nth}",
        source=f"/{name}",
        type="Status",
        time=time or datetime.now(UTC).isoformat(),
        kind="status",
        correlationid=story,
        traceparent=_traceparent(story, story),
        data=state,
    )


def read(topic: str, payload: bytes) -> Message:
    """The message in a payload; never an error, so that one bad sender harms nobody else.

    What can't be read becomes a message of kind `unreadable` whose `reason` says why. What a
    message is, its topic decides: a foreign client need not know labkit's own attributes.
    """
    if len(payload) > LIMIT_BYTES:
        return _unreadable(topic, payload, too_large("the payload", len(payload)))
    try:
        message: Message = Message.__pydantic_validator__.validate_json(payload)
    except ValidationError as error:
        return _unreadable(topic, payload, _not_a_message(payload, error))
    meant = _meant(topic, message)
    if meant is None:
        return _unreadable(
            topic,
            payload,
            f"it says that it is {message.type!r:.60}, and was sent to {topic}.\n"
            f"Send each {topic.partition('/')[0]} to its own topic.",
        )
    return meant


def carried(topic: str, message: Message) -> Message:
    """A message as it arrives: through its bytes, but for one of which they would change nothing.

    So nothing can be said in memory that could not be said on a wire.

    Raises:
        BadMessage: it is larger than the broker should carry.
    """
    payload = message.payload
    if not message.struck and _is_plain(message.data) and _meant(topic, message) is message:
        return message
    return read(topic, payload)


def _meant(topic: str, message: Message) -> Message | None:
    """What a message is by its topic; None where the two are at odds."""
    kind, _, name = topic.partition("/")
    if kind not in ("event", "command"):
        return message
    if message.type.rpartition(".")[2] != name.rpartition("/")[2]:
        return None
    meant = {"kind": kind, "type": name.replace("/", ".")}
    if (message.kind, message.type) == (meant["kind"], meant["type"]):
        return message
    return message.model_copy(update=meant)


def _is_plain(data: object) -> bool:
    """Whether data is sure to come out of JSON as it went in, and holds nothing to be changed."""
    if type(data) is dict:
        return all(type(k) is str and type(v) in PLAIN for k, v in data.items())
    return type(data) in PLAIN


def complaint(model: type[BaseModel], error: ValidationError) -> str:
    """What is wrong with the arguments for a model, in plain words, with its signature."""
    fields = model.model_fields
    lines = []
    for problem in error.errors(include_url=False, include_context=False):
        name = ".".join(str(part) for part in problem["loc"]) or "it"
        if problem["type"] == "missing":
            lines.append(f"{name} is missing")
        elif problem["type"] == "extra_forbidden":
            lines.append(f"it has no {name}{did_you_mean(name, fields)}")
        else:
            lines.append(
                f"{name}={problem['input']!r:.60}: {problem['msg'][0].lower()}{problem['msg'][1:]}"
            )
    return f"{model.__name__}: {'; '.join(lines)}.\nIt takes {model.__name__}({signature(model)})."


def signature(model: type[BaseModel]) -> str:
    """The fields of a model, as one would write them in a call."""
    return ", ".join(
        f"{name}: {spelled(field.annotation)}"
        + ("" if field.is_required() else f" = {field.get_default()!r}")
        for name, field in model.model_fields.items()
    )


def spelled(annotation: object) -> str:
    """An annotation as one writes it."""
    return annotation.__name__ if isinstance(annotation, type) else str(annotation)


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """` (did you mean …?)` where a known name is near, else nothing."""
    near = difflib.get_close_matches(name, list(known), n=1)
    return f" (did you mean {near[0]}?)" if near else ""


def too_large(what: str, size: int) -> str:
    """Why a message is refused for its size, and the mend."""
    return (
        f"{what} is {size:,} bytes; labkit carries {LIMIT_BYTES:,} at most.\n"
        "Store the large thing somewhere and send its address (the *claim check* pattern)."
    )


def _not_a_message(payload: bytes, error: ValidationError) -> str:
    try:
        found = json.loads(payload)
    except (ValueError, RecursionError):
        return (
            f"the payload is not JSON: {_start(payload)!r}.\nSend a CloudEvents 1.0 event in JSON."
        )
    if not isinstance(found, dict):
        return f"the payload is JSON, but no CloudEvent: {_start(payload)!r}."
    problems = "; ".join(
        f"{problem['loc'][0] if problem['loc'] else 'it'}: {problem['msg'].lower()}"
        for problem in error.errors(include_url=False)
    )
    return (
        f"the payload is JSON, but no CloudEvent 1.0 ({problems}).\n"
        'It needs "specversion": "1.0", "id", "source", "type" and "data".'
    )


def _unreadable(topic: str, payload: bytes, reason: str) -> Message:
    return Message(
        id=f"unreadable-{hashlib.blake2b(payload, digest_size=6).hexdigest()}",
        source="outside",
        type=topic.rpartition("/")[2] or topic,
        kind="unreadable",
        reason=reason,
        data=_start(payload),
    )


def _start(payload: bytes) -> str:
    return payload[:80].decode(errors="replace") + ("…" if len(payload) > 80 else "")


def _traceparent(story: str, id: str) -> str:
    """As the W3C's Trace Context, level 1, has it: one trace a story, one span a message."""
    return f"00-{_trace_id(story)}-{_digest(id, 8)}-01"


@lru_cache(1_000)
def _trace_id(story: str) -> str:
    return _digest(story, 16)


def _digest(text: str, size: int) -> str:
    return hashlib.blake2b(text.encode(), digest_size=size).hexdigest()
