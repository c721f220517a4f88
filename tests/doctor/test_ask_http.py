from __future__ import annotations

import asyncio
import contextlib
import datetime as dt
import ssl
import warnings
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from email.utils import format_datetime
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from service.doctor import ask_http
from service.doctor.ask_http import ask
from service.doctor.facts import Part, Plain, Readiness
from service.http.tls import TlsFiles, self_signed

NOBODY = "http://127.0.0.1:1"
METADATA = {"issuer": "https://auth.example.com", "token_endpoint": "https://auth.example.com/oauth2/token"}

READY = {"status": "unready", "parts": {"relay": {"status": "unready", "reason": "why"}}}


@contextlib.asynccontextmanager
async def serving(
    context: ssl.SSLContext | None = None,
    headers: Mapping[str, str] = {},
    status: int = 200,
    metadata: Callable[[web.Request], Awaitable[web.StreamResponse]] | None = None,
    cache_control: str = "public, max-age=60",
) -> AsyncIterator[str]:
    """A server that says what an authorization server says; by `metadata`, where that is given."""

    async def usual(_: web.Request) -> web.StreamResponse:
        return web.json_response(METADATA, headers=headers, status=status)

    async def keys(_: web.Request) -> web.Response:
        return web.json_response({"keys": [{"kid": "a"}, {"kid": "b"}]}, headers={"cache-control": cache_control})

    async def ready(_: web.Request) -> web.Response:
        return web.json_response(READY, status=503)

    app = web.Application()
    app.router.add_get("/.well-known/openid-configuration", metadata or usual)
    app.router.add_get("/.well-known/jwks.json", keys)
    app.router.add_get("/health/ready", ready)
    runner = web.AppRunner(app)
    await runner.setup()
    try:
        site = web.TCPSite(runner, "127.0.0.1", 0, ssl_context=context)
        await site.start()
        port = runner.addresses[0][1]
        yield f"{'http' if context is None else 'https'}://127.0.0.1:{port}"
    finally:
        await runner.cleanup()


def expired(folder: Path) -> TlsFiles:
    """A certificate that was good yesterday."""
    key, now = ec.generate_private_key(ec.SECP256R1()), dt.datetime.now(dt.UTC)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "yesterday")])
    made = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key()).serial_number(7)
    made = made.not_valid_before(now - dt.timedelta(days=2)).not_valid_after(now - dt.timedelta(days=1))
    files = TlsFiles(folder / "certificate.pem", folder / "key.pem")
    files.certificate.write_bytes(made.sign(key, hashes.SHA256()).public_bytes(Encoding.PEM))
    files.key.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    return files


async def test_what_a_server_says(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Metadata, keys, readiness, certificate and headers are as they were said; a trusted certificate is trusted."""
    files = self_signed(tmp_path, "127.0.0.1")
    monkeypatch.setenv("SSL_CERT_FILE", str(files.certificate))
    async with serving(files.context(), {"strict-transport-security": "max-age=5"}) as url:
        facts, clock = await ask(url, None, None)

    assert (facts.url, facts.asked, facts.unreachable) == (url, url, "")
    assert facts.metadata == METADATA
    assert (facts.jwks, facts.jwks_max_age) == (("a", "b"), 60)
    assert facts.readiness == Readiness({"relay": Part("unready", "why")})
    assert (facts.hsts, facts.public_metrics, facts.old_tls) == ("max-age=5", False, "")
    assert facts.certificate is not None
    assert (facts.certificate.distrust, facts.certificate.signed_by_itself) == ("", True)
    assert clock is not None
    assert abs(clock.ahead) <= clock.within + 1


async def test_a_certificate_that_nobody_trusts(tmp_path: Path) -> None:
    """One that is signed by itself is read all the same, and what its server says as well."""
    async with serving(self_signed(tmp_path, "127.0.0.1").context()) as url:
        facts, _ = await ask(url, None, None)

    assert facts.metadata == METADATA
    assert facts.certificate is not None
    assert facts.certificate.signed_by_itself
    assert facts.certificate.distrust


async def test_a_certificate_that_has_expired(tmp_path: Path) -> None:
    """Its end is told, though no handshake that verifies gets to it."""
    async with serving(expired(tmp_path).context()) as url:
        facts, _ = await ask(url, None, None)

    assert facts.certificate is not None
    assert facts.certificate.subject == "yesterday"
    assert facts.certificate.expires < dt.datetime.now(dt.UTC)


async def test_a_server_that_speaks_old_tls(tmp_path: Path) -> None:
    """TLS 1.1 is noticed where it is agreed on beside newer versions."""
    files = self_signed(tmp_path, "127.0.0.1")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(files.certificate, files.key)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        context.minimum_version = ssl.TLSVersion.TLSv1_1
        context.set_ciphers("ALL:@SECLEVEL=0")
    async with serving(context) as url:
        facts, _ = await ask(url, None, None)

    assert facts.old_tls == "TLSv1.1"


async def test_the_server_of_this_machine_is_asked_where_the_issuer_is_silent() -> None:
    """What the issuer's address did not say the server's own says, and both are told."""
    async with serving() as url:
        facts, _ = await ask(NOBODY, None, url)

    assert (facts.asked, facts.url, facts.metadata) == (NOBODY, url, METADATA)
    assert facts.unreachable
    assert facts.jwks == ("a", "b")


async def test_a_named_address_alone_is_asked() -> None:
    """With an address given, no other one answers in its place."""
    async with serving() as url:
        facts, clock = await ask("https://auth.example.com", NOBODY, url)

    assert (facts.asked, facts.url, facts.metadata, facts.jwks, clock) == (NOBODY, NOBODY, None, None, None)
    assert facts.readiness == Readiness({"relay": Part("unready", "why")})


async def test_an_answer_that_is_no_metadata() -> None:
    """Another server at the address is no answer."""
    async with serving(status=404) as url:
        facts, _ = await ask(url, None, None)

    assert facts.unreachable == "it answers 404, and no metadata"
    assert facts.metadata is None


async def test_metadata_that_comes_in_pieces() -> None:
    """An answer is read to its end, as the network cuts it."""
    sent = asyncio.Event()

    async def metadata(request: web.Request) -> web.StreamResponse:
        answer = web.StreamResponse()
        await answer.prepare(request)
        await answer.write(b'{"issuer": ')
        await sent.wait()
        await answer.write(b'"x"}')
        return answer

    read = aiohttp.StreamReader.read

    async def note(self: aiohttp.StreamReader, n: int = -1) -> bytes:
        piece = await read(self, n)
        sent.set()
        return piece

    async with serving(metadata=metadata) as url:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(aiohttp.StreamReader, "read", note)
            facts, _ = await ask(url, None, None)

    assert (facts.unreachable, facts.metadata) == ("", {"issuer": "x"})


async def test_no_more_of_an_answer_is_read_than_a_mebibyte() -> None:
    """A server that never ends is none."""

    async def metadata(request: web.Request) -> web.StreamResponse:
        answer = web.StreamResponse()
        await answer.prepare(request)
        with contextlib.suppress(ConnectionError):
            while True:
                await answer.write(b" " * 65_536)
        return answer

    async with serving(metadata=metadata) as url:
        facts, _ = await ask(url, None, None)

    assert facts.unreachable == "it answers 200, and no metadata"


async def test_an_answer_that_is_too_deep() -> None:
    """It is no metadata, and no fault of this program."""

    async def metadata(_: web.Request) -> web.Response:
        return web.Response(text="[" * 100_000)

    async with serving(metadata=metadata) as url:
        facts, _ = await ask(url, None, None)

    assert facts.unreachable == "it answers 200, and no metadata"


async def test_an_age_of_keys_that_is_no_number_for_anybody() -> None:
    """The keys are there all the same."""
    async with serving(cache_control=f"max-age={'9' * 5_000}") as url:
        facts, _ = await ask(url, None, None)

    assert (facts.jwks, facts.jwks_max_age) == (("a", "b"), 9_999_999_999)


async def test_no_address_at_all() -> None:
    """Without an issuer and a server on this machine there is nobody to ask."""
    facts, clock = await ask(None, None, None)

    assert (facts.metadata, clock) == (None, None)
    assert facts.unreachable


@pytest.mark.parametrize(("age", "expected"), [({}, -3_600), ({"age": "3600"}, 0), ({"age": "long"}, None)])
async def test_the_date_of_an_answer_is_a_clock(age: Mapping[str, str], expected: int | None) -> None:
    """The Date header of an hour ago is an hour behind, unless a cache says that it kept the answer for as long."""
    date = format_datetime(dt.datetime.now(dt.UTC) - dt.timedelta(hours=1), usegmt=True)
    async with serving(headers={"date": date, **age}) as url:
        _, clock = await ask(url, None, None)

    if expected is None:
        assert clock is None
    else:
        assert clock is not None
        assert abs(clock.ahead - expected) <= clock.within + 60


@pytest.mark.parametrize(("outer", "expected"), [("127.0.0.1", 200), ("127.0.0.2", None)])
async def test_plain_http_is_asked_for_from_outside(
    monkeypatch: pytest.MonkeyPatch, outer: str, expected: int | None
) -> None:
    """The server of this machine is asked at the address that others reach; one that does not listen there is told."""
    monkeypatch.setattr(ask_http, "_outer_address", lambda: outer)
    async with serving() as url:
        port = url.rpartition(":")[2]
        facts, _ = await ask(url, None, url)

    assert facts.plain == (Plain(f"http://{outer}:{port}", expected),)


def test_the_outer_address_is_no_loopback_one() -> None:
    """It is found without sending anything, or there is none."""
    found: Any = ask_http._outer_address()

    assert found is None or not found.startswith("127.")
