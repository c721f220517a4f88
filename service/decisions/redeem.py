"""May this client have what a person granted by this code (RFC 6749 section 4.1.3, RFC 7636 section 4.6).

Who presents a code must be the client that it was issued to before anything happens to it. Another one that got hold of
it is refused and no more: it can neither use the code up nor have the grant revoked, which would let anyone who sees a
code end another's grant. Nor does a wrong redirect URI or verifier use it up: it takes the right ones to redeem it, and
they cannot be guessed in its lifetime. A second use by the right client revokes the grant while the code would still
have lived, whatever else it presents, for that the code is about is what matters; later only with its verifier. A code
is in histories and logs for good, and a public client is whoever names it: who finds one there could else end a grant
of months ago.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from base64 import urlsafe_b64encode
from typing import NamedTuple
from uuid import UUID

from projections.access_model import Client
from projections.accounts import Account
from projections.grants import Code, Grant, Person
from projections.state import WorkerState
from service.decisions.given import REFUSED, decide_giver, handle_id
from service.decisions.issue import Terms
from service.decisions.person import decide_person_terms
from service.errors import InvalidGrant, InvalidRequest
from service.settings import SessionEndRevokes

_VERIFIER = re.compile(r"[A-Za-z0-9._~-]{43,128}")


class CodePresented(NamedTuple):
    """What a client presents: the code by its keyed digest, and what the code is bound to."""

    digest: str
    redirect_uri: str
    code_verifier: str
    resource: str | None = None


class Redeemable(NamedTuple):
    """A code that may be exchanged: whose grant it is, and the terms of the access token."""

    person: Person
    account: Account
    terms: Terms


class CodeReused(NamedTuple):
    """A code that was exchanged before: the grant is to be revoked."""


def check_code_verifier(verifier: str) -> None:
    """It is 43 to 128 unreserved characters (RFC 7636 section 4.1). Raises InvalidRequest."""
    if not _VERIFIER.fullmatch(verifier):
        raise InvalidRequest("malformed_code_verifier", "The code_verifier is not 43 to 128 unreserved characters.")


def decide_redemption(
    state: WorkerState,
    client: Client,
    grant_id: UUID,
    grant: Grant,
    presented: CodePresented,
    *,
    issuer: str,
    default_lifetime: int,
    session_end_revokes: SessionEndRevokes,
    now: int,
) -> Redeemable | CodeReused:
    """What a presented code is worth. Raises InvalidGrant or InvalidTarget; both leave the code as it was."""
    code, person = grant.code, grant.person
    if code is None or person is None or not hmac.compare_digest(code.digest, presented.digest):
        raise InvalidGrant("code_unknown", REFUSED, token_digest=presented.digest)
    if person.client_id != client.client_id:
        raise _refused("code_of_other_client", grant_id)
    if code.redeemed and not grant.revoked and (code.expires_at > now or _is_verified(code, presented)):
        return CodeReused()
    account = decide_giver(state, client, grant_id, grant, person, session_end_revokes=session_end_revokes)
    _check_bound(code, presented, grant_id, now)
    terms = decide_person_terms(
        state.access,
        client,
        account,
        person,
        issuer=issuer,
        scope=None,
        resource=presented.resource,
        default_lifetime=default_lifetime,
    )
    return Redeemable(person, account, terms)


def _check_bound(code: Code, presented: CodePresented, grant_id: UUID, now: int) -> None:
    if code.expires_at <= now:
        raise _refused("code_expired", grant_id)
    if code.redirect_uri != presented.redirect_uri:
        raise _refused("redirect_uri_mismatch", grant_id)
    if not _is_verified(code, presented):
        raise _refused("code_verifier_mismatch", grant_id)


def _is_verified(code: Code, presented: CodePresented) -> bool:
    """Whether the verifier that came is the one of the code's challenge."""
    return hmac.compare_digest(_challenge(presented.code_verifier), code.code_challenge)


def _challenge(verifier: str) -> str:
    """The S256 challenge of a verifier (RFC 7636 section 4.2); no other method is known here."""
    return urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()


def _refused(reason: str, grant_id: UUID) -> InvalidGrant:
    return InvalidGrant(reason, REFUSED, token_id=handle_id(grant_id))
