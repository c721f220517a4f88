"""What an authorization request means: checked against the client and the RFCs, kept as a value that can be sealed.

RFC 6749 section 4.1.1, RFC 7636 (S256 alone, for every client), RFC 8707, OpenID Connect Core section 3.1.2.1.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Literal

import msgspec

from projections.access_model import Client
from service.authorize.claims_parameter import ClaimsAsked, read_claims_parameter
from service.authorize.parameters import RESOURCE, Sent, checked
from service.decisions.person import Asked, decide_asked
from service.endpoints.core import Core
from service.errors import (
    InvalidRequest,
    RegistrationNotSupported,
    RequestNotSupported,
    RequestUriNotSupported,
    UnsupportedResponseType,
)
from service.grants import AUTHORIZATION_CODE, REFRESH_TOKEN
from service.http.request import required
from service.oidc.claims import may_be_told
from service.oidc.hint import read_id_token_hint
from service.oidc.scopes import OFFLINE_ACCESS
from service.printable import printable

ResponseMode = Literal["query", "form_post"]

LIFETIME = 3_600
"""Seconds in which a request must have been decided."""

_CHALLENGE = re.compile(r"[A-Za-z0-9_-]{43}")
_SECONDS = re.compile(r"[0-9]{1,10}")
_PROMPTS = frozenset({"none", "login", "consent", "select_account"})
_SHOWN = 64


class AuthorizationRequest(msgspec.Struct, frozen=True, kw_only=True):
    """A valid request. Where the answer goes is proven.

    `after` is a position of the journal: who signed in behind it did so because of this request. `subjects` are those
    that the person must have, as this client knows them. One of `acr_values` must be had if `acr_essential`. Which
    APIs it is for where it names none is said by `as_of_now`. `client_since` tells the client from a later one of its
    id.
    """

    client_id: str
    client_since: int
    redirect_uri: str
    response_mode: ResponseMode
    scopes: frozenset[str]
    resources: tuple[str, ...]
    code_challenge: str
    after: int
    state: str | None = None
    nonce: str | None = None
    prompt: frozenset[str] = frozenset()
    max_age: int | None = None
    login_hint: str = ""
    acr_values: tuple[str, ...] = ()
    acr_essential: bool = False
    subjects: tuple[str, ...] = ()
    id_token_claims: tuple[str, ...] = ()
    userinfo_claims: tuple[str, ...] = ()


def response_mode_of(sent: Sent) -> ResponseMode:
    """How the answer goes to the client, a refusal too: the query, unless the other mode is asked for."""
    return "form_post" if sent.get("response_mode") == ("form_post",) else "query"


def state_of(sent: Sent) -> str | None:
    """The state, which comes back with every answer; not if it is there twice."""
    values = sent.get("state", ())
    return values[0] if len(values) == 1 else None


def read_request(core: Core, client: Client, redirect_uri: str, sent: Sent, after: int) -> AuthorizationRequest:
    """The request of a client whose redirect URI is proven.

    Raises a Rejection, which the client is told at that redirect URI.
    """
    parameters = checked(sent)
    _refuse_objects(parameters)
    _check_response(parameters)
    claims = read_claims_parameter(parameters.get("claims"))
    hinted = _hinted(core, client, parameters.get("id_token_hint"))
    asked = _asked(core, client, parameters.get("scope"), sent.get(RESOURCE, ()))
    return AuthorizationRequest(
        client_id=client.client_id,
        client_since=client.since,
        redirect_uri=redirect_uri,
        response_mode=response_mode_of(sent),
        scopes=asked.scopes,
        resources=sent.get(RESOURCE, ()),
        code_challenge=_challenge(parameters),
        after=after,
        state=state_of(sent),
        nonce=parameters.get("nonce"),
        prompt=_prompt(parameters.get("prompt", "")),
        max_age=_max_age(parameters.get("max_age")),
        login_hint=parameters.get("login_hint", ""),
        acr_values=_acr_values(parameters.get("acr_values", ""), claims),
        acr_essential=claims.acr_essential,
        subjects=(*hinted, *claims.subjects),
        id_token_claims=tuple(may_be_told(core.state.access, client, claims.id_token)),
        userinfo_claims=tuple(may_be_told(core.state.access, client, claims.userinfo)),
    )


def as_of_now(core: Core, client: Client, request: AuthorizationRequest) -> AuthorizationRequest:
    """The request with the APIs that it is for, if the client may still ask for it: minutes may have passed.

    Raises a Rejection, which the client is told.
    """
    asked = _asked(core, client, " ".join(sorted(request.scopes)), request.resources)
    return msgspec.structs.replace(request, scopes=asked.scopes, resources=asked.resources)


def _refuse_objects(parameters: Mapping[str, str]) -> None:
    if "request" in parameters:
        raise RequestNotSupported("request_object", "Request objects are not supported.")
    if "request_uri" in parameters:
        raise RequestUriNotSupported("request_uri", "Request objects are not supported.")
    if "registration" in parameters:
        raise RegistrationNotSupported("registration", "Registration by a request is not supported.")


def _check_response(parameters: Mapping[str, str]) -> None:
    response_type = required(parameters, "response_type")
    if response_type != "code":
        raise UnsupportedResponseType(
            "unsupported_response_type", "Only the response type code is supported.", detail=_short(response_type)
        )
    mode = parameters.get("response_mode", "query")
    if mode not in {"query", "form_post"}:
        raise InvalidRequest(
            "unsupported_response_mode",
            "Only the response modes query and form_post are supported.",
            detail=_short(mode),
        )


def _challenge(parameters: Mapping[str, str]) -> str:
    """The code challenge; a method that is left out means `plain` (RFC 7636 section 4.3)."""
    challenge = parameters.get("code_challenge")
    if challenge is None:
        raise InvalidRequest("no_code_challenge", "A code_challenge is required (PKCE, RFC 7636).")
    method = parameters.get("code_challenge_method", "plain")
    if method != "S256":
        raise InvalidRequest("code_challenge_method", "The code_challenge_method must be S256.", detail=_short(method))
    if not _CHALLENGE.fullmatch(challenge):
        raise InvalidRequest("malformed_code_challenge", "The code_challenge is not a SHA-256 digest in base64url.")
    return challenge


def _prompt(text: str) -> frozenset[str]:
    prompts = frozenset(text.split())
    if not prompts <= _PROMPTS:
        raise InvalidRequest("unknown_prompt", "The prompt has an unknown value.", detail=_short(text))
    if "none" in prompts and len(prompts) > 1:
        raise InvalidRequest("prompt_none_and_more", "The prompt none goes with no other.", detail=_short(text))
    return prompts


def _max_age(text: str | None) -> int | None:
    if text is None:
        return None
    if not _SECONDS.fullmatch(text):
        raise InvalidRequest("malformed_max_age", "The max_age is not a number of seconds.", detail=_short(text))
    return int(text)


def _acr_values(text: str, claims: ClaimsAsked) -> tuple[str, ...]:
    """The classes asked for, in the order of preference; those that must be had count alone."""
    voluntary = () if claims.acr_essential else tuple(text.split())
    return tuple(dict.fromkeys((*claims.acr_values, *voluntary)))


def _hinted(core: Core, client: Client, text: str | None) -> tuple[str, ...]:
    """The subject that an `id_token_hint` names, one of ours for this very client; it may have expired."""
    if text is None:
        return ()
    hint = read_id_token_hint(core, text)
    if hint is None:
        raise InvalidRequest("bad_id_token_hint", "The id_token_hint is not an ID token of this server.")
    if hint.aud != client.client_id:
        raise InvalidRequest("hint_of_other_client", "The id_token_hint was issued to another client.")
    return (hint.sub,)


def _asked(core: Core, client: Client, scope: str | None, resources: tuple[str, ...]) -> Asked:
    """What is asked for; `offline_access` does not count for a client without refresh tokens (OpenID Connect Core
    section 11).
    """
    if scope is not None and REFRESH_TOKEN not in client.settings.grants:
        scope = " ".join(each for each in scope.split(" ") if each != OFFLINE_ACCESS) or None
    return decide_asked(core.state.access, client, AUTHORIZATION_CODE, scope, resources)


def _short(text: str) -> str:
    return printable(text, _SHOWN)
