"""One call of `journal.append`: a batch of requests as its parallel arrays, and its row as one outcome per request."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from schema.envelope import Fact, client_of
from schema.events import encode
from service.journal.group_commit import Outcome
from service.journal.port import AlreadyUsed, Append, Appended, VersionConflict


def arrays_of(requests: Sequence[Append]) -> tuple[list[Any], ...]:
    """The twelve arguments of the SQL function, in its order."""
    columns: tuple[list[Any], ...] = tuple([] for _ in range(12))
    number, stream, version, kind, client, data, actor, source, trace, once_of, once_key, once_until = columns
    for ordinal, request in enumerate(requests, start=1):
        for place, event in enumerate(request.events, start=request.expected_version + 1):
            number.append(ordinal)
            stream.append(request.stream)
            version.append(place)
            kind.append(event.TYPE)
            client.append(client_of(event))
            data.append(encode(event).decode())
            actor.append(request.context.actor)
            source.append(request.context.source)
            trace.append(request.context.trace)
        if request.once is not None:
            once_of.append(ordinal)
            once_key.append(request.once.key)
            once_until.append(request.once.until)
    return columns


def outcomes_of(requests: Sequence[Append], row: Any) -> tuple[list[Outcome], list[Fact]]:
    """One outcome per request and all committed facts: positions follow `head_before` in request order."""
    position: int = row["head_before"]
    recorded_at = row["recorded_at"]
    refused, replayed = set(row["refused"]), set(row["replayed"])
    outcomes: list[Outcome] = []
    facts: list[Fact] = []
    for ordinal, request in enumerate(requests, start=1):
        if ordinal in refused:
            outcomes.append(VersionConflict(str(request.stream)))
        elif ordinal in replayed:
            outcomes.append(AlreadyUsed(str(request.stream)))
        else:
            first = position + 1
            for version, event in enumerate(request.events, start=request.expected_version + 1):
                position += 1
                facts.append(Fact(position, request.stream, version, event, recorded_at, request.context.source))
            outcomes.append(Appended(first, position, recorded_at))
    return outcomes, facts
