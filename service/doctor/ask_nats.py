"""What NATS says to the service's user, to the user that may only read, and to who shows no credentials."""

from __future__ import annotations

import asyncio
import datetime as dt
import time
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import aiohttp
import msgspec
from nats.aio.client import Client
from nats.aio.msg import Msg

from consumers.connection import Connection, NatsUnavailable, connected
from schema.envelope import STREAM_NAME
from service.doctor.ask_http import body_of
from service.doctor.ask_tls import DEADLINE
from service.doctor.facts import Clock, NatsFacts
from service.doctor.places import split
from service.embedded.home import Home
from service.embedded.listener import http_url
from service.journal.stream import wanted_config

_PROBE = "tally.v1.doctor.probe"
_ELSEWHERE = "TALLYSTICK_DOCTOR"
"""A stream that there is not: JetStream stores nothing that expects another stream than the one it would be in."""

_REFUSED = b'"err_code":10060'
_MONITORING = 8222
_POLL = 0.01


class _JetStreamConfig(msgspec.Struct):
    sync_always: bool = False


class _JetStream(msgspec.Struct):
    config: _JetStreamConfig


class _Monitored(msgspec.Struct):
    """What is read of `/varz`. Where JetStream is not on, its configuration is not there."""

    jetstream: _JetStream


async def ask_nats(
    url: str, audit_url: str | None, home: Home, monitoring: str | None, replicas: int
) -> tuple[NatsFacts, Clock | None]:
    """What NATS says. `monitoring` is the address of its monitoring port. Raises NatsUnavailable."""
    async with connected(url, "tallystick-doctor", DEADLINE) as connection:
        client = connection.client
        host, encrypted = _reached(client._transport)  # noqa: SLF001 nothing public tells
        version = client.connected_server_version
        info, clock = await _stream(connection)
    config, state = info.get("config", {}), info.get("state", {})
    wanted = wanted_config()
    synced, how = await _synced(url, home, monitoring, host)
    facts = NatsFacts(
        version=(version.major, version.minor),
        host=host,
        encrypted=encrypted,
        open=await _takes_anybody(url),
        sync_always=synced,
        sync_how=how,
        cluster=info.get("cluster", {}).get("name"),
        stream_there=bool(config),
        differs=tuple(name for name, value in wanted.items() if config and config.get(name) != value),
        replicas=config.get("num_replicas", 1),
        replicas_wanted=replicas,
        first=state.get("first_seq", 0),
        last=state.get("last_seq", 0),
        deleted=state.get("num_deleted", 0),
        audit_writes=None if audit_url in {None, url} else await _may_write(str(audit_url)),
    )
    return facts, clock


async def _stream(connection: Connection) -> tuple[dict[str, Any], Clock | None]:
    before = time.time()
    answer = await connection.request(f"$JS.API.STREAM.INFO.{STREAM_NAME}")
    after = time.time()
    info: dict[str, Any] = msgspec.json.decode(answer.data)
    clock = None
    if isinstance(there := info.get("ts"), str):
        moment = msgspec.convert(there, dt.datetime).timestamp()
        clock = Clock("NATS", moment - (before + after) / 2, (after - before) / 2)
    return info, clock


async def _takes_anybody(url: str) -> bool:
    """Whether the first server lets in who shows no credentials."""
    parts = urlsplit(url.split(",", maxsplit=1)[0])
    bare = urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2]))
    try:
        async with connected(bare, "tallystick-doctor-without-credentials", DEADLINE):
            return True
    except NatsUnavailable:
        return False


async def _may_write(audit_url: str) -> bool | None:
    """Whether what this user publishes reaches the stream; None where it cannot log in."""
    try:
        async with connected(audit_url, "tallystick-doctor-as-audit", DEADLINE) as connection:
            return await connection.while_connected(_is_heard(connection.client))
    except NatsUnavailable:
        return None


async def _is_heard(client: Client) -> bool:
    """Whether the stream answers a probe, which it refuses to store.

    Who may not publish there is told so by an error of the connection, and where nobody hears it, that is the answer.
    """
    heard: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()

    async def note(message: Msg) -> None:
        if not heard.done():
            heard.set_result(message.data)

    inbox = client.new_inbox()
    await client.subscribe(inbox, cb=note)
    await client.publish(_PROBE, b"", reply=inbox, headers={"Nats-Expected-Stream": _ELSEWHERE})
    while not heard.done() and client.last_error is None:
        await asyncio.sleep(_POLL)
    return heard.done() and _REFUSED in heard.result()


async def _synced(url: str, home: Home, monitoring: str | None, host: str) -> tuple[bool | None, str]:
    """Whether every write is synced, and how that was seen, or why not."""
    if monitoring is None and (own := _own_configuration(url, home)) is not None:
        return own, str(home.path / "nats.conf")
    asked = f"{(monitoring or http_url(host, _MONITORING)).rstrip('/')}/varz"
    timeout = aiohttp.ClientTimeout(total=DEADLINE)
    try:
        async with (
            aiohttp.ClientSession(timeout=timeout) as session,
            session.get(asked, allow_redirects=False) as answer,
        ):
            said = msgspec.json.decode(await body_of(answer), type=_Monitored)
    except (aiohttp.ClientError, OSError, TimeoutError, ValueError, RecursionError):
        return None, f"{asked} does not tell"
    return said.jetstream.config.sync_always, asked


def _own_configuration(url: str, home: Home) -> bool | None:
    """What the embedded NATS was started with; None where the URL is not of it."""
    try:
        config = msgspec.json.decode((home.path / "nats.conf").read_bytes())
        port = (home.path / "nats.port").read_text().strip()
        parts = split(url)
        if parts.hostname != config["host"] or str(parts.port) != port:
            return None
        return bool(config["jetstream"].get("sync_interval") == "always")
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _reached(transport: Any) -> tuple[str, bool]:
    """The address at the other end, and whether the connection is encrypted."""
    writer = transport._io_writer  # noqa: SLF001 nothing public tells
    return str(writer.get_extra_info("peername")[0]), writer.get_extra_info("ssl_object") is not None
