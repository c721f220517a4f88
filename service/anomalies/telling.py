"""A finding's event into the journal, and what policy wants done about it: once, however often it is tried.

After a crash the engine finds the same again. A finding's stream and the number of an event in it are the same then, so
what is there already is not told twice; what was to be done is, unless its stream says that it was.
"""

from __future__ import annotations

from uuid import UUID

import msgspec

from consumers.anomalies.deliveries import Undelivered
from consumers.anomalies.findings import FindingEvent, Told
from schema.envelope import Context, RecordedEvent
from schema.events import AnomalyAnswered, AnomalyDetected, AnomalyExtended, Event, Response
from service.access.errors import AccessError
from service.anomalies.deeds import Deeds, Outcome
from service.anomalies.policy import Policy, target_of
from service.journal.port import Append, Journal, JournalUnavailable, VersionConflict

_FINDING = (AnomalyDetected.TYPE, AnomalyExtended.TYPE)
_NAMES_NONE = {
    "revoke_grant": "the finding names no grant",
    "disable_client": "the finding names no client",
    "require_sign_in": "the finding names no account",
}


class Teller:
    """Implements `consumers.anomalies.deliveries.Deliver` as `deliver`."""

    def __init__(self, journal: Journal, deeds: Deeds, policy: Policy) -> None:
        self._journal = journal
        self._deeds = deeds
        self._policy = policy

    async def deliver(self, told: Told) -> None:
        """Append the event unless it is there, and do what is to be done. Raises Undelivered."""
        try:
            await self._append(told)
            for response in self._policy.get(told.event.rule, ()):
                await self._answer(told, response)
        except (JournalUnavailable, AccessError) as error:
            raise Undelivered(str(error)) from error

    async def _append(self, told: Told) -> None:
        version, there = 0, 0
        while there < told.number:
            event = told.event if there else _as_first(told.event)
            try:
                await self._journal.append(Append(told.stream, version, (event,), _by(event.rule)))
            except VersionConflict:
                recorded = await self._journal.read_stream(told.stream)
                version, there = len(recorded), sum(each.type in _FINDING for each in recorded)
            else:
                return

    async def _answer(self, told: Told, response: Response) -> None:
        event, target = told.event, target_of(response, told.event)
        if _is_answered(await self._journal.read_stream(told.stream), response, target):
            return
        if target is None:
            outcome = Outcome(done=False, detail=_NAMES_NONE[response])
        else:
            outcome = await self._deeds.do(response, target, event.rule, told.stream)
        answered = AnomalyAnswered(
            rule=event.rule,
            response=response,
            target=target or event.about,
            done=outcome.done,
            detail=outcome.detail,
            client_id=event.client_id,
        )
        await append_at_end(self._journal, told.stream, answered, _by(event.rule))


async def append_at_end(journal: Journal, stream: UUID, event: Event, context: Context) -> None:
    """Append an event to a finding, whatever comes in between. Raises JournalUnavailable."""
    while True:
        version = len(await journal.read_stream(stream))
        try:
            await journal.append(Append(stream, version, (event,), context))
        except VersionConflict:
            continue
        return


def _is_answered(recorded: list[RecordedEvent], response: Response, target: str | None) -> bool:
    """Whether this was tried before; without a target, whether anything was."""
    answers = (each.fact().event for each in recorded if each.type == AnomalyAnswered.TYPE)
    return any(
        isinstance(answer, AnomalyAnswered) and answer.response == response and target in {None, answer.target}
        for answer in answers
    )


def _as_first(event: FindingEvent) -> AnomalyDetected:
    """A finding's first event is that it was detected."""
    if isinstance(event, AnomalyDetected):
        return event
    return AnomalyDetected(**msgspec.structs.asdict(event))


def _by(rule: str) -> Context:
    return Context(actor=f"rule:{rule}")
