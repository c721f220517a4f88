"""The relying party of passkeys (Web Authentication Level 3): this server's host, as browsers see it."""

from __future__ import annotations

from collections.abc import Iterable
from ipaddress import ip_address
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from webauthn.helpers import base64url_to_bytes
from webauthn.helpers.structs import AuthenticatorTransport, PublicKeyCredentialDescriptor

from projections.accounts import Passkey
from service.browser.visit import origin_of

_TRANSPORTS = frozenset(each.value for each in AuthenticatorTransport)


class RelyingParty(NamedTuple):
    """The host that passkeys are bound to, the origin of its pages, and whether browsers can have passkeys there.

    Browsers take no IP address for a relying party, and have no passkeys on pages that came without TLS, but for those
    of `localhost`.
    """

    host: str
    origin: str
    available: bool


def relying_party(issuer: str) -> RelyingParty:
    """That of an issuer."""
    host = urlsplit(issuer).hostname or ""
    secure = issuer.startswith("https:") or f".{host}".endswith(".localhost")
    return RelyingParty(host, origin_of(issuer), secure and _is_name(host))


def descriptors(passkeys: Iterable[Passkey]) -> list[PublicKeyCredentialDescriptor]:
    """Passkeys as browsers are told of them (section 5.8.3)."""
    return [
        PublicKeyCredentialDescriptor(
            id=base64url_to_bytes(each.credential_id),
            transports=[AuthenticatorTransport(name) for name in each.transports] or None,
        )
        for each in passkeys
    ]


def known_transports(named: Any) -> tuple[str, ...]:
    """Those of the transports that a browser named which are known (WebAuthn section 5.8.4)."""
    return tuple(sorted({each.value for each in named or ()} & _TRANSPORTS))


def _is_name(host: str) -> bool:
    try:
        ip_address(host)
    except ValueError:
        return bool(host)
    return False
