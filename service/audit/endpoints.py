"""`GET /audit/events`: the record of events, in pages or as a stream. Reading it is itself an event."""

from __future__ import annotations

from contextlib import ExitStack
from urllib.parse import urlencode

from schema.events import AuditRead
from schema.streams import new_stream
from service.audit.event_stream import VARY, EventStream
from service.audit.filters import FILTERS, REPEATABLE, Filters, read_filters
from service.audit.journal_reader import Page
from service.audit.streams import AuditStreams
from service.endpoints.core import Core
from service.endpoints.exchange import Exchange, endpoint_of
from service.errors import BadParameter
from service.http.accept import accepted
from service.http.cors import cross_origin
from service.http.endpoint import Endpoint
from service.http.query import Query, bad_parameter, read_query
from service.http.request import HttpRequest
from service.http.response import EXPOSED, Response, Sendable, answer
from service.journal.told import as_object
from service.own_api.bearer import Caller, authorize, no_longer_active, only_get, own_api_answers
from service.own_api.scopes import AUDIT_READ

PATH = "/audit/events"

_EVENT_STREAM = "text/event-stream"
_HEAD = "head"
_LAST_EVENT_ID = "Last-Event-ID"
_LIMIT = 100
_LARGEST_LIMIT = 1_000
_LARGEST_POSITION = 2**63 - 1
_OF_PAGES = ("limit", "until")


def audit_endpoints(core: Core) -> dict[str, Endpoint]:
    """The audit endpoint."""
    return {PATH: cross_origin(endpoint_of(core, "audit", audit_events, own_api_answers(AUDIT_READ)))}


async def audit_events(exchange: Exchange) -> Sendable:
    """See who reads and what they ask for; then answer a page or begin a stream."""
    request = exchange.request
    only_get(request)
    caller = await authorize(exchange, AUDIT_READ)
    query = read_query(request.query, ("after", "limit", *FILTERS), REPEATABLE)
    filters = read_filters(query)
    if _wants_stream(request):
        return await _stream(exchange, caller, query, filters)
    return await _page(exchange, caller, query, filters)


async def _page(exchange: Exchange, caller: Caller, query: Query, filters: Filters) -> Response:
    """Read, then commit that it was read, then answer."""
    limit = _number(query, "limit", _LIMIT, _LARGEST_LIMIT)
    if limit < 1:
        raise bad_parameter("limit", f"must be 1 to {_LARGEST_LIMIT}")
    after = await _after(exchange.core.audit, query, "")
    page = await exchange.core.audit.reader.page(after, limit, filters)
    read = AuditRead(
        client_id=caller.client_id,
        subject=caller.subject,
        via="page",
        after=after,
        last=page.next,
        count=len(page.events),
        filters=dict(filters.asked),
    )
    await _commit(exchange, caller, read)
    told = {"events": [as_object(event) for event in page.events], "next": page.next, "head": page.head}
    return answer(told)._replace(headers=(VARY, EXPOSED, *_links(query, page)))


async def _stream(exchange: Exchange, caller: Caller, query: Query, filters: Filters) -> EventStream:
    """Take a place, commit that the record is read from here on, then begin."""
    for name in _OF_PAGES:
        if name in query:
            raise bad_parameter(name, "is for pages: a stream has no end")
    streams = exchange.core.audit
    after = await _after(streams, query, _last_event_id(exchange.request))
    with ExitStack() as place:
        place.enter_context(streams.place(caller.client_id))
        read = AuditRead(
            client_id=caller.client_id, subject=caller.subject, via="stream", after=after, filters=dict(filters.asked)
        )
        await _commit(exchange, caller, read)
        return EventStream(streams, place.pop_all(), exchange.request, caller, after, filters)


async def _commit(exchange: Exchange, caller: Caller, read: AuditRead) -> None:
    """Nothing is told before it is committed, nor to a token that was revoked meanwhile."""
    await exchange.append(new_stream(), 0, read)
    if not await caller.still_active():
        raise no_longer_active(caller)


async def _after(streams: AuditStreams, query: Query, last_event_id: str) -> int:
    """The position to read on after: the last that a stream told of, else the one asked for, else none."""
    if last_event_id:
        name, after = _LAST_EVENT_ID, _parsed(last_event_id)
        if after is None:
            raise BadParameter("bad_parameter", name, "The header Last-Event-ID is not a position.")
    elif query.get("after") == (_HEAD,):
        return await streams.reader.head()
    else:
        name, after = "after", _number(query, "after", 0, _LARGEST_POSITION)
    if after and after > await streams.reader.head():
        # Positions are given out once: who was told a higher one read another journal, or this one was set back.
        raise BadParameter("bad_parameter", name, f"{name} is beyond the end of the record.")
    return after


def _number(query: Query, name: str, default: int, largest: int) -> int:
    (text,) = query.get(name, (str(default),))
    number = _parsed(text)
    if number is None or number > largest:
        raise bad_parameter(name, f"is not a number up to {largest}")
    return number


def _parsed(text: str) -> int | None:
    digits = text.isascii() and text.isdecimal() and len(text) <= len(str(_LARGEST_POSITION))
    return int(text) if digits and int(text) <= _LARGEST_POSITION else None


def _last_event_id(request: HttpRequest) -> str:
    return request.headers.get(b"last-event-id", b"").decode("latin-1").strip()


def _wants_stream(request: HttpRequest) -> bool:
    """Whether Accept names an event stream, and does not refuse it or like JSON better (RFC 9110 section 12.5.1)."""
    weights = accepted(request)
    return weights.get(_EVENT_STREAM, 0.0) > 0 and weights[_EVENT_STREAM] >= weights.get("application/json", 0.0)


def _links(query: Query, page: Page) -> tuple[tuple[bytes, bytes], ...]:
    """Where the next page is (RFC 8288), unless this one reached the end."""
    if page.next >= page.head:
        return ()
    rest = [(name, value) for name, values in query.items() if name != "after" for value in values]
    target = f"{PATH}?{urlencode([('after', str(page.next)), *rest])}"
    return ((b"link", f'<{target}>; rel="next"'.encode("ascii")),)
