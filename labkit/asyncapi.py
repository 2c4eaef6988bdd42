"""A service's contract as an AsyncAPI document: what it takes, hears, answers and says."""

from __future__ import annotations

import json
from collections.abc import Iterable
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from pydantic import BaseModel, TypeAdapter

from labkit.system.errors import LabError, NotAService
from labkit.system.message import Event, Message
from labkit.system.service import Command, Service
from labkit.trace import Trace

Json = dict[str, Any]
SPECIFICATION = "3.0.0"
SCHEMAS = "#/components/schemas/{model}"
SUFFIXES = (".json",)


class Document(dict[str, Any]):
    """An AsyncAPI document; shows itself as JSON."""

    def __repr__(self) -> str:
        return json.dumps(self, indent=2, ensure_ascii=False)

    def save(self, path: str | Path) -> None:
        """Write it to a file, such as `payment.json`."""
        if Path(path).suffix not in SUFFIXES:
            raise LabError(f"An AsyncAPI document is saved as JSON: `{Path(path).stem}.json`.")
        Path(path).write_text(repr(self) + "\n", encoding="utf-8", newline="\n")


def asyncapi(service: type[Service] | Service, *, says: Trace | Iterable[type[Event]]) -> Document:
    """The contract of one service (AsyncAPI 3.0.0): commands and events told apart by their tags.

    says: what it publishes, which no class declares: events, or a trace of a run in which it said
    all that it says.
    """
    cls = service if isinstance(service, type) else type(service)
    if not (isinstance(cls, type) and issubclass(cls, Service)):
        raise NotAService(f"asyncapi takes a service, such as Payment, and was given {service!r}.")
    made = _Made(cls.__name__)
    for command in cls.commands.values():
        made.command(command)
    for pairs in cls.reactions.values():
        made.heard(pairs[0][0])
    for event, schema in _said(cls, says):
        made.told(event, schema)
    return made.document((cls.__doc__ or "").strip().partition("\n")[0])


def _said(cls: type[Service], says: Trace | Iterable[type[Event]]) -> list[tuple[str, Json | None]]:
    if not isinstance(says, Trace):
        says = list(says)
        for event in says:
            if not (isinstance(event, type) and issubclass(event, Event)):
                raise LabError(
                    f"says takes events, such as OrderPlaced, or a trace, and was given {event!r}."
                )
        return [(event.__name__, _schema(event)) for event in says]
    sent = says.sent(by=cls.__name__)
    kinds = dict.fromkeys(message.type for message in sent if message.kind == "event")
    return [(name, None) for name in kinds]


def _schema(model: type[BaseModel] | TypeAdapter[Any]) -> Json:
    if isinstance(model, TypeAdapter):
        return model.json_schema(ref_template=SCHEMAS)
    return model.model_json_schema(ref_template=SCHEMAS)


class _Made:
    """A document in the making."""

    def __init__(self, service: str) -> None:
        self.service = service
        self.channels: Json = {}
        self.operations: Json = {}
        self.messages: Json = {}
        self.schemas: Json = {}

    def command(self, command: Command[Any, Any]) -> None:
        name = command.message_type
        channel = self._channel(command.topic, name, "command", _schema(command.contract))
        reply = self._channel(None, f"{name}.reply", "reply", _schema(command.result))
        self.operations[f"receive.{name}"] = {
            "action": "receive",
            "channel": channel,
            "title": name,
            "summary": _first_line(command.__doc__) or f"{name}: one receiver, may be refused.",
            "tags": [{"name": "command"}],
            "messages": [self._in(channel, name)],
            "reply": {
                "address": {
                    "location": "$message.payload#/replyto",
                    "description": "The topic on which the caller waits for its answer.",
                },
                "channel": reply,
            },
        }

    def heard(self, event: type[Event]) -> None:
        self._event(event.__name__, _schema(event), "receive", _first_line(event.__doc__))

    def told(self, name: str, schema: Json | None) -> None:
        self._event(name, schema or {"type": "object"}, "send", "")

    def _event(self, name: str, schema: Json, action: str, summary: str) -> None:
        channel = self._channel(f"event/{name}", name, "event", schema)
        self.operations[f"{action}.{name}"] = {
            "action": action,
            "channel": channel,
            "title": name,
            "summary": summary or f"{name}: has happened; any number of receivers.",
            "tags": [{"name": "event"}],
            "messages": [self._in(channel, name)],
        }

    def _channel(self, address: str | None, name: str, kind: str, schema: Json) -> Json:
        self.schemas.update(schema.pop("$defs", {}))
        known = self.messages.get(name)
        if known is None or schema != {"type": "object"}:
            self.messages[name] = self._message(name, kind, schema)
        self.channels[name] = {
            "address": address,
            "messages": {name: {"$ref": f"#/components/messages/{name}"}},
        }
        return {"$ref": f"#/channels/{name}"}

    def _in(self, channel: Json, name: str) -> Json:
        return {"$ref": f"{channel['$ref']}/messages/{name}"}

    def _message(self, name: str, kind: str, schema: Json) -> Json:
        envelope = {"$ref": "#/components/schemas/CloudEvent"}
        payload = {"allOf": [envelope, {"type": "object", "properties": {"data": schema}}]}
        return {
            "name": name,
            "title": name,
            "contentType": "application/cloudevents+json",
            "tags": [{"name": kind}],
            "payload": payload,
        }

    def document(self, description: str) -> Document:
        envelope = Message.model_json_schema(ref_template=SCHEMAS)
        for name, field in Message.model_fields.items():
            if field.exclude:  # it never travels
                del envelope["properties"][name]
        return Document(
            asyncapi=SPECIFICATION,
            info={
                "title": self.service,
                "version": _version(),
                "description": description or f"The service {self.service}.",
            },
            defaultContentType="application/cloudevents+json",
            channels=self.channels,
            operations=self.operations,
            components={
                "messages": self.messages,
                "schemas": {**self.schemas, "CloudEvent": envelope},
            },
        )


def _first_line(doc: str | None) -> str:
    return (doc or "").strip().partition("\n")[0]


def _version() -> str:
    try:
        return version("orchestration-or-choreography")
    except PackageNotFoundError:  # used from a checkout that is not installed
        return "0.0.0"
