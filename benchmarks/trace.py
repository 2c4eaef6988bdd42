"""How long a trace of 10,000 messages takes to be drawn, asked and told."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

from benchmarks.report import Row, keep, options, shown, spread, table
from labkit import Trace, sequence, topology
from labkit.steps import Moment
from labkit.system.message import Message, say

CHAIN = ("OrderPlaced", "PaymentCharged", "InventoryReserved", "ShipmentDispatched")
SERVICES = ("Payment", "Inventory", "Shipping", "Order")


def main(arguments: Sequence[str] | None = None) -> None:
    chosen = options(__doc__ or "", arguments)
    messages, times = (400, 2) if chosen.quick else (10_000, 7)
    trace = long_trace(messages)
    last = trace.sent(CHAIN[-1])[-1]
    asked: dict[str, Callable[[], object]] = {
        "sequence diagram (the first 60)": lambda: sequence(trace)._repr_html_(),
        "topology": lambda: topology(trace)._repr_html_(),
        "why": lambda: trace.why(last),
        "steps, in logical order": trace.steps,
        "text": trace.text,
        "table": lambda: repr(trace.table()),
    }
    rows: list[Row] = [
        {"case": name, "milliseconds": spread([_milliseconds(ask) for _ in range(times)])}
        for name, ask in asked.items()
    ]
    print(f"a trace of {len(trace):,} messages, {len(trace.moments):,} moments")
    lines = [(row["case"], shown(row["milliseconds"], ",.1f")) for row in rows]
    print(table(("case", "ms"), lines))
    keep(chosen.json, {"messages": messages}, rows)


def long_trace(messages: int) -> Trace:
    """Orders that run through the shop, each a chain of four events."""
    moments = [
        Moment("listens", service, f"event/{event}")
        for event, service in zip(CHAIN, SERVICES, strict=True)
    ]
    for number in range(messages // len(CHAIN)):
        cause: Message | None = None
        for sender, event, receiver in zip(("you", *SERVICES), CHAIN, SERVICES, strict=False):
            nth = 1 if cause else number + 1
            said = say("event", event, sender, {"order_id": f"o-{number}"}, nth=nth, cause=cause)
            topic = f"event/{event}"
            moments += [
                Moment("sent", sender, topic, said),
                Moment("received", receiver, topic, said),
            ]
            moments.append(Moment("done", receiver, topic, said))
            cause = said
    return Trace(moments)


def _milliseconds(ask: Callable[[], object]) -> float:
    began = time.perf_counter()
    ask()
    return 1000 * (time.perf_counter() - began)


if __name__ == "__main__":
    main()
