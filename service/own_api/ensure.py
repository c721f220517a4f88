"""The own API in the access model: a worker's start makes it, and adds what this version has more than the last."""

from __future__ import annotations

from projections.access_model import AccessModel
from schema.events import Event, ResourceRegistered, ResourceUpdated
from schema.streams import resource_stream
from service.journal.port import Append, Journal, VersionConflict
from service.own_api.scopes import OWN_API, complete

_ATTEMPTS = 5


async def ensure_own_api(journal: Journal) -> None:
    """Make the own API, or give it the scopes that it lacks, unless all is there.

    Several that start at once conflict: one wins, the others look again. Raises JournalUnavailable, or VersionConflict
    where it goes on being changed.
    """
    for attempt in range(1, _ATTEMPTS + 1):
        try:
            await _ensure(journal)
        except VersionConflict:
            if attempt == _ATTEMPTS:
                raise
        else:
            return


async def _ensure(journal: Journal) -> None:
    stream, model = resource_stream(OWN_API), AccessModel()
    for recorded in await journal.read_stream(stream):
        model.apply(recorded.fact())
    known = model.resources.get(OWN_API)
    scopes = complete(known.scopes if known else {})
    if known is not None and known.scopes == scopes:
        return
    made: Event = (
        ResourceUpdated(uri=OWN_API, scopes=scopes) if known else ResourceRegistered(uri=OWN_API, scopes=scopes)
    )
    await journal.append(Append(stream, model.version_of(stream), (made,)))
