"""Spans: a trace in the form of OpenTelemetry, for the tools in which others look for an order."""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, Literal

from labkit.steps import Moment
from labkit.system.errors import LabError
from labkit.system.message import Message
from labkit.trace import Trace, key_of

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import ReadableSpan
    from opentelemetry.sdk.trace.export import SpanExporter
    from opentelemetry.trace import SpanContext

INSTALL = 'pip install "orchestration-or-choreography[otel]"'
TRACES = "/v1/traces"
# How many spans go out at once: what OpenTelemetry's own processor takes for a batch.
AT_ONCE = 512
What = Literal["send", "process"]
Ids = tuple[int, int]  # of a trace, and of a span in it
TRACEPARENT = re.compile(r"00-(?!0{32})([0-9a-f]{32})-(?!0{16})([0-9a-f]{16})-[0-9a-f]{2}")

# How labkit notes an error of Python's own, as against one that is raised on purpose.
ERROR = re.compile(r"([A-Z]\w*(?:Error|Exception)): ")


def spans(trace: Trace) -> list[ReadableSpan]:
    """A trace as spans: one for each message said, and one for each time that one was handled.

    A message's span has the ids of its `traceparent`. Who handles a message has a span under it,
    and what is said meanwhile has its span under that one: several services may handle one event.
    A handling that a crash cut off has none, for a span is told when it ends. Two runs of one day
    have the same ids, as their messages have. Names, kinds and attributes: OpenTelemetry's semantic
    conventions for messaging spans.

    Raises:
        LabError: OpenTelemetry is not installed.
    """
    _must_be_installed("opentelemetry.sdk.trace")
    began = _beginning(trace)
    return [_span(done, began) for done in _operations(trace)]


def export(trace: Trace, exporter: SpanExporter) -> int:
    """Hand the spans of a trace to an exporter, such as `otlp(…)`; how many these were.

    Raises:
        LabError: OpenTelemetry is not installed, or the exporter could not take them.
    """
    told = spans(trace)
    from opentelemetry.sdk.trace.export import SpanExportResult

    for first in range(0, len(told), AT_ONCE):
        problem = ""
        try:
            result = exporter.export(told[first : first + AT_ONCE])
        except OSError as error:  # what one over HTTP raised in earlier versions of OpenTelemetry
            result, problem = SpanExportResult.FAILURE, f" ({error})"
        if result is not SpanExportResult.SUCCESS:
            raise LabError(
                f"{type(exporter).__name__} took {first} of {len(told)} spans{problem:.200}.\n"
                "Is somebody there who receives them, and is the address right?"
            ) from None
    return len(told)


def otlp(endpoint: str = "http://localhost:4318", *, timeout_seconds: float = 5.0) -> SpanExporter:
    """An exporter that sends spans over HTTP (OTLP 1.x), to Jaeger, Tempo or any collector.

    endpoint: of the receiver; where it names no path, the one of the specification is added.

    Raises:
        LabError: OpenTelemetry is not installed, or that is no address.
    """
    if not re.match(r"https?://[^/]", str(endpoint)):
        raise LabError(
            f"OTLP over HTTP needs an address, and was given {endpoint!r:.60}.\n"
            "Write for example `otlp('http://localhost:4318')`."
        )
    _must_be_installed("opentelemetry.exporter.otlp.proto.http.trace_exporter")
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter

    path = "" if "/" in endpoint.split("://")[1].rstrip("/") else TRACES
    return OTLPSpanExporter(endpoint.rstrip("/") + path, timeout=timeout_seconds)


@dataclass(frozen=True)
class Operation:
    """Something that a service did with a message, and under which span: its ids, or none."""

    what: What
    service: str
    message: Message
    topic: str
    id: int
    under: Ids | None
    begin: float
    end: float
    problem: str | None = None


def _operations(trace: Trace) -> list[Operation]:
    """What was said and what was handled, in the order in which it ended."""
    reading = _Reading()
    for moment in trace:
        if moment.message is not None:
            reading.take(moment, moment.message)
    return reading.ended


class _Reading:
    """The operations so far, and under which span each next one stands."""

    def __init__(self) -> None:
        self.ended: list[Operation] = []
        self._known: dict[str, Message] = {}
        self._times: Counter[tuple[str, str, str]] = Counter()
        self._at_work: dict[tuple[str, str], list[tuple[int, float]]] = {}
        self._latest: dict[tuple[str, str], int] = {}

    def take(self, moment: Moment, message: Message) -> None:
        handling = moment.where, message.id
        if moment.what == "sent":
            again = message.id in self._known
            self._known[message.id] = message
            id = self._one_more(moment) if again else _ids(message)[1]
            self._end("send", moment, id, self._cause(moment.where, message), moment.seconds)
        elif moment.what == "received":
            self._known.setdefault(message.id, message)
            self._latest[handling] = self._one_more(moment)
            begun = self._latest[handling], moment.seconds
            self._at_work.setdefault(handling, []).append(begun)
        elif moment.what in ("done", "failed") and self._at_work.get(handling):
            id, begin = self._at_work[handling].pop(0)
            self._end("process", moment, id, _ids(message), begin)

    def _cause(self, service: str, message: Message) -> Ids | None:
        """The handling in which a service said this, or else what made others say it."""
        cause = self._known.get(message.causationid or "")
        if cause is None:
            return None
        trace_id, span_id = _ids(cause)
        return trace_id, self._latest.get((service, cause.id), span_id)

    def _one_more(self, moment: Moment) -> int:
        """An id for what happens to a message here: it may be handled often, by several."""
        assert moment.message is not None
        this = moment.what, moment.where, moment.message.id
        self._times[this] += 1
        return _number(" ".join((*this, str(self._times[this]))), 8)

    def _end(self, what: What, moment: Moment, id: int, under: Ids | None, begin: float) -> None:
        assert moment.message is not None
        topic = moment.topic.replace("+", moment.message.type.rpartition(".")[2])
        problem = moment.note if moment.what == "failed" else None
        self.ended.append(
            Operation(
                what, moment.where, moment.message, topic, id, under, begin, moment.seconds, problem
            )
        )


def _span(done: Operation, began: float) -> ReadableSpan:
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import ReadableSpan
    from opentelemetry.sdk.util.instrumentation import InstrumentationScope
    from opentelemetry.trace import Link, SpanKind, Status, StatusCode

    trace_id, _ = _ids(done.message)
    above = None if done.under is None else _context(*done.under)
    # A parent is of the same trace; a foreign client may have begun one of its own.
    same = above is not None and above.trace_id == trace_id
    return ReadableSpan(
        name=f"{done.what} {done.topic}",
        context=_context(trace_id, done.id),
        parent=above if same else None,
        links=[] if same or above is None else [Link(above)],
        kind=SpanKind.PRODUCER if done.what == "send" else SpanKind.CONSUMER,
        resource=Resource({"service.name": done.service}),
        attributes=_attributes(done),
        status=Status(StatusCode.UNSET if done.problem is None else StatusCode.ERROR, done.problem),
        start_time=_nanoseconds(began + done.begin),
        end_time=_nanoseconds(began + done.end),
        instrumentation_scope=InstrumentationScope("labkit"),
    )


def _attributes(done: Operation) -> dict[str, Any]:
    message = done.message
    told = {
        "messaging.system": "mqtt",
        "messaging.operation.name": done.what,
        "messaging.operation.type": done.what,
        "messaging.destination.name": done.topic,
        "messaging.message.id": message.id,
        "messaging.message.conversation_id": message.story,
        "cloudevents.event_type": message.type,
        "cloudevents.event_source": message.source,
    }
    if order := key_of(message):
        told["labkit.order_id"] = order
    if done.problem is not None:
        named = ERROR.match(done.problem)
        told["error.type"] = named[1] if named else "_OTHER"
    return told


def _context(trace_id: int, span_id: int) -> SpanContext:
    from opentelemetry.trace import SpanContext, TraceFlags

    return SpanContext(trace_id, span_id, is_remote=True, trace_flags=TraceFlags(1))


def _ids(message: Message) -> Ids:
    """The ids of a message's own span; made up where a foreign client gave none that holds."""
    found = TRACEPARENT.fullmatch(message.traceparent or "")
    if found is None:
        return _number(message.story, 16), _number(message.id, 8)
    return int(found[1], 16), int(found[2], 16)


def _number(text: str, size: int) -> int:
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=size).digest())


def _beginning(trace: Trace) -> float:
    """When the lab was opened, in seconds since 1970, as its first message tells."""
    for moment in trace:
        if moment.what == "sent" and moment.message is not None and moment.message.time:
            with suppress(ValueError):  # a foreign client may write there what it likes
                return datetime.fromisoformat(moment.message.time).timestamp() - moment.seconds
    return 0.0


def _nanoseconds(seconds: float) -> int:
    return round(seconds * 1e9)


def _must_be_installed(module: str) -> None:
    from importlib import import_module

    try:
        import_module(module)
    except ImportError:
        raise LabError(
            f"OpenTelemetry is not installed. To install it:\n{INSTALL}\n"
            "The trace itself needs nothing: `trace.story(…)` and `trace.why(…)`."
        ) from None
