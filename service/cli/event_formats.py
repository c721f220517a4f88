"""The formats in which events are printed for programs: one JSON object a line each."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import msgspec

from consumers.exports.ecs import ecs_document
from consumers.exports.ocsf import ocsf_event
from schema.envelope import RecordedEvent
from service.journal.told import as_object


class Format(NamedTuple):
    """How an event becomes an object, and where that has the event's position: names, from the outside in."""

    object_of: Callable[[RecordedEvent], dict[str, Any]]
    position: tuple[str, ...]

    def line(self, event: RecordedEvent) -> str:
        """The event as one line of JSON, without the end of the line."""
        return msgspec.json.encode(self.object_of(event)).decode()

    def position_of(self, line: bytes) -> int:
        """The position of a line's event. Raises ValueError for a line that is none of this format."""
        found: Any = msgspec.json.decode(line)
        for name in self.position:
            found = found.get(name) if isinstance(found, dict) else None
        if isinstance(found, int):
            return found
        raise ValueError(f"it has no {'.'.join(self.position)}")


FORMATS = {
    "json": Format(as_object, ("position",)),
    "ecs": Format(ecs_document, ("event", "sequence")),
    "ocsf": Format(ocsf_event, ("metadata", "sequence")),
}
