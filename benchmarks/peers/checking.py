"""One answer of each case, looked at closely: what wrk counts as good is good by its status alone."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urljoin, urlsplit

import httpx
import jwt

from benchmarks.load import Case, Mixed
from benchmarks.peers.clients import WEB_APP, answer_of
from benchmarks.peers.peer import (
    CODE_FLOW,
    INTROSPECTION,
    INTROSPECTION_COLD,
    INTROSPECTION_REVOKED,
    INTROSPECTION_UNKNOWN,
    ISSUANCE_ASSERTION,
    ISSUANCE_JWT,
    ISSUANCE_OPAQUE,
    REFUSAL,
    REVOCATION,
    ROTATION_JWT,
    ROTATION_OPAQUE,
    SCOPE,
    USERS,
)

_FORM = {"Content-Type": "application/x-www-form-urlencoded"}
_SIGNED = (ISSUANCE_JWT, ISSUANCE_ASSERTION, ROTATION_JWT, CODE_FLOW)
_ACTIVE = {INTROSPECTION: True, INTROSPECTION_COLD: True, INTROSPECTION_UNKNOWN: False, INTROSPECTION_REVOKED: False}
_REFUSED = ("invalid_client", "unauthorized_client")
"""Keycloak answers with the second, where RFC 6749 Section 5.2 has the first."""
_OPAQUE = (ISSUANCE_OPAQUE, ROTATION_OPAQUE)


def check(case: Case | Mixed, keys: str) -> None:
    """Ask once and look: signed tokens are ES256 ones that the keys at that address verify, opaque ones are no JWTs,
    an introspected token is active or not as it should be, one that a gateway asks about may pass, a refused client is
    told so, a revocation is answered so, a rotated token is another one and works, and a code is exchanged for what it
    is to give. A form that is good once is taken from the file.
    Raises AssertionError or jwt.PyJWTError.
    """
    if isinstance(case, Mixed):
        for _, part in case.parts:
            check(part, keys)
    elif case.exchange:
        _check_flow(case, keys)
    elif case.bearer:
        response = httpx.get(case.url, headers={"Authorization": _body(case)})
        assert response.status_code == case.good, response.text
    elif case.name in (REFUSAL, REVOCATION):
        response = _post(case, _body(case))
        assert response.status_code == case.good, response.text
        assert case.name == REVOCATION or response.json()["error"] in _REFUSED, response.text
    elif case.name in _ACTIVE:
        assert answer_of(_post(case, _body(case)))["active"] is _ACTIVE[case.name]
    else:
        answer = answer_of(_post(case, _body(case)))
        _check_access_token(case, answer["access_token"], keys)
        if case.rotating:
            _check_rotation(case, answer, keys)
    if isinstance(case, Case) and case.once and isinstance(case.body, Path):
        case.body.write_text("\n".join(case.body.read_text().splitlines()[1:]))


def _check_flow(case: Case, keys: str) -> None:
    target, cookie, verifier = _body(case).split("\t")
    asked = urljoin(case.url, f"{target}&state=1")
    sent_back = httpx.get(asked, headers={"Cookie": cookie})
    assert sent_back.status_code == case.good, (sent_back.status_code, sent_back.text)
    location = urlsplit(sent_back.headers["location"])
    assert location.geturl().startswith(case.redirect_uri), location
    form = {"grant_type": "authorization_code", "redirect_uri": case.redirect_uri, "code_verifier": verifier}
    form["code"] = parse_qs(location.query)["code"][0]
    answer = answer_of(httpx.post(urljoin(case.url, case.exchange), data=form, auth=case.login))
    _check_access_token(case, answer["access_token"], keys)
    jwt.decode(answer["id_token"], _key(answer["id_token"], keys), ["ES256"], audience=WEB_APP)


def _check_rotation(case: Case, answer: dict[str, Any], keys: str) -> None:
    """Goes on with the token of the answer, and leaves the one of that answer in the file."""
    assert isinstance(case.body, Path)
    used, *others = case.body.read_text().splitlines()
    form = f"grant_type=refresh_token&refresh_token={answer['refresh_token']}"
    assert form != used
    again = answer_of(_post(case, form))
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


def _post(case: Case, body: str) -> httpx.Response:
    return httpx.post(case.url, content=body, auth=case.login if any(case.login) else None, headers=_FORM)


def _body(case: Case) -> str:
    return case.body.read_text().splitlines()[0] if isinstance(case.body, Path) else case.body
