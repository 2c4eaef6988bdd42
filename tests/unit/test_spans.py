"""A trace as spans: whole, in the right places, and taken by those who take spans."""

import asyncio
import socket
import subprocess
import sys
import threading
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, HTTPServer
from itertools import chain
from typing import ClassVar

import pytest

from labkit import Lab, LabError, Refused, Service, command, duplicate, kill, on
from labkit.shop import (
    Inventory,
    Notification,
    Order,
    OrderOrchestrator,
    OrderPlaced,
    Payment,
    Shipping,
)
from labkit.spans import export, otlp, spans
from labkit.steps import Moment
from labkit.system.message import Message
from labkit.trace import Trace

SHOP = [Order, Payment, Inventory, Shipping, Notification]


def choreographed(*services, faults=(), orders=1):
    async def day():
        async with Lab(*(services or SHOP), faults=faults, simulate=7) as lab:
            for number in range(1, orders + 1):
                await lab.publish(OrderPlaced(order_id=f"o-{number}", amount=30))
            await lab.quiet()
        return lab.trace

    return asyncio.run(day())


def orchestrated(*services):
    async def day():
        async with Lab(*services, simulate=7) as lab:
            with suppress(Refused):
                await lab.call(OrderOrchestrator.place_order, order_id="o-1", amount=30)
            await lab.quiet()
        return lab.trace

    return asyncio.run(day())


def named(found, name, service=None):
    return [
        span
        for span in found
        if span.name == name and service in (None, span.resource.attributes["service.name"])
    ]


def ids(span):
    return f"{span.context.trace_id:032x}", f"{span.context.span_id:016x}"


def parent(span):
    return None if span.parent is None else f"{span.parent.span_id:016x}"


def test_the_span_of_a_message_has_the_ids_of_its_traceparent():
    trace = choreographed()
    for message in trace.sent():
        sent = [
            span
            for span in spans(trace)
            if span.attributes["messaging.message.id"] == message.id
            and span.attributes["messaging.operation.type"] == "send"
        ]
        assert [ids(span) for span in sent] == [tuple(message.traceparent.split("-")[1:3])]


def test_what_is_said_stands_under_the_handling_in_which_it_was_said():
    found = spans(choreographed())
    [placed] = named(found, "send event/OrderPlaced")
    [handled] = named(found, "process event/OrderPlaced", "Payment")
    [charged] = named(found, "send event/PaymentCharged")
    assert placed.parent is None
    assert parent(handled) == ids(placed)[1]
    assert parent(charged) == ids(handled)[1]


def test_an_answer_stands_under_the_handling_of_its_command():
    found = spans(orchestrated(OrderOrchestrator, Payment, Inventory, Shipping))
    [charging] = named(found, "process command/Payment/charge")
    [answered] = named(found, "send reply/OrderOrchestrator", "Payment")
    [conducting] = named(found, "process command/OrderOrchestrator/place_order")
    [asked] = named(found, "send command/Payment/charge")
    assert parent(answered) == ids(charging)[1]
    assert parent(asked) == ids(conducting)[1]


def test_one_story_is_one_trace_and_two_stories_are_two():
    found = spans(choreographed(orders=2))
    orders = {span.attributes.get("labkit.order_id"): span.context.trace_id for span in found}
    assert len({span.context.trace_id for span in found}) == len(orders) == 2


@pytest.mark.parametrize("faults", [(), [duplicate(Payment), duplicate(Inventory)]])
def test_no_two_spans_have_the_same_id_however_often_a_message_is_handled(faults):
    found = spans(choreographed(faults=faults, orders=3))
    assert len({ids(span) for span in found}) == len(found)
    handled = named(found, "process event/OrderPlaced", "Payment")
    assert len(handled) == (6 if faults else 3)
    assert len(named(found, "process event/OrderPlaced", "Notification")) == 3


def test_every_parent_is_there_and_began_before_its_child():
    found = spans(choreographed(faults=[duplicate(Payment)], orders=3))
    known = {span.context.span_id: span for span in found}
    below = [span for span in found if span.parent is not None]
    assert len(below) > len(found) / 2
    assert all(known[span.parent.span_id].start_time <= span.start_time for span in below)


def test_a_span_lasts_as_long_as_the_handling_on_virtual_time():
    class Slow(Service):
        @on(OrderPlaced)
        async def work(self, order):
            await asyncio.sleep(2)

    [handled] = named(spans(choreographed(Slow)), "process event/OrderPlaced")
    assert handled.end_time - handled.start_time == pytest.approx(2e9)
    # The virtual world begins with the year 2026.
    assert 0 < handled.start_time / 1e9 - 1767225600 < 1


def test_a_failure_is_an_error_with_its_reason():
    class Broken(Service):
        retries = 0

        @on(OrderPlaced)
        async def work(self, order):
            raise ValueError("no paper")

    [failed] = named(spans(choreographed(Broken)), "process event/OrderPlaced")
    assert failed.status.status_code.name == "ERROR"
    assert failed.status.description == "ValueError: no paper"
    assert failed.attributes["error.type"] == "ValueError"


def test_a_no_is_an_error_whose_type_is_of_no_language():
    found = spans(orchestrated(OrderOrchestrator, Payment, Inventory(stock=0), Shipping))
    [refused] = named(found, "process command/Inventory/reserve")
    assert refused.status.description == "nothing left on the shelf"
    assert refused.attributes["error.type"] == "_OTHER"
    others = [span for span in found if span.status.status_code.name == "ERROR"]
    assert [span.resource.attributes["service.name"] for span in others] == [
        "Inventory",
        "OrderOrchestrator",
    ]


def test_what_a_crash_cut_off_has_no_span_and_its_second_try_has_one():
    trace = choreographed(faults=[kill(Payment, nth=1)])
    arrivals = [m for m in trace.received(OrderPlaced, by=Payment)]
    assert len(arrivals) == 2
    assert len(named(spans(trace), "process event/OrderPlaced", "Payment")) == 1


def test_kinds_and_attributes_are_those_of_the_conventions():
    from opentelemetry.semconv._incubating.attributes import messaging_attributes as known
    from opentelemetry.trace import SpanKind

    operations = {value.value for value in known.MessagingOperationTypeValues}
    constants = {value for name, value in vars(known).items() if name.startswith("MESSAGING_")}
    for span in spans(choreographed()):
        told = {name for name in span.attributes if name.startswith("messaging.")}
        assert told <= constants
        assert span.attributes["messaging.system"] == "mqtt"
        what = span.attributes["messaging.operation.type"]
        assert what in operations
        assert span.kind is (SpanKind.PRODUCER if what == "send" else SpanKind.CONSUMER)
        assert span.name == f"{what} {span.attributes['messaging.destination.name']}"


def test_all_messages_of_a_story_name_the_one_conversation():
    trace = choreographed()
    [first] = trace.sent(OrderPlaced)
    told = {span.attributes["messaging.message.conversation_id"] for span in spans(trace)}
    assert told == {first.id}


def foreign(**attributes):
    message = Message(id="x-1", source="shop.example", type="OrderPlaced", **attributes)
    own = Message(
        id="Payment-1",
        source="/Payment",
        type="PaymentCharged",
        correlationid="x-1",
        causationid="x-1",
        traceparent=f"00-{'a' * 32}-{'b' * 16}-01",
        time="2026-01-01T00:00:00+00:00",
    )
    return Trace(
        [
            Moment("received", "Payment", "event/OrderPlaced", message, 1.0),
            Moment("sent", "Payment", "event/PaymentCharged", own, 2.0),
            Moment("done", "Payment", "event/OrderPlaced", message, 3.0),
        ]
    )


@pytest.mark.parametrize(
    "traceparent",
    [None, "", "nonsense", f"00-{'0' * 32}-{'b' * 16}-01", f"00-{'a' * 32}-{'0' * 16}-01"],
)
def test_a_foreign_message_without_a_traceparent_that_holds_gets_one(traceparent):
    for span in spans(foreign(traceparent=traceparent, time="yesterday")):
        assert span.context.is_valid


def test_what_a_foreign_trace_led_to_is_linked_to_it():
    charged, handled = spans(foreign(traceparent=f"00-{'c' * 32}-{'d' * 16}-01"))
    assert charged.parent is None
    assert charged.links[0].context.span_id == handled.context.span_id
    assert (ids(handled)[0], parent(handled)) == ("c" * 32, "d" * 16)


def test_an_empty_trace_has_no_spans():
    assert spans(Trace()) == []


def test_a_saved_trace_gives_the_same_spans(tmp_path):
    trace = choreographed(orders=2)
    trace.save(tmp_path / "run.jsonl")
    again = spans(Trace.load(tmp_path / "run.jsonl"))
    assert [span.to_json() for span in again] == [span.to_json() for span in spans(trace)]


# -- those who take spans ------------------------------------------------------------------------


def test_the_sdk_takes_them():
    from opentelemetry.sdk.trace.export import SimpleSpanProcessor
    from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

    trace, kept = choreographed(orders=2), InMemorySpanExporter()
    processor = SimpleSpanProcessor(kept)
    for span in spans(trace):
        processor.on_end(span)
    assert len(kept.get_finished_spans()) == len(spans(trace))


def test_an_exporter_gets_all_of_them_in_batches():
    from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

    class Counting(InMemorySpanExporter):
        batches: ClassVar[list[int]] = []

        def export(self, spans):
            self.batches.append(len(spans))
            return super().export(spans)

    trace, kept = choreographed(orders=60), Counting()
    count = export(trace, kept)
    assert count == len(kept.get_finished_spans()) == sum(kept.batches)
    assert kept.batches == [512, count - 512]


@pytest.fixture
def receiver():
    """A receiver of OTLP over HTTP: `.got` are the requests, `.answers` the status it gives."""

    class Receiver(BaseHTTPRequestHandler):
        def do_POST(self):
            body = self.rfile.read(int(self.headers["Content-Length"]))
            self.server.got.append((self.path, self.headers["Content-Type"], body))
            self.send_response(self.server.answers)
            self.end_headers()

        def log_message(self, *_):
            pass

    server = HTTPServer(("127.0.0.1", 0), Receiver)
    server.got, server.answers = [], 200
    server.address = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


def test_a_receiver_of_otlp_gets_them_whole(receiver):
    from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

    trace = choreographed(orders=2)
    count = export(trace, otlp(receiver.address))
    [(path, kind, body)] = receiver.got
    assert (path, kind) == ("/v1/traces", "application/x-protobuf")
    read = ExportTraceServiceRequest.FromString(body)
    services = {
        resource.resource.attributes[0].value.string_value: list(
            chain(*(scope.spans for scope in resource.scope_spans))
        )
        for resource in read.resource_spans
    }
    assert set(services) == {"you", "Order", "Payment", "Inventory", "Shipping", "Notification"}
    arrived = {span.span_id: span for span in chain(*services.values())}
    assert len(arrived) == count
    for span in spans(trace):
        came = arrived[span.context.span_id.to_bytes(8)]
        assert came.trace_id == span.context.trace_id.to_bytes(16)
        assert came.parent_span_id == (span.parent.span_id.to_bytes(8) if span.parent else b"")
        assert (came.name, came.start_time_unix_nano, came.end_time_unix_nano) == (
            span.name,
            span.start_time,
            span.end_time,
        )
        told = {each.key: each.value.string_value for each in came.attributes}
        assert told == dict(span.attributes)


def test_a_path_that_is_named_is_kept(receiver):
    export(choreographed(), otlp(f"{receiver.address}/otlp/v1/traces"))
    assert receiver.got[0][0] == "/otlp/v1/traces"


def test_a_receiver_that_refuses_is_an_error_that_says_how_many_it_took(receiver):
    receiver.answers = 400
    with pytest.raises(LabError, match=r"OTLPSpanExporter took 0 of \d+ spans"):
        export(choreographed(), otlp(receiver.address))


def test_nobody_who_receives_is_an_error_too():
    with socket.socket() as deaf:  # bound, so that nobody else gets the port
        deaf.bind(("127.0.0.1", 0))
        nobody = otlp(f"http://127.0.0.1:{deaf.getsockname()[1]}", timeout_seconds=0.2)
        with pytest.raises(LabError, match=r"took 0 of \d+ spans"):
            export(choreographed(), nobody)


def test_an_exporter_that_raises_gives_the_reason():
    from opentelemetry.sdk.trace.export import SpanExporter

    class Cut(SpanExporter):
        def export(self, spans):
            raise ConnectionError("the line is cut")

    with pytest.raises(LabError, match=r"Cut took 0 of \d+ spans \(the line is cut\)"):
        export(choreographed(), Cut())


@pytest.mark.parametrize("address", ["localhost:4318", "", "http://", None, "grpc://a:4317"])
def test_what_is_no_address_is_refused(address):
    with pytest.raises(LabError, match="needs an address"):
        otlp(address)


@pytest.mark.parametrize(
    ("missing", "use"),
    [
        ("opentelemetry.sdk.trace", lambda: spans(Trace())),
        ("opentelemetry.sdk.trace", lambda: export(Trace(), None)),
        ("opentelemetry.exporter.otlp.proto.http.trace_exporter", otlp),
    ],
)
def test_without_the_extra_the_error_says_how_to_install_it(monkeypatch, missing, use):
    monkeypatch.setitem(sys.modules, missing, None)
    with pytest.raises(LabError, match=r"pip install .*\[otel\]"):
        use()


def test_to_know_of_spans_loads_nothing_of_opentelemetry():
    code = "import labkit.spans, sys; print([m for m in sys.modules if 'opentelemetry' in m])"
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert told.stdout.strip() == "[]"


def test_a_command_that_waits_lasts_longer_than_what_it_waits_for():
    class Worker(Service):
        @command
        async def work(self) -> None:
            await asyncio.sleep(3)

    class Boss(Service):
        @command
        async def ask(self) -> None:
            await self.call(Worker.work)
            await self.call(Worker.work)

    async def day():
        async with Lab(Boss, Worker, simulate=7) as lab:
            await lab.call(Boss.ask, timeout_seconds=60)
        return lab.trace

    found = spans(asyncio.run(day()))
    [asking] = named(found, "process command/Boss/ask")
    working = named(found, "process command/Worker/work")
    assert len(working) == 2
    assert asking.end_time - asking.start_time > sum(s.end_time - s.start_time for s in working)
