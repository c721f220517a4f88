"""What a policy can do about a finding, without a worker, so that every worker acts on it.

Each is done once for a finding, however often it is tried: its event names the finding as the reason, and is looked for
before it is done again.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple
from uuid import UUID

from projections.access_model import AccessModel
from projections.accounts import Accounts
from projections.grants import Grant, fold_grant
from schema.envelope import Context
from schema.events import AccountSignedOut, ClientDisabled, Event, Response
from schema.streams import account_stream, client_stream
from service.access.changes import Changes
from service.access.errors import NameUnknown
from service.access.plan import Applied, Plan, client_change
from service.accounts.plan import Directory, signing_out
from service.grants.revoke import revoke_in
from service.journal.barrier import Barrier
from service.journal.postgres import PostgresJournal


class Outcome(NamedTuple):
    """Whether it is so now, and what there is to say of it."""

    done: bool
    detail: str = ""


class Deeds:
    """Does what a policy wants. Every method raises AccessError or JournalUnavailable: try again."""

    def __init__(self, url: str, journal: PostgresJournal) -> None:
        self._url = url
        self._journal = journal
        self._barrier = Barrier(journal.fetch)

    async def do(self, response: Response, target: str, rule: str, finding: UUID) -> Outcome:
        """Do one; on return every worker acts on it."""
        actor, reason = f"rule:{rule}", f"finding {finding}"
        match response:
            case "revoke_grant":
                return await self._revoke(UUID(target), actor, rule)
            case "disable_client":
                return await self._disable(target, actor, reason)
            case "require_sign_in":
                return await self._sign_out(target, actor, reason)

    async def _revoke(self, grant_id: UUID, actor: str, rule: str) -> Outcome:
        grant = await self._grant(grant_id)
        if not grant.version:
            return Outcome(done=False, detail="there is no such grant")
        position = await revoke_in(self._journal, self._grant, Context(actor=actor), grant_id, f"anomaly_{rule}")
        await self._barrier.wait(position or await self._journal.head())
        return Outcome(done=True, detail="" if position else "revoked already")

    async def _disable(self, client_id: str, actor: str, reason: str) -> Outcome:
        event = ClientDisabled(client_id=client_id, reason=reason)
        if await self._is_there(client_stream(client_id), event):
            return Outcome(done=True)

        def decide(there: Directory) -> Plan:
            known = there.access.clients.get(client_id)
            if known is None:
                raise NameUnknown("client", client_id)
            return Plan((client_change(there.access, event),) if known.enabled else ())

        return await self._change(actor, decide, "disabled already")

    async def _sign_out(self, subject: str, actor: str, reason: str) -> Outcome:
        there = Directory(AccessModel(), Accounts())
        await self._changes(actor).read(*there)
        account = there.accounts.by_subject.get(subject)
        if account is None:
            return Outcome(done=False, detail="there is no such account")
        event = AccountSignedOut(subject=subject, reason=reason)
        if await self._is_there(account_stream(account.name), event):
            return Outcome(done=True)
        return await self._change(actor, lambda now: signing_out(now, account.name, reason))

    async def _change(self, actor: str, decide: Callable[[Directory], Plan], already: str = "") -> Outcome:
        changes, applied = self._changes(actor), Applied()

        async def attempt() -> None:
            there = Directory(AccessModel(), Accounts())
            await changes.read(*there)
            for step in decide(there).steps:
                applied.note(step, await changes.append(step))

        try:
            async with changes.alone(applied):
                await changes.decided(attempt, applied)
        except NameUnknown as error:
            return Outcome(done=False, detail=str(error))
        return Outcome(done=True, detail="" if applied.steps else already)

    def _changes(self, actor: str) -> Changes:
        return Changes(self._url, self._journal, actor)

    async def _grant(self, grant_id: UUID) -> Grant:
        return fold_grant(recorded.fact() for recorded in await self._journal.read_stream(grant_id))

    async def _is_there(self, stream: UUID, event: Event) -> bool:
        return any(recorded.fact().event == event for recorded in await self._journal.read_stream(stream))
