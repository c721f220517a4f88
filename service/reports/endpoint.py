"""`POST /access/rejected`: an API tells what it refused, with a token that has the scope `access:report`.

Each refusal becomes an `access.rejected` event of its own, whose actor is the API. What the API says of a token is
taken where that token is one for it, so that no API can put in a bad word about another's.
"""

from __future__ import annotations

import asyncio
import time
from uuid import UUID

from schema.envelope import NO_CLIENT, Context
from schema.events import AccessRejected
from schema.streams import derived_stream, new_stream
from service.endpoints.core import Core
from service.endpoints.exchange import Exchange, endpoint_of
from service.http.endpoint import Endpoint
from service.http.query import bad_parameter
from service.http.response import Response, answer
from service.journal.port import Append, VersionConflict
from service.limits.windows import What
from service.own_api.bearer import Caller, authorize, own_api_answers
from service.own_api.scopes import ACCESS_REPORT
from service.printable import printable
from service.reports.report import LARGEST, REASONS, Rejected, Report, read_report

PATH = "/access/rejected"
ENDPOINT = "api"
"""The `endpoint` of events about what an API refused: none of this server's own."""

DROPPED = ("reports_dropped", "unreported")
"""Reason and error where an API could not keep all that it refused."""

_TEXT, _SCOPES = 256, 2_048
_OF_GRANTS = 7  # the version of the UUIDs of grants


def report_endpoints(core: Core) -> dict[str, Endpoint]:
    """The endpoint for reports."""
    return {PATH: endpoint_of(core, "report", take_report, own_api_answers(ACCESS_REPORT))}


async def take_report(exchange: Exchange) -> Response:
    """See who reports and for which API; commit what was refused; then answer how many."""
    body = await exchange.request.json_body(LARGEST)
    caller = await authorize(exchange, ACCESS_REPORT)
    report = read_report(body, time.time())
    reporter = exchange.core.state.access.clients[caller.client_id]
    if report.api not in reporter.settings.introspects:
        raise bad_parameter("api", "is none that the client introspects")
    rejections = [_append(exchange, caller, report, rejected) for rejected in report.rejections]
    if report.dropped:
        rejections.append(_append_dropped(exchange, caller, report))
    taken = await asyncio.gather(*rejections)
    return answer({"taken": sum(taken)})


async def _append(exchange: Exchange, caller: Caller, report: Report, rejected: Rejected) -> bool:
    """Commit one refusal, or of too many count it alone; False where it was told before."""
    client_id, token_id = await _known(exchange.core, report.api, rejected)
    event = AccessRejected(
        endpoint=ENDPOINT,
        error=REASONS[rejected.reason],
        reason=rejected.reason,
        status=rejected.status,
        client_id=client_id,
        token_id=token_id,
        user_agent=_shown(rejected.user_agent, _TEXT),
        api=report.api,
        method=_shown(rejected.method, _TEXT),
        route=_shown(rejected.route, _TEXT),
        required_scope=_shown(rejected.required_scope, _SCOPES) or None,
        present_scope=_shown(rejected.present_scope, _SCOPES),
        rejected_at=int(rejected.at),
    )
    counted = What(ENDPOINT, event.error, event.reason, event.status)
    grant_id, _, _ = (token_id or "").partition(".")
    if not exchange.core.limits.may_journal(
        counted, rejected.source_address, client_id=caller.client_id, target=grant_id or client_id
    ):
        _count(exchange, event)
        return True
    stream = derived_stream(int(rejected.at * 1_000), f"{caller.client_id}/{report.api}/{rejected.id}")
    return await _commit(exchange, stream, event, rejected.source_address)


async def _append_dropped(exchange: Exchange, caller: Caller, report: Report) -> bool:
    event = AccessRejected(
        endpoint=ENDPOINT,
        error=DROPPED[1],
        reason=DROPPED[0],
        status=0,
        detail=str(report.dropped),
        api=report.api,
    )
    counted = What(ENDPOINT, event.error, event.reason, event.status)
    if not exchange.core.limits.may_journal(counted, exchange.request.source, client_id=caller.client_id):
        _count(exchange, event, report.dropped)
        return True
    return await _commit(exchange, new_stream(), event, exchange.request.source, report.dropped)


async def _commit(
    exchange: Exchange, stream: UUID, event: AccessRejected, source: str | None, accesses: int = 1
) -> bool:
    context = Context(actor=exchange.context.actor, source=source, trace=exchange.request.trace)
    try:
        await exchange.core.journal.append(Append(stream, 0, (event,), context))
    except VersionConflict:
        return False
    _count(exchange, event, accesses)
    return True


def _count(exchange: Exchange, event: AccessRejected, accesses: int = 1) -> None:
    exchange.core.metrics.rejected(ENDPOINT, event.reason, event.client_id or NO_CLIENT)
    exchange.core.metrics.api_rejected(event.api or "", event.reason, accesses)


async def _known(core: Core, api: str, rejected: Rejected) -> tuple[str | None, str | None]:
    """Client and id of the token, where it is one for that API."""
    grant_id, _, number = (rejected.token_id or "").rpartition(".")
    try:
        stream, place = UUID(grant_id), int(number)
    except ValueError:
        return None, None
    grant = await core.grants.get(stream) if stream.version == _OF_GRANTS else None
    token = None if grant is None else grant.tokens.get(place)
    if token is None or token.audience != api:
        return None, None
    return token.client_id, f"{stream}.{place}"


def _shown(text: str | None, limit: int) -> str | None:
    return None if text is None else printable(text, limit)
