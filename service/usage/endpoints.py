"""`GET /usage/…`: figures for analysts, as JSON, CSV or Parquet. Scope `usage:read`.

What an answer takes in memory is bounded by its rows, and by the places among the readers: one is held from before the
figures are read until the last of them is sent.
"""

from __future__ import annotations

import asyncio
import datetime as dt
from contextlib import ExitStack
from functools import partial
from typing import NamedTuple

from litestar.types import Send

from service.endpoints.core import Core
from service.endpoints.exchange import Exchange, endpoint_of
from service.http.accept import accepted
from service.http.cors import cross_origin
from service.http.endpoint import Endpoint
from service.http.head import Header
from service.http.query import Query, bad_parameter, read_query
from service.http.request import HttpRequest
from service.http.response import ANY_ORIGIN, EXPOSED, Response
from service.http.slow import sent_within
from service.own_api.bearer import authorize, no_longer_active, only_get, own_api_answers
from service.own_api.scopes import USAGE_READ
from service.usage.figures import LIMIT, BadQuestion, Question, question
from service.usage.formats import FORMATS, rendered, written
from service.usage.reading import Figures, UsageReader
from service.usage.subjects import SUBJECTS

_DIMENSIONS = tuple(dict.fromkeys(name for subject in SUBJECTS.values() for name in subject.dimensions))
_KNOWN = ("by", "since", "until", "limit", "format", *_DIMENSIONS)
_LONGEST_NUMBER = 9
_PIECE = 65_536
_TAKEN_WITHIN = 60.0


class Placed(NamedTuple):
    """An answer that keeps its place until it is sent; a reader that takes longer than a minute for it is cut off."""

    answer: Response
    place: ExitStack
    transport: asyncio.Transport | None

    @property
    def status(self) -> int:
        """Its status."""
        return self.answer.status

    async def send(self, send: Send) -> None:
        """Send it."""
        with self.place:
            await sent_within(_TAKEN_WITHIN, send, self.answer.messages(_PIECE), self.transport)


def usage_endpoints(core: Core) -> dict[str, Endpoint]:
    """One endpoint for each subject, such as `/usage/figures`."""
    reader = UsageReader(str(core.settings.database_url))
    return {
        f"/usage/{name}": cross_origin(
            endpoint_of(core, "usage", partial(_figures, reader=reader, name=name), own_api_answers(USAGE_READ))
        )
        for name in SUBJECTS
    }


async def _figures(exchange: Exchange, *, reader: UsageReader, name: str) -> Placed:
    """See who asks and what; ask the database; answer in the format that was wanted, if the token still holds."""
    only_get(exchange.request)
    caller = await authorize(exchange, USAGE_READ)
    query = read_query(exchange.request.query, _KNOWN)
    wanted = _format(exchange.request, query)
    asked = _question(name, query)
    with await reader.place() as place:
        figures = await reader.read(asked)
        body = await asyncio.to_thread(rendered, figures, wanted)
        if not await caller.still_active():
            raise no_longer_active(caller)
        answer = Response(200, body, _headers(figures, name, wanted), _common(FORMATS[wanted]))
        return Placed(answer, place.pop_all(), exchange.request.transport)


def _question(name: str, query: Query) -> Question:
    """What is asked. Raises BadParameter."""
    given = {key: values[0] for key, values in query.items()}
    where = {key: value for key, value in given.items() if key in _DIMENSIONS}
    times = (given.get("by"), given.get("since"), given.get("until"))
    try:
        return question(name, *times, now=dt.datetime.now(dt.UTC), where=where, limit=_limit(given.get("limit")))
    except BadQuestion as bad:
        raise bad_parameter(bad.parameter, bad.problem) from None


def _limit(text: str | None) -> int:
    """How many rows: fewer than the command gives, for the worker has tokens to answer for. Raises BadParameter."""
    if text is None:
        return LIMIT
    limit = int(text) if text.isascii() and text.isdecimal() and len(text) <= _LONGEST_NUMBER else 0
    if not 1 <= limit <= LIMIT:
        raise bad_parameter("limit", f"must be 1 to {LIMIT}")
    return limit


def _format(request: HttpRequest, query: Query) -> str:
    """The parameter `format`, else what Accept likes best, else JSON. Raises BadParameter."""
    (name,) = query.get("format", ("",))
    if name in FORMATS:
        return name
    if name:
        raise bad_parameter("format", f"is not {', '.join(FORMATS)}")
    weights = accepted(request)
    return max(FORMATS, key=lambda each: weights.get(FORMATS[each], 0.0))


def _headers(figures: Figures, name: str, wanted: str) -> tuple[Header, ...]:
    """How far the figures reach, for the formats that have no place for it."""
    headers = [
        (b"tallystick-position", str(figures.position).encode()),
        (b"tallystick-through", (written(figures.through) or "").encode()),
        (b"tallystick-truncated", str(figures.truncated).lower().encode()),
        (b"vary", b"Accept"),
    ]
    if wanted != "json":
        headers.append((b"content-disposition", f'attachment; filename="{name}.{wanted}"'.encode()))
    return tuple(headers)


def _common(media_type: str) -> tuple[Header, ...]:
    text = f"{media_type}; charset=utf-8; header=present" if media_type == "text/csv" else media_type
    return (
        (b"content-type", text.encode()),
        (b"cache-control", b"no-store"),
        (b"x-content-type-options", b"nosniff"),
        ANY_ORIGIN,
        EXPOSED,
    )
