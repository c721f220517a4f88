"""What the server says by HTTP: asked at the issuer's address, as a client would, and at a worker's own."""

from __future__ import annotations

import asyncio
import contextlib
import datetime as dt
import re
import socket
from collections.abc import Mapping
from email.utils import parsedate_to_datetime
from typing import Any, NamedTuple

import aiohttp
import msgspec

from service.doctor.ask_tls import DEADLINE, handshakes
from service.doctor.facts import Clock, HttpFacts, Plain, Readiness
from service.doctor.places import is_loopback, split
from service.embedded.listener import http_url

_METADATA = "/.well-known/openid-configuration"
_KEYS = "/.well-known/jwks.json"
_FOUND = 200
_LARGEST = 1_048_576
_MAX_AGE = re.compile(r"max-age=([0-9]{1,10})")
_DATE_WITHIN = 2.0
"""The Date header tells whole seconds, and a server may make it anew once a second."""

_FAILURES = (aiohttp.ClientError, OSError, TimeoutError, ValueError)


class Answer(NamedTuple):
    """An answer to a GET: its body where that is a JSON object. `clock` is by its Date header, None without one."""

    status: int
    headers: Mapping[str, str]
    body: Mapping[str, Any] | None
    clock: Clock | None


async def ask(issuer: str | None, url: str | None, local: str | None) -> tuple[HttpFacts, Clock | None]:
    """Ask at `url`, else at the issuer, else at the address that the server has on this machine.

    Never raises for a server that does not answer: that is a fact.
    """
    places = [each.rstrip("/") for each in (url or issuer, None if url else local) if each]
    if not places:
        return HttpFacts(
            url="", issuer=None, asked="", unreachable="no address of it is known", public_metrics=None
        ), None
    asked, url = places[0], places[0]
    certificate, old = await handshakes(asked)
    async with _session(trusting=certificate is not None) as session:
        metadata = await _get(session, asked + _METADATA)
        unreachable = _not_metadata(metadata)
        if unreachable and places[1:]:
            url = places[1]
            metadata = await _get(session, url + _METADATA)
        silent = isinstance(metadata, str)  # then it is not waited for again and again
        keys = metadata if silent else await _get(session, url + _KEYS)
        metrics = unreachable if silent or url != asked else await _get(session, f"{asked}/metrics")
        said, published = _answered(metadata), _answered(keys)
        facts = HttpFacts(
            url=url,
            issuer=issuer,
            asked=asked,
            unreachable=unreachable,
            metadata=None if said is None else said.body,
            certificate=certificate,
            old_tls=old,
            hsts=None if said is None else said.headers.get("strict-transport-security"),
            plain=await _plain(session, asked, local),
            public_metrics=None if isinstance(metrics, str) else metrics.status == _FOUND,
            jwks=None if published is None else _kids(published),
            jwks_max_age=None if published is None else _max_age(published),
            readiness=await _ready(session, tuple(dict.fromkeys((local or url, url)))),
        )
    return facts, None if said is None else said.clock


def _not_metadata(answer: Answer | str) -> str:
    """Why an answer is no metadata; empty where it is."""
    if isinstance(answer, str):
        return answer
    return "" if answer.status == _FOUND and answer.body else f"it answers {answer.status}, and no metadata"


def _answered(answer: Answer | str) -> Answer | None:
    return None if isinstance(answer, str) or answer.status != _FOUND or answer.body is None else answer


def _session(*, trusting: bool) -> aiohttp.ClientSession:
    """Whether a certificate is one to trust has been looked at; what the server says is asked for in any case."""
    connector = aiohttp.TCPConnector(ssl=not trusting)
    return aiohttp.ClientSession(connector=connector, timeout=aiohttp.ClientTimeout(total=DEADLINE), trust_env=False)


async def _get(session: aiohttp.ClientSession, url: str) -> Answer | str:
    """The answer, or a sentence why there is none."""
    loop = asyncio.get_running_loop()
    try:
        began, asked_at = loop.time(), dt.datetime.now(dt.UTC)
        async with session.get(url, allow_redirects=False, headers={"accept": "application/json"}) as answer:
            took = loop.time() - began
            text = await body_of(answer)
            return Answer(answer.status, answer.headers, _json(text), _clock(answer.headers, asked_at, took))
    except _FAILURES as error:
        return _reason(error)


async def body_of(answer: aiohttp.ClientResponse) -> bytes:
    """The body, however many pieces it comes in, up to a mebibyte of it."""
    body = b""
    while len(body) < _LARGEST and (piece := await answer.content.read(_LARGEST - len(body))):
        body += piece
    return body


def _reason(error: BaseException) -> str:
    if isinstance(error, TimeoutError):
        return f"no answer within {DEADLINE:g} s"
    if isinstance(error, aiohttp.ClientConnectorError):
        return str(error.os_error.strerror or error.os_error)
    return str(error) or type(error).__name__


def _json(text: bytes) -> Mapping[str, Any] | None:
    try:
        decoded = msgspec.json.decode(text)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    return decoded if isinstance(decoded, dict) else None


def _clock(headers: Mapping[str, str], asked_at: dt.datetime, took: float) -> Clock | None:
    """By the Date header; what a cache kept is older by its Age (RFC 9111 section 5.1)."""
    try:
        said = parsedate_to_datetime(headers["date"]) + dt.timedelta(seconds=int(headers.get("age", "0")))
    except (KeyError, ValueError, OverflowError):
        return None
    if said.tzinfo is None:
        return None
    middle = asked_at + dt.timedelta(seconds=took / 2)
    # The moment it tells lay somewhere in the seconds from then on.
    ahead = (said - middle).total_seconds() + _DATE_WITHIN / 2
    return Clock("the server", ahead, took / 2 + _DATE_WITHIN / 2)


def _kids(answer: Answer) -> tuple[str, ...] | None:
    keys = (answer.body or {}).get("keys")
    return tuple(str(key.get("kid")) for key in keys if isinstance(key, dict)) if isinstance(keys, list) else None


def _max_age(answer: Answer) -> int | None:
    found = _MAX_AGE.search(answer.headers.get("cache-control", ""))
    return int(found[1]) if found else None


async def _ready(session: aiohttp.ClientSession, urls: tuple[str, ...]) -> Readiness | None:
    for url in urls:
        answer = await _get(session, f"{url}/health/ready")
        if not isinstance(answer, str):
            with contextlib.suppress(msgspec.ValidationError):
                return msgspec.convert(answer.body, Readiness)
    return None


async def _plain(session: aiohttp.ClientSession, issuer: str, local: str | None) -> tuple[Plain, ...]:
    """What plain HTTP is answered: at the issuer's host, and, where the server runs here, at this machine's outer
    address as others reach it.
    """
    parts = split(issuer)
    urls = []
    if parts.scheme == "https" and parts.hostname and not is_loopback(parts.hostname):
        urls.append(http_url(parts.hostname, 80 if parts.port in {None, 443} else int(parts.port or 80)))
    outer = _outer_address()
    port = split(local or "").port
    if outer is not None and port is not None:
        urls.append(http_url(outer, port))
    found = []
    for url in urls:
        answer = await _get(session, url + _METADATA)
        if isinstance(answer, str):
            found.append(Plain(url, None))
        else:
            found.append(Plain(url, answer.status, answer.headers.get("location", "")))
    return tuple(found)


def _outer_address() -> str | None:
    """The address that this machine would send from; nothing is sent to find out."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))
            address = str(probe.getsockname()[0])
        except OSError:
            return None
    return None if is_loopback(address) else address
