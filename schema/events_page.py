"""`docs/events.md`: what the contracts say, for people."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from itertools import groupby
from typing import Any

from schema.asyncapi import ISSUER, recorded_example
from schema.envelope import headers_of, subject_of
from schema.events import EVENT_TYPES, Event
from schema.json_schemas import file_name, json_schema

GROUPS = {
    "The access model": ("resource", "role", "client"),
    "Accounts": ("account", "role.granted", "role.withdrawn"),
    "Signing in, sessions, consent": ("login", "session", "logout", "consent"),
    "Signing keys": ("key",),
    "Tokens and grants": ("token", "grant", "authorization", "device"),
    "What was refused": ("access",),
    "Use, and reading the audit log": ("usage", "audit"),
    "Webhooks": ("webhook",),
    "Anomalies": ("anomaly",),
}
"""Groups of types, by their names or the first words of them."""

_INTRODUCTION = """\
# Events

Every type of event that Tallystick commits and publishes. Made from the types in `schema/events.py` by `make
contracts`, as are the JSON Schemas and the AsyncAPI document in `schema/contracts/`
([asyncapi.json](../schema/contracts/asyncapi.json)); a test holds them equal. How to subscribe is in
[audit-stream.md](audit-stream.md).

**Envelope.** An event is one message of the JetStream stream `TALLYSTICK` on the subject `tally.v1.<type>.<client
id>`. Its headers are CloudEvents 1.0 in binary mode, its body is JSON: the fields below. `ce-subject` is the stream
of the event, the history that it belongs to (a grant, a client, an account, …), and `ce-version` its place there,
from 1. `ce-actor` says who caused it, `ce-sourceaddress` from where and `traceparent` within which trace, the last
two where they are known.

**Actors.** `ce-actor` has one of these forms. What somebody at a command line, a rule, the service or a webhook did has
no source address.

| actor | who |
|---|---|
| `billing-worker` | the client of that id, which has proved who it is, or needs no proof |
| `_` | a caller that has not shown who it is |
| `account:<subject>` | a person who is signed in, or who shows a factor |
| `cli:<login>` | whoever ran a command, by the login of the operating system; `cli:uid-<number>` where it has no name |
| `rule:<name>` | a rule of the anomalies: its findings, and what was done about them by policy |
| `webhook:<name>` | a webhook that was disabled by what its receiver answered |
| `tallystick` | the service by itself: keys, counts of use, sessions that it ends |

**`_` for the client.** The last word of the subject is the id of the registered client that the event is about. Where
it is about none, it is `_`: a client that a caller merely claims to be never makes a subject.

**Ids and order.** `ce-id` is the event's position: 1, 2, 3 … in the order of commits, without gaps, and the message's
sequence in the stream. After N comes N + 1; if it does not, something was taken from the stream. Delivery is at least
once, so a position that you have handled may come again: act once on each.

**Versions.** Fields are append-only. A released type never loses a field or gives one another meaning; a new field
has a default, and a field that is absent has its default. Ignore fields that you do not know, types that you do not
know, and headers that you do not know. A change that cannot be made this way would be a new type, or `v2` in subject
and `ce-type`.

**No secrets.** Tokens, codes and client secrets appear as keyed digests only, passwords not at all. Times in bodies
are whole seconds since 1970-01-01 UTC; scopes are separated by spaces (RFC 6749 section 3.3).
"""


def events_page(examples: Mapping[str, bytes]) -> str:
    """The page. `examples` has the body of one event for each type. Raises KeyError for a type that is in no group."""
    parts = [_INTRODUCTION, "## Contents\n"]
    grouped = [(title, list(kinds)) for title, kinds in groupby(_in_order(), key=_group_of)]
    parts += [f"- {title}: {', '.join(map(_link, kinds))}" for title, kinds in grouped]
    for title, kinds in grouped:
        parts.append(f"\n## {title}")
        parts += ["\n".join(_section(kind, examples[kind.TYPE])) for kind in kinds]
    return "\n".join(parts) + "\n"


def _in_order() -> list[type[Event]]:
    titles = list(GROUPS)
    return sorted(EVENT_TYPES.values(), key=lambda kind: titles.index(_group_of(kind)))


def _group_of(kind: type[Event]) -> str:
    return _GROUP_OF.get(kind.TYPE) or _GROUP_OF[kind.TYPE.partition(".")[0]]


_GROUP_OF = {word: title for title, words in GROUPS.items() for word in words}


def _link(kind: type[Event]) -> str:
    """To the type's heading, by the anchor that GitHub makes of it."""
    return f"[{kind.TYPE}](#{kind.TYPE.replace('.', '')})"


def _section(kind: type[Event], example: bytes) -> Iterator[str]:
    schema = json_schema(kind, example)
    yield f"\n### {kind.TYPE}\n\n{schema['description']}\n"
    yield from _table(schema)
    for name, part in schema.get("$defs", {}).items():
        yield f"\n{name}: {part['description']}\n"
        yield from _table(part)
    recorded = recorded_example(example, kind.TYPE)
    schema_link = f"[schema](../schema/contracts/{file_name(kind.TYPE)})"
    yield f"\nFor example ({schema_link}), on `{subject_of(kind.TYPE, recorded.client)}`:\n"
    yield from (f"    {name}: {value}" for name, value in headers_of(recorded, ISSUER).items())
    yield ""
    yield from (f"    {line}" for line in json.dumps(json.loads(example), indent=2, ensure_ascii=False).splitlines())


def _table(schema: dict[str, Any]) -> Iterator[str]:
    yield "| field | type | | meaning |"
    yield "|---|---|---|---|"
    for name, shape in schema["properties"].items():
        needed = "required" if name in schema["required"] else f"default `{json.dumps(shape.get('default'))}`"
        yield f"| `{name}` | {_type_of(shape)} | {needed} | {shape['description']} |"


def _type_of(shape: dict[str, Any]) -> str:
    """A shape of JSON Schema in a few words."""
    if "enum" in shape:
        return "one of " + ", ".join(f"`{each}`" for each in shape["enum"])
    if "anyOf" in shape:
        return " or ".join(_type_of(each) for each in shape["anyOf"])
    if "$ref" in shape:
        return str(shape["$ref"]).rpartition("/")[2]
    if shape.get("type") == "array":
        return f"array of {_type_of(shape.get('items', {}))}"
    values = shape.get("additionalProperties")
    return f"object of {_type_of(values)}" if isinstance(values, dict) and values else str(shape.get("type", "any"))
