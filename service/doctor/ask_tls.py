"""The certificate that a server shows, and whether it agrees on a version of TLS that nobody should speak."""

from __future__ import annotations

import asyncio
import ssl
import warnings

from cryptography import x509
from cryptography.x509.oid import NameOID

from service.doctor.facts import Certificate
from service.doctor.places import split

DEADLINE = 10.0
"""Seconds that one question may take."""


async def handshakes(url: str) -> tuple[Certificate | None, str | None]:
    """The certificate shown at an https address, and the version below TLS 1.2 that it agrees on (see `HttpFacts`)."""
    parts = split(url)
    if parts.scheme != "https" or not parts.hostname:
        return None, ""
    host, port = parts.hostname, parts.port or 443
    certificate = await _certificate(host, port)
    return certificate, "" if certificate is None else await _old_version(host, port)


async def _certificate(host: str, port: int) -> Certificate | None:
    distrust = ""
    try:
        _, shown = await _handshake(host, port, ssl.create_default_context())
    except ssl.SSLError as error:
        distrust = getattr(error, "verify_message", "") or error.reason or "the handshake failed"
        try:
            _, shown = await _handshake(host, port, _trusting())
        except (OSError, TimeoutError):
            return None
    except (OSError, TimeoutError):
        return None
    if shown is None:
        return None
    parsed = x509.load_der_x509_certificate(shown)
    names = parsed.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
    subject = str(names[0].value) if names else host
    return Certificate(subject, parsed.not_valid_after_utc, parsed.issuer == parsed.subject, distrust)


async def _old_version(host: str, port: int) -> str | None:
    context = _trusting()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # to ask by them is the very point
        context.set_ciphers("ALL:@SECLEVEL=0")
        context.minimum_version = ssl.TLSVersion.TLSv1
        context.maximum_version = ssl.TLSVersion.TLSv1_1
    try:
        version, _ = await _handshake(host, port, context)
    except ssl.SSLError as error:
        return None if error.reason == "NO_PROTOCOLS_AVAILABLE" else ""
    except (OSError, TimeoutError):
        return ""
    return version


async def _handshake(host: str, port: int, context: ssl.SSLContext) -> tuple[str, bytes | None]:
    async with asyncio.timeout(DEADLINE):
        _, writer = await asyncio.open_connection(host, port, ssl=context)
    try:
        session = writer.get_extra_info("ssl_object")
        return str(session.version()), session.getpeercert(binary_form=True)
    finally:
        writer.transport.abort()


def _trusting() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context
