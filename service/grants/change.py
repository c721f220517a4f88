"""One change of a grant after the other: by turns within a worker, by the version of its stream between workers."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from typing import TypeVar
from uuid import UUID

from projections.grants import Grant
from service.endpoints.core import Core
from service.journal.port import JournalUnavailable, VersionConflict

T = TypeVar("T")


async def change_grant(core: Core, grant_id: UUID, attempt: Callable[[Grant], Awaitable[T]]) -> T:
    """What an attempt makes of a grant: it decides and commits under the version that it is given.

    Where it raises VersionConflict another worker was faster: it is tried again with the grant as it is then, for as
    long as a commit may take. A grant that there is none of has version 0. Raises JournalUnavailable, and what the
    attempt raises.
    """
    async with core.grants.turn(grant_id):
        await core.follower.ensure_fresh()  # the turn may have been long in coming
        grant = await core.grants.get(grant_id) or Grant()
        until = time.monotonic() + core.settings.commit_deadline
        while time.monotonic() < until:
            try:
                return await attempt(grant)
            except VersionConflict:
                grant = await core.grants.reload(grant_id)
    raise JournalUnavailable("the grant changes too fast")
