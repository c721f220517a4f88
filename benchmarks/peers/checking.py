"""One answer of each case, looked at closely: what wrk counts as good is good by its status alone."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import httpx
import jwt

from benchmarks.load import Case
from benchmarks.peers.clients import answer_of
from benchmarks.peers.peer import (
    INTROSPECTION,
    ISSUANCE_JWT,
    ISSUANCE_OPAQUE,
    REFUSAL,
    ROTATION_JWT,
    ROTATION_OPAQUE,
    SCOPE,
    USERS,
)

_FORM = {"Content-Type": "application/x-www-form-urlencoded"}
_SIGNED = (ISSUANCE_JWT, ROTATION_JWT)
_REFUSED = ("invalid_client", "unauthorized_client")
"""Keycloak answers with the second, where RFC 6749 Section 5.2 has the first."""
_OPAQUE = (ISSUANCE_OPAQUE, ROTATION_OPAQUE)


def check(case: Case, keys: str) -> None:
    """Ask once and look: signed tokens are ES256 ones that the keys at that address verify, opaque ones are no JWTs,
    an introspected token is active, one that a gateway asks about may pass, a refused client is told so, and a rotated
    token is another one and works.
    Raises AssertionError or jwt.PyJWTError.
    """
    if case.bearer:
        response = httpx.get(case.url, headers={"Authorization": _body(case)})
        assert response.status_code == case.good, response.text
        return
    if case.name == REFUSAL:
        response = httpx.post(case.url, content=_body(case), auth=case.login, headers=_FORM)
        assert response.status_code == case.good, response.text
        assert response.json()["error"] in _REFUSED, response.text
        return
    answer = _ask(case, _body(case))
    if case.name == INTROSPECTION:
        assert answer["active"] is True
        return
    _check_access_token(case, answer["access_token"], keys)
    if case.rotating:
        _check_rotation(case, answer, keys)


def _check_rotation(case: Case, answer: dict[str, Any], keys: str) -> None:
    """Goes on with the token of the answer, and leaves the one of that answer in the file."""
    assert isinstance(case.body, Path)
    used, *others = case.body.read_text().splitlines()
    form = f"grant_type=refresh_token&refresh_token={answer['refresh_token']}"
    assert form != used
    again = _ask(case, form)
    _check_access_token(case, again["access_token"], keys)
    case.body.write_text("\n".join([*others, f"grant_type=refresh_token&refresh_token={again['refresh_token']}"]))


def _check_access_token(case: Case, token: str, keys: str) -> None:
    if case.name in _OPAQUE:
        assert token.count(".") != 2, token
    if case.name in _SIGNED:
        claims = jwt.decode(
            token, _key(token, keys), ["ES256"], options={"require": ["exp", "iss", "sub"]}, audience=USERS
        )
        assert SCOPE in claims["scope"].split(), claims


def _key(token: str, keys: str) -> jwt.PyJWK:
    """The key that the token names, or the only one there where it names none."""
    known = jwt.PyJWKSet.from_dict(httpx.get(keys).json()).keys
    name = jwt.get_unverified_header(token).get("kid")
    (key,) = [key for key in known if name in (None, key.key_id)]
    return key


def _ask(case: Case, body: str) -> dict[str, Any]:
    return answer_of(httpx.post(case.url, content=body, auth=case.login, headers=_FORM))


def _body(case: Case) -> str:
    return case.body.read_text().splitlines()[0] if isinstance(case.body, Path) else case.body
