"""ID tokens (OpenID Connect Core sections 2 and 3.1.3.6): to a client, that and how a person signed in."""

from __future__ import annotations

import hashlib
from base64 import urlsafe_b64encode
from collections.abc import Iterable
from typing import Any

from projections.access_model import Client
from projections.grants import Person
from service.accounts.acr import ONE_FACTOR
from service.endpoints.core import Core
from service.oidc.claims import claims_of, may_be_told
from service.tokens.jwt import ID_TOKEN_TYP

_HASHES = {"EdDSA": hashlib.sha512}
_AMR = {"recovery": "otp"}
"""A recovery code is a one-time password to the rest of the world: RFC 8176 has no word of its own for it."""


async def make_id_token(
    core: Core,
    client: Client,
    person: Person,
    *,
    now: int,
    access_token: str | None = None,
    nonce: str | None = None,
) -> str:
    """The ID token for a client of the person who gave it a grant, signed.

    `access_token` is the one that it is answered with, `nonce` what the client sent. Raises JournalUnavailable.
    """
    signer = await core.ring.signer()
    claims: dict[str, Any] = {
        "iss": core.issuer,
        "sub": core.subjects.of(client, person.subject),
        "aud": client.client_id,
        "exp": now + core.settings.id_token_lifetime,
        "iat": now,
        "auth_time": person.auth_time,
        "acr": person.acr,
        "amr": amr_of(person.amr, person.acr),
        "sid": core.subjects.session(client, person.session),
    }
    if nonce is not None:
        claims["nonce"] = nonce
    if access_token is not None:
        claims["at_hash"] = at_hash(access_token, signer.alg)
    return signer.sign_as(ID_TOKEN_TYP, _about(core, client, person) | claims)


def amr_of(methods: Iterable[str], acr: str) -> list[str]:
    """The methods of a sign-in in the words of RFC 8176 section 2, with `mfa` where there were two factors."""
    named = [_AMR.get(method, method) for method in methods]
    return list(dict.fromkeys(named if acr == ONE_FACTOR else [*named, "mfa"]))


def at_hash(access_token: str, alg: str) -> str:
    """The left half of the access token's hash, by the hash function of the signature (section 3.1.3.6)."""
    digest = _HASHES.get(alg, hashlib.sha256)(access_token.encode("ascii")).digest()
    return urlsafe_b64encode(digest[: len(digest) // 2]).rstrip(b"=").decode("ascii")


def _about(core: Core, client: Client, person: Person) -> dict[str, Any]:
    """What the client asked to be told at once, by the `claims` parameter; all else is told by userinfo."""
    account = core.state.accounts.by_subject.get(person.subject)
    if account is None or not person.id_token_claims:
        return {}
    return claims_of(account, (), may_be_told(core.state.access, client, person.id_token_claims))
