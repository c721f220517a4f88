"""The findings in the journal, each folded from its stream's events."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any
from uuid import UUID

import msgspec

from schema.envelope import RECORDED_COLUMNS, Context, RecordedEvent
from schema.events import AnomalyAcknowledged, AnomalyAnswered, AnomalyDetected, AnomalyExtended, Finding, Severity
from service.access.changes import cli_actor
from service.journal.port import Append, Journal, VersionConflict
from service.journal.postgres import PostgresJournal

# The list of types is literal, so that the partial index of migration 0009 serves it.
_ALL = f"""
    SELECT {RECORDED_COLUMNS} FROM journal.events
    WHERE type IN ('anomaly.detected', 'anomaly.extended', 'anomaly.answered', 'anomaly.acknowledged')
    ORDER BY position
"""  # noqa: S608 constant
_AT = f"SELECT {RECORDED_COLUMNS} FROM journal.events WHERE position = ANY ($1) ORDER BY position"  # noqa: S608 constant


class FoundError(Exception):
    """An id names no finding, or more than one."""


class Answer(msgspec.Struct):
    """What was done about a finding by policy."""

    response: str
    target: str
    done: bool
    detail: str


class Found(msgspec.Struct, kw_only=True):
    """A finding as it is now. Times are in seconds since 1970; `note` is that of who acknowledged it."""

    id: UUID
    rule: str
    severity: Severity
    technique: str
    about: str
    summary: str
    first_at: int
    last_at: int
    count: int
    evidence: tuple[int, ...]
    sources: tuple[str, ...]
    client_id: str | None
    subject: str | None
    grant_id: str | None
    acknowledged: bool = False
    note: str = ""
    answers: list[Answer] = []


def fold_found(recorded: Iterable[RecordedEvent]) -> list[Found]:
    """The findings, the one that began first being the first."""
    found: dict[UUID, Found] = {}
    for each in recorded:
        event, known = each.fact().event, found.get(each.stream)
        if isinstance(event, AnomalyDetected | AnomalyExtended):
            found[each.stream] = _grown(each.stream, event, known)
        elif known is not None and isinstance(event, AnomalyAnswered):
            known.answers.append(Answer(event.response, event.target, event.done, event.detail))
        elif known is not None and isinstance(event, AnomalyAcknowledged):
            known.acknowledged, known.note = True, event.note
    return list(found.values())


async def read_found(journal: PostgresJournal) -> list[Found]:
    """All findings of the journal. Raises JournalUnavailable."""
    return fold_found(RecordedEvent.from_row(row) for row in await journal.fetch(_ALL))


async def events_at(journal: PostgresJournal, positions: Iterable[int]) -> list[RecordedEvent]:
    """The events of some positions, in order. Raises JournalUnavailable."""
    return [RecordedEvent.from_row(row) for row in await journal.fetch(_AT, list(positions))]


def named(found: Iterable[Found], text: str) -> Found:
    """The finding whose id is, or alone begins with, a text. Raises FoundError."""
    wanted = text.strip().lower()
    matching = [each for each in found if str(each.id).startswith(wanted)] if wanted else []
    if len(matching) > 1:
        raise FoundError(f"{len(matching)} findings begin with {text!r}: write more of the id")
    if not matching:
        raise FoundError(f"there is no finding {text!r}")
    return matching[0]


async def acknowledge(journal: Journal, finding: Found, note: str) -> bool:
    """Say that somebody has seen a finding; False where it was acknowledged before. Raises JournalUnavailable."""
    event = AnomalyAcknowledged(rule=finding.rule, note=note, client_id=finding.client_id, about=finding.about)
    while True:
        recorded = await journal.read_stream(finding.id)
        if any(each.type == AnomalyAcknowledged.TYPE for each in recorded):
            return False
        try:
            await journal.append(Append(finding.id, len(recorded), (event,), Context(actor=cli_actor())))
        except VersionConflict:
            continue
        return True


def _grown(stream: UUID, event: Finding, known: Found | None) -> Found:
    fields: dict[str, Any] = {name: getattr(event, name) for name in Finding.__struct_fields__}
    if known is None:
        return Found(id=stream, **fields)
    return msgspec.structs.replace(known, **fields)
