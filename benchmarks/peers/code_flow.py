"""The code flow with PKCE (RFC 7636) as a person's browser walks it, for grants that can be refreshed."""

from __future__ import annotations

import hashlib
import secrets
from base64 import urlsafe_b64encode
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import NamedTuple
from urllib.parse import parse_qs, urlencode, urljoin, urlsplit

import httpx

from benchmarks.load import Case
from benchmarks.peers.clients import WEB_APP, Clients, answer_of
from benchmarks.peers.peer import CALLBACK, CODE_FLOW, USERS

_STEPS = 20

Page = Callable[[httpx.Client, httpx.Response], httpx.Response]
"""What a person does at a page that is no redirect."""


Elsewhere = Callable[[str], str]
"""Where a program that is not the server's sends a person on to, once the person has done what it asks there."""


class CodeFlow(NamedTuple):
    """One server's flow: `extra` is sent to the authorization endpoint too; `page` answers its pages."""

    authorization: str
    token: str
    secret: str
    scope: str
    extra: Mapping[str, str] = MappingProxyType({})
    page: Page | None = None
    elsewhere: Elsewhere | None = None

    def refresh_tokens(self, number: int) -> list[str]:
        """Refresh tokens of as many new grants, each of a browser that was never there before."""
        return [self._refresh_token() for _ in range(number)]

    def sessions(self, number: int) -> list[str]:
        """The cookies (a header) of as many browsers of people who are signed in, and have consented."""
        return [self._session() for _ in range(number)]

    def _session(self) -> str:
        with httpx.Client() as http:
            self._code(http, new_verifier())
            return "; ".join(f"{cookie.name}={cookie.value}" for cookie in http.cookies.jar if cookie.path == "/")

    def _refresh_token(self) -> str:
        verifier = new_verifier()
        with httpx.Client() as http:
            code = self._code(http, verifier)
            form = {"grant_type": "authorization_code", "code": code, "redirect_uri": CALLBACK}
            form["code_verifier"] = verifier
            answer = answer_of(http.post(self.token, data=form, auth=(WEB_APP, self.secret)))
        return str(answer["refresh_token"])

    @property
    def _server(self) -> str:
        return self.authorization.removesuffix(urlsplit(self.authorization).path)

    def _code(self, http: httpx.Client, verifier: str) -> str:
        query = _query(self.scope, verifier, self.extra) | {"state": secrets.token_urlsafe(16)}
        response = http.get(f"{self.authorization}?{urlencode(query)}")
        for _ in range(_STEPS):
            for cookie in http.cookies.jar:
                cookie.secure = (
                    False  # a browser sends secure cookies over HTTP too, where the address is a loopback one
                )
            if response.has_redirect_location:
                target = urljoin(str(response.request.url), response.headers["location"])
                if target.startswith(CALLBACK):
                    return parse_qs(urlsplit(target).query)["code"][0]
                if self.elsewhere is not None and not target.startswith(self._server):
                    target = self.elsewhere(target)
                response = http.get(target)
            elif self.page is not None and response.status_code == httpx.codes.OK:
                response = self.page(http, response)
            else:
                break
        raise RuntimeError(f"{response.request.url} answered {response.status_code}: {response.text[:500]}")


def code_flow(clients: Clients, authorization: str, scope: str, sessions: list[str], number: int) -> Case:
    """The flow of people who are signed in, in turn, with so many PKCE verifiers; the API is named by `resource`."""
    path = urlsplit(authorization).path
    lines = []
    for turn in range(number):
        verifier = new_verifier()
        query = urlencode(_query(scope, verifier, {"resource": USERS}))
        lines.append(f"{path}?{query}\t{sessions[turn % len(sessions)]}\t{verifier}")
    return Case(
        CODE_FLOW,
        authorization,
        clients.login(WEB_APP),
        clients.file(CODE_FLOW, lines),
        good=httpx.codes.SEE_OTHER,
        exchange=urlsplit(clients.token).path,
        redirect_uri=CALLBACK,
    )


def new_verifier() -> str:
    """Of 43 characters or more (RFC 7636 Section 4.1)."""
    return secrets.token_urlsafe(48)


def _query(scope: str, verifier: str, extra: Mapping[str, str]) -> dict[str, str]:
    return {
        "client_id": WEB_APP,
        "redirect_uri": CALLBACK,
        "response_type": "code",
        "scope": scope,
        "code_challenge": urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode(),
        "code_challenge_method": "S256",
        **extra,
    }
