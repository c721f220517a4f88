"""The contract of each event type as JSON Schema (2020-12), made from the types in `schema/events.py`."""

from __future__ import annotations

import inspect
import json
from typing import Any

import msgspec

from schema import events
from schema.events import Event
from schema.field_meanings import meaning_of

DIALECT = "https://json-schema.org/draft/2020-12/schema"
OPEN = (
    "Fields are append-only: a released type never loses or changes one, and a later version may add some. Ignore those"
    " that you do not know. A field that is absent has its default."
)


def file_name(event_type: str) -> str:
    """The name of the file that holds a type's schema."""
    return f"{event_type}.v1.schema.json"


def json_schema(kind: type[Event], example: bytes) -> dict[str, Any]:
    """The schema of an event's body. `example` is one, as it is on the wire."""
    _, found = msgspec.json.schema_components([kind], ref_template="#/$defs/{name}")
    described = {name: _described(name, schema) for name, schema in found.items()}
    own = described.pop(kind.__name__)
    return {
        "$schema": DIALECT,
        "$id": f"urn:tallystick:event:{kind.TYPE}:v1",
        "title": kind.TYPE,
        "description": description_of(kind),
        "$comment": OPEN,
        "type": own["type"],
        "properties": own["properties"],
        "required": own["required"],
        "additionalProperties": True,
        "examples": [json.loads(example)],
        **({"$defs": described} if described else {}),
    }


def description_of(kind: type[msgspec.Struct]) -> str:
    """The docstrings of a type and of the one that it shares fields with, a line for each paragraph."""
    told = [each.__doc__ for each in kind.__mro__ if each.__module__ == kind.__module__ and each is not Event]
    paragraphs = [paragraph for text in told for paragraph in inspect.cleandoc(text or "").split("\n\n")]
    return "\n\n".join(paragraph.replace("\n", " ") for paragraph in paragraphs)


def _described(name: str, schema: dict[str, Any]) -> dict[str, Any]:
    kind: type[msgspec.Struct] = getattr(events, name)
    return {
        "title": schema["title"],
        "description": description_of(kind),
        "type": "object",
        "properties": {
            field: {"description": meaning_of(kind, field), **shape} for field, shape in schema["properties"].items()
        },
        "required": schema["required"],
        "additionalProperties": True,
    }
