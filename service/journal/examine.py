"""Compares where the stream ends with the journal: before the relay publishes, and every few seconds."""

from __future__ import annotations

from service.journal.leader import Leader
from service.journal.relay_plan import Plan, Tail, decide
from service.journal.stream import Stream, holds


async def examine(leader: Leader, stream: Stream) -> Plan:
    """Compare stream and journal. Raises JournalUnavailable, NatsUnavailable or StreamRefused."""
    state = await stream.info()
    bounds = await leader.bounds()
    if state is None or state.messages == 0 or state.last > bounds.head:
        return decide(state, bounds, Tail.NOT_STORED)
    stored, recorded = await stream.get(state.last), await leader.event(state.last)
    if stored is None:
        return decide(state, bounds, Tail.NOT_STORED)
    if recorded is None:
        return decide(state, bounds, Tail.NOT_KEPT)
    return decide(state, bounds, Tail.SAME if holds(stored, recorded) else Tail.DIFFERENT)
