"""The contract of the audit stream as an AsyncAPI 3.0 document: a channel, an operation and a message for each type."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Mapping
from typing import Any
from uuid import UUID

from schema.envelope import NO_CLIENT, Context, RecordedEvent, client_of, headers_of, subject_of
from schema.events import EVENT_TYPES, Event, decode
from schema.json_schemas import OPEN, description_of, file_name
from schema.streams import KEYS_STREAM, entity_stream

ISSUER = "https://auth.example.com"
VERSION = "1.0.0"
"""Grows with the types: the middle number with a type or a field, the last with a wording."""

_GRANT = UUID("019b76da-a800-7000-8000-000000000001")
_ENTITIES = {
    "resource": ("resource", "uri"),
    "role": ("role", "name"),
    "client": ("client", "client_id"),
    "account": ("account", "name"),
    "webhook": ("webhook", "name"),
}
_OF_OPERATORS = frozenset(("resource", "role", "client", "webhook"))
_BY_OPERATORS = frozenset(f"account.{what}" for what in ("registered", "disabled", "enabled", "removed"))
_OF_PEOPLE = frozenset(("account", "session", "consent"))
_ABOUT = """\
Tallystick publishes every event that it has committed to the NATS JetStream stream `TALLYSTICK`, in commit order and \
without gaps: event N has the stream sequence N. Operations are seen from Tallystick, which sends; who subscribes \
receives, by a consumer on the stream. Headers are CloudEvents 1.0 in binary mode. Delivery is at least once: of one \
`ce-id`, act once. """


def recorded_example(body: bytes, event_type: str) -> RecordedEvent:
    """A recorded event with that body, as an example."""
    event = decode(event_type, body)
    by = _cause(event)
    return RecordedEvent(
        position=42,
        stream=_stream_of(event),
        version=1,
        type=event_type,
        client=client_of(event),
        data=body.decode(),
        actor=by.actor,
        source=by.source,
        trace=by.trace,
        recorded_at=dt.datetime(2026, 1, 1, 0, 0, 0, 250_000, dt.UTC),
    )


def _cause(event: Event) -> Context:
    """Who causes such an event, most often: an operator, a rule or the service itself has no address."""
    kind, what = event.TYPE.split(".", 1)
    if event.TYPE in _BY_OPERATORS or kind in _OF_OPERATORS:
        return Context("webhook:siem" if event.TYPE == "webhook.disabled" else "cli:operator")
    if kind == "anomaly":
        return Context("cli:operator" if what == "acknowledged" else f"rule:{getattr(event, 'rule', '')}")
    if kind in {"key", "usage", "logout"}:
        return Context()
    subject = getattr(event, "subject", None)
    by_person = subject and (kind in _OF_PEOPLE or what in {"granted", "denied", "approved"})
    by = NO_CLIENT if event.TYPE == "login.failed" else f"account:{subject}" if by_person else client_of(event)
    return Context(by, "192.0.2.7", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")


def document(examples: Mapping[str, bytes]) -> dict[str, Any]:
    """The document. `examples` has the body of one event for each type."""
    return {
        "asyncapi": "3.0.0",
        "id": "urn:tallystick:audit-stream",
        "info": {
            "title": "Tallystick audit stream",
            "version": VERSION,
            "description": _ABOUT + OPEN,
            "license": {"name": "Apache-2.0", "url": "https://www.apache.org/licenses/LICENSE-2.0"},
        },
        "defaultContentType": "application/json",
        "servers": {"nats": _SERVER},
        "channels": {name: _channel(name, kind) for name, kind in EVENT_TYPES.items()},
        "operations": {f"send.{name}": _operation(name) for name in EVENT_TYPES},
        "components": {
            "messages": {name: _message(name, kind, examples[name]) for name, kind in EVENT_TYPES.items()},
            "messageTraits": {"cloudEvent": {"contentType": "application/json", "headers": _HEADERS}},
            "parameters": {"client": _CLIENT},
            "securitySchemes": {"user": {"type": "userPassword", "description": "A user of the NATS account AUDIT."}},
        },
    }


def _channel(name: str, kind: type[Event]) -> dict[str, Any]:
    return {
        "address": subject_of(name, "{client}"),
        "title": name,
        "summary": summary_of(kind),
        "servers": [{"$ref": "#/servers/nats"}],
        "parameters": {"client": {"$ref": "#/components/parameters/client"}},
        "messages": {name: {"$ref": f"#/components/messages/{name}"}},
    }


def _operation(name: str) -> dict[str, Any]:
    channel = f"#/channels/{name}"
    return {
        "action": "send",
        "summary": f"Publishes {name} once it is committed.",
        "channel": {"$ref": channel},
        "messages": [{"$ref": f"{channel}/messages/{name}"}],
    }


def _message(name: str, kind: type[Event], body: bytes) -> dict[str, Any]:
    headers = headers_of(recorded_example(body, name), ISSUER)
    return {
        "name": f"tallystick.{name}.v1",
        "title": name,
        "summary": summary_of(kind),
        "traits": [{"$ref": "#/components/messageTraits/cloudEvent"}],
        "payload": {"$ref": f"./{file_name(name)}"},
        "examples": [{"name": name, "headers": headers, "payload": json.loads(body)}],
    }


def summary_of(kind: type[Event]) -> str:
    """The first sentences of a type: when it happens."""
    return description_of(kind).partition("\n")[0]


def _stream_of(event: Event) -> UUID:
    kind = event.TYPE.partition(".")[0]
    if kind == "key":
        return KEYS_STREAM
    entity, field = _ENTITIES.get(kind, ("", ""))
    name = getattr(event, field, None) or (getattr(event, "subject", None) if kind in {"account", "role"} else None)
    return entity_stream(entity, str(name)) if entity and name else _GRANT


def _text(description: str, **rules: Any) -> dict[str, Any]:
    return {"type": "string", "description": description, **rules}


_SERVER = {
    "host": "{host}:{port}",
    "protocol": "nats",
    "description": "NATS 2.12 or newer with JetStream; the stream is TALLYSTICK.",
    "variables": {
        "host": {"default": "127.0.0.1", "description": "The NATS server's name."},
        "port": {"default": "4222", "description": "Its port."},
    },
    "security": [{"$ref": "#/components/securitySchemes/user"}],
}
_CLIENT = {
    "description": "The registered client that the event is about, or `_`: 1 to 64 of A-Z a-z 0-9 _ -.",
    "examples": ["billing-worker", NO_CLIENT],
}
_HEADERS = {
    "type": "object",
    "description": "CloudEvents 1.0, binary mode. Ignore headers that you do not know, such as those of NATS.",
    "required": ["ce-specversion", "ce-id", "ce-source", "ce-type", "ce-subject", "ce-time", "ce-version", "ce-actor"],
    "properties": {
        "ce-specversion": _text("The version of CloudEvents.", enum=["1.0"]),
        "ce-id": _text("The event's position, which is the stream's sequence.", pattern="^[1-9][0-9]*$"),
        "ce-source": _text("The issuer.", format="uri-reference", minLength=1),
        "ce-type": _text("`tallystick.<type>.v1`.", pattern=r"^tallystick\.[a-z_]+\.[a-z_]+\.v1$"),
        "ce-subject": _text("The stream of the event: a grant, a client, an account, …", format="uuid"),
        "ce-time": _text("When it was committed, UTC.", format="date-time"),
        "ce-version": _text("The event's place in its stream, from 1.", pattern="^[1-9][0-9]*$"),
        "ce-actor": _text("Who caused it."),
        "ce-sourceaddress": _text("The address that the request came from, where there was one."),
        "traceparent": _text("The caller's trace (W3C Trace Context), where it sent one."),
        "Content-Type": _text("The body's type.", enum=["application/json"]),
    },
}
