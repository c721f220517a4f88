"""One request: what an endpoint may do to it, and what its answer means."""

from __future__ import annotations

import asyncio
import datetime as dt
import ssl
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from consumers.webhooks.sender import Answer, Sender
from tests.webhooks.receiver import Receiver

Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Coroutine[Any, Any, None]]
PATIENT = 60.0


@asynccontextmanager
async def raw_server(serve: Serve, tls: ssl.SSLContext | None = None) -> AsyncIterator[str]:
    """A server of bytes; gives its address."""
    server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=tls)
    scheme = "http" if tls is None else "https"
    try:
        yield f"{scheme}://127.0.0.1:{server.sockets[0].getsockname()[1]}/"
    finally:
        server.close()


async def answer_of(url: str, timeout: float = PATIENT) -> Answer:
    """The answer to one message."""
    sender = Sender(timeout=timeout, private=True)
    try:
        return await sender.send(url, {"webhook-id": "evt_1"}, b"{}")
    finally:
        await sender.close()


def saying(text: bytes, *, then: bytes = b"", pause: float = 0.0) -> Serve:
    """Serves these bytes, then others without end if there are any."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await reader.readuntil(b"\r\n\r\n")
            writer.write(text)
            while then:
                writer.write(then)
                await writer.drain()
                await asyncio.sleep(pause)
            await writer.drain()
        except (OSError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    return serve


@pytest.mark.parametrize("status", [200, 201, 202, 204, 299])
async def test_any_2xx_is_taken(receiver: Receiver, status: int) -> None:
    """Every success counts."""
    receiver.answer = lambda _: status
    assert (status, True) == ((answer := await answer_of(receiver.url)).status, answer.taken)


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_a_redirect_is_a_failure_and_not_followed(receiver: Receiver, status: int) -> None:
    """Nothing goes to where an endpoint points."""
    receiver.answer = lambda _: web.Response(status=status, headers={"location": receiver.url + "/elsewhere"})
    assert Answer(status, f"HTTP {status}") == await answer_of(receiver.url)
    assert [each.path for each in receiver.received] == ["/events"]


@pytest.mark.parametrize(
    ("header", "wait"),
    [
        *(("30", 30.0), ("0", 0.0), ("999999999999999999999", 3600.0), ("soon", None), ("-5", None), ("", None)),
        ("Mon, 01 Jan 2026 00:00:00 +99999999999999999", None),
        ("Mon, 01 Jan 0001 00:00:00 +2359", 0.0),
        ("Fri, 31 Dec 9999 23:59:59 -2359", 3600.0),
    ],
)
async def test_an_answer_may_ask_to_wait(receiver: Receiver, header: str, wait: float | None) -> None:
    """Retry-After is heard, within bounds."""
    receiver.answer = lambda _: web.Response(status=503, headers={"retry-after": header})
    assert Answer(503, "HTTP 503", wait) == await answer_of(receiver.url)


async def test_it_may_ask_by_a_date(receiver: Receiver) -> None:
    """Retry-After may be a date."""
    later = (dt.datetime.now(dt.UTC) + dt.timedelta(seconds=100)).strftime("%a, %d %b %Y %H:%M:%S GMT")
    receiver.answer = lambda _: web.Response(status=429, headers={"retry-after": later})
    answer = await answer_of(receiver.url)
    assert answer.wait is not None
    assert 80 < answer.wait <= 100


async def test_the_environments_proxy_is_not_used(receiver: Receiver, monkeypatch: pytest.MonkeyPatch) -> None:
    """A proxy would connect to what was not checked here."""
    for name in ("http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    assert (await answer_of(receiver.url)).taken


async def test_cookies_are_not_kept(receiver: Receiver) -> None:
    """An endpoint cannot mark what is sent to it."""
    receiver.answer = lambda _: web.Response(headers={"set-cookie": "a=b"})
    sender = Sender(timeout=PATIENT, private=True)
    for _ in range(2):
        await sender.send(receiver.url, {}, b"{}")
    await sender.close()
    assert [each.headers.get("Cookie") for each in receiver.received] == [None, None]


async def test_an_answer_without_end_counts_by_its_status() -> None:
    """Neither an endless answer nor one that drips keeps a message under way, or fills memory."""
    head = b"HTTP/1.1 200 OK\r\ncontent-length: 999999999999\r\n\r\n"
    for endless in (saying(head, then=b"x" * 65_536), saying(head, then=b"x", pause=0.05)):
        async with raw_server(endless) as url:
            assert Answer(200) == await answer_of(url)


async def test_interim_answers_are_read_past_but_not_without_end() -> None:
    """Some `100 Continue` before the answer mean nothing; who sends them for ever fails long before the timeout."""
    interim = b"HTTP/1.1 100 Continue\r\n\r\n"
    async with raw_server(saying(interim * 3 + b"HTTP/1.1 204 No Content\r\n\r\n")) as url:
        assert Answer(204) == await answer_of(url)
    async with raw_server(saying(interim, then=interim * 100)) as url:
        assert Answer(None, "no answer that is HTTP: InterimWithoutEnd") == await answer_of(url)


async def test_a_compressed_bomb_is_not_unpacked() -> None:
    """An answer is not decompressed."""
    head = b"HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\ncontent-length: 4\r\n\r\nbomb"
    async with raw_server(saying(head)) as url:
        assert Answer(200) == await answer_of(url)


async def test_silence_ends_at_the_timeout() -> None:
    """One that accepts and says nothing, or never ends its headers, is given up."""

    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()

    head = b"HTTP/1.1 200 OK\r\n"
    for serve in (silent, saying(head, then=b"x: y\r\n", pause=0.02)):
        async with raw_server(serve) as url:
            answer = await answer_of(url, timeout=0.5)
            assert answer.status is None
            assert answer.error in {"no answer within 0.5 s", "no answer that is HTTP: ClientResponseError"}


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"SSH-2.0-OpenSSH\r\n",
        b"HTTP/1.1 999999 x\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n" + b"x: " + b"y" * 20_000 + b"\r\n\r\n",
        b"\x00" * 1_000,
    ],
)
async def test_what_is_not_http_is_a_failure(text: bytes) -> None:
    """Nothing that comes back raises."""
    async with raw_server(saying(text)) as url:
        answer = await answer_of(url)
    assert (answer.status, bool(answer.error)) == (None, True)
    assert text[:20].decode("latin-1") not in answer.error or not text


async def test_nobody_there_is_a_failure() -> None:
    """A closed port is told as that."""
    async with raw_server(saying(b"")) as url:
        pass
    assert Answer(None, "no connection: Connect call failed") == (await answer_of(url))._replace(
        error="no connection: Connect call failed"
    )


async def test_an_idle_connection_that_closes_is_no_failure() -> None:
    """A server may close a connection just as it is used again: the message goes once more, at once."""
    served = 0

    async def one_answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal served
        await reader.readuntil(b"\r\n\r\n{}")
        served += 1
        writer.write(b"HTTP/1.1 204 No Content\r\n\r\n")
        await writer.drain()
        with suppress(asyncio.IncompleteReadError):  # the last one is closed by the sender
            await reader.readuntil(b"\r\n\r\n{}")
        writer.close()

    async with raw_server(one_answer) as url:
        sender = Sender(timeout=PATIENT, private=True)
        answers = [await sender.send(url, {}, b"{}") for _ in range(3)]
        await sender.close()
    assert ([Answer(204)] * 3, 3) == (answers, served)


async def test_a_certificate_is_verified(tmp_path: Path) -> None:
    """An endpoint that cannot prove its name gets nothing."""
    heard = asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        heard.set()
        writer.close()

    async with raw_server(serve, self_signed(tmp_path)) as url:
        answer = await answer_of(url)
    assert (Answer(None, "the certificate or the TLS handshake is not good"), False) == (answer, heard.is_set())


def self_signed(folder: Path) -> ssl.SSLContext:
    """TLS by a certificate that nobody vouches for."""
    key, name = ec.generate_private_key(ec.SECP256R1()), x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "x")])
    now = dt.datetime.now(dt.UTC)
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=1))
        .sign(key, hashes.SHA256())
    )
    pem = folder / "self-signed.pem"
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    pem.write_bytes(private + certificate.public_bytes(serialization.Encoding.PEM))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pem)
    return context
