"""The contract of the HTTP API as an OpenAPI 3.1 document: every path with its methods, parameters, bodies and answers.

What the words mean is told in docs/http-api.md; here is what a program needs to form a request and to read its answer.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

VERSION = "1.0.0"
"""Grows with the paths: the middle number with a path or a parameter, the last with a wording."""

_FORM, _JSON, _PROBLEM = "application/x-www-form-urlencoded", "application/json", "application/problem+json"
_STRING: dict[str, Any] = {"type": "string"}
_NUMBER: dict[str, Any] = {"type": "integer", "minimum": 0}
_OAUTH_ERROR = {"$ref": "#/components/schemas/OAuthError"}
_PROBLEM_BODY = {"$ref": "#/components/schemas/Problem"}
_CLIENT: list[dict[str, list[str]]] = [{"client_secret_basic": []}, {}]
_FIGURES = (
    *("figures", "scopes", "rejections", "revocations", "introspections", "sign-ins", "subjects", "lifetimes", "ages"),
    *("revoked-after", "refresh-chains", "unused"),
)
_DIMENSIONS = (
    *(
        "client",
        "resource",
        "scope",
        "grant_type",
        "endpoint",
        "error",
        "reason",
        "throttled",
        "revoked",
        "introspector",
    ),
    *("active", "succeeded", "method", "lifetime", "up_to", "rotations", "ended"),
)
_AUTHORIZATION = (
    *("client_id", "redirect_uri", "response_type", "scope", "resource", "state", "nonce", "code_challenge"),
    *("code_challenge_method", "response_mode", "prompt", "max_age", "acr_values", "login_hint", "id_token_hint"),
    *("claims", "ui_locales"),
)
_CREDENTIALS = ("client_id", "client_secret", "client_assertion", "client_assertion_type")
_TOKEN = (
    *("grant_type", "scope", "resource", "code", "redirect_uri", "code_verifier", "refresh_token", "device_code"),
    *_CREDENTIALS,
)
_LOGOUT = ("id_token_hint", "client_id", "post_logout_redirect_uri", "state", "logout_hint", "ui_locales")
_EVENTS = ("after", "limit", "type", "client", "subject", "grant", "source", "since", "until")
_FORWARDED = ("X-Forwarded-Method", "X-Forwarded-Uri", "X-Original-URI", "X-Forwarded-For", "X-Forwarded-Proto")
_REJECTION = {
    "type": "object",
    "required": ["id", "at", "reason", "status"],
    "properties": {
        "id": {"type": "string", "minLength": 8, "maxLength": 64},
        "at": {"type": "number"},
        "status": {"type": "integer"},
        **dict.fromkeys(("method", "route", "reason", "required_scope", "present_scope", "token_id"), _STRING),
        **dict.fromkeys(("source_address", "user_agent"), _STRING),
    },
}
_REPORT = {
    "type": "object",
    "required": ["api", "rejections"],
    "properties": {
        "api": _STRING,
        "dropped": _NUMBER,
        "rejections": {"type": "array", "items": _REJECTION, "maxItems": 100},
    },
}


def openapi_document() -> dict[str, Any]:
    """The document."""
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Tallystick",
            "version": VERSION,
            "description": "An OAuth 2.0 and OpenID Connect authorization server. See docs/http-api.md.",
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": "https://auth.example.com"}],
        "paths": {**_oauth(), **_own_api(), **_pages(), **_of_the_server()},
        "components": {"schemas": _schemas(), "securitySchemes": _security()},
    }


def _oauth() -> dict[str, Any]:
    userinfo = _answers("200", "401", "403", "405")
    return {
        "/oauth2/token": {"post": _operation("Get a token", _oauth_answers(), body=_form(*_TOKEN), security=_CLIENT)},
        "/oauth2/device_authorization": {
            "post": _operation(
                "Let a device ask for tokens",
                _oauth_answers(),
                body=_form("scope", "resource", *_CREDENTIALS),
                security=_CLIENT,
            )
        },
        "/oauth2/introspect": {
            "post": _operation(
                "Whether a token is active, and whose it is",
                _oauth_answers(),
                body=_form("token", "token_type_hint", "source_address", "user_agent", *_CREDENTIALS),
                security=_CLIENT,
            )
        },
        "/oauth2/revoke": {
            "post": _operation(
                "Revoke a token",
                _oauth_answers(),
                body=_form("token", "token_type_hint", *_CREDENTIALS),
                security=_CLIENT,
            )
        },
        "/oauth2/userinfo": {
            "get": _operation("Who the person is", userinfo, security=_bearer()),
            "post": _operation("Who the person is", userinfo, body=_form("access_token"), security=_bearer()),
        },
    }


def _own_api() -> dict[str, Any]:
    read = _answers("200", "400", "401", "403", "405")
    figures = {
        f"/usage/{name}": {
            "get": _operation(
                "Figures of use", read, _query("by", "since", "until", "limit", "format", *_DIMENSIONS), _bearer()
            )
        }
        for name in _FIGURES
    }
    verify = _query("audience", "scope", "role", "max_age")
    headers = [{"name": name, "in": "header", "schema": _STRING} for name in _FORWARDED]
    prefix = [{"name": "needs", "in": "path", "required": True, "schema": _STRING}]
    methods = ("get", "post", "put", "delete", "patch", "head", "options")
    return {
        "/audit/events": {
            "get": _operation(
                "The record of events: a page, or a stream with Accept: text/event-stream",
                read,
                [*_query(*_EVENTS), {"name": "Last-Event-ID", "in": "header", "schema": _STRING}],
                _bearer(),
            )
        },
        **figures,
        "/access/rejected": {
            "post": _operation(
                "Tell which accesses an API refused",
                read,
                security=_bearer(),
                body={"required": True, "content": {_JSON: {"schema": _REPORT}}},
            )
        },
        "/verify": {
            method: _operation("May this request pass?", read, [*verify, *headers], _bearer()) for method in methods
        },
        "/verify/{needs}": {method: _operation("The same, for Envoy", read, prefix, _bearer()) for method in methods},
    }


def _pages() -> dict[str, Any]:
    html = {
        status: {"description": what, "content": {"text/html": {"schema": _STRING}}}
        for status, what in (("200", "A page"), ("400", "What is wrong, as a page"))
    } | {"303": {"description": "Elsewhere"}, "405": {"description": "Another method"}}
    signing_in = ("request", "csrf", "username", "password", "code", "credential")
    forms = {
        "/sign-in": signing_in,
        "/sign-in/second-factor": signing_in,
        "/sign-in/passkey": signing_in,
        "/oauth2/logout/confirm": ("request", "csrf", "decision"),
        "/device": ("user_code", "csrf"),
        "/device/decision": ("request", "csrf", "decision"),
        "/account/password": ("csrf", "current", "new"),
    }
    actions = {
        "/consent": ("request", "csrf", "decision"),
        "/account/totp": ("csrf", "code", "password"),
        "/account/recovery-codes": ("csrf", "password"),
        "/account/passkeys": ("csrf", "credential", "name", "password"),
        "/account/sessions/end": ("csrf", "session"),
        "/account/apps/withdraw": ("csrf", "client_id"),
    }
    return {
        "/oauth2/authorize": {
            "get": _operation("Ask a person for tokens", html, _query(*_AUTHORIZATION)),
            "post": _operation("Ask a person for tokens", html, body=_form(*_AUTHORIZATION)),
        },
        "/oauth2/authorize/resume": {"get": _operation("Go on with it", html, _query("request"))},
        "/oauth2/logout": {
            "get": _operation("Sign out", html, _query(*_LOGOUT)),
            "post": _operation("Sign out", html, body=_form(*_LOGOUT)),
        },
        "/": {"get": _operation("To the account page", html)},
        "/account": {"get": _operation("The account page", html)},
        **{
            path: {"get": _operation("A page for people", html, _query("request", "user_code"))}
            | _entered(html, fields)
            for path, fields in forms.items()
        },
        **{path: _entered(html, fields) for path, fields in actions.items()},
    }


def _entered(html: Mapping[str, Any], fields: Sequence[str]) -> dict[str, Any]:
    return {"post": _operation("What a person entered", html, body=_form(*fields))}


def _of_the_server() -> dict[str, Any]:
    paths = {
        "/.well-known/openid-configuration": "What there is (OpenID Connect Discovery)",
        "/.well-known/oauth-authorization-server": "The same (RFC 8414)",
        "/.well-known/jwks.json": "The public keys (RFC 7517)",
        "/health/live": "Whether the process answers",
        "/health/ready": "Whether it can do its work, part by part",
        "/metrics": "Metrics, in Prometheus' text format",
    }
    ready = _answers("200", "405") | {"503": {"description": "Unready, with the reasons"}}
    return {path: {"get": _operation(summary, ready)} for path, summary in paths.items()}


def _operation(
    summary: str,
    answers: Mapping[str, Any],
    parameters: Sequence[Mapping[str, Any]] = (),
    security: Sequence[Mapping[str, Any]] = (),
    body: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    made: dict[str, Any] = {"summary": summary}
    if parameters:
        made["parameters"] = list(parameters)
    if body is not None:
        made["requestBody"] = body
    if security:
        made["security"] = list(security)
    return made | {"responses": dict(answers)}


def _query(*names: str) -> list[dict[str, Any]]:
    return [{"name": name, "in": "query", "schema": _STRING} for name in names]


def _form(*names: str) -> dict[str, Any]:
    schema = {"type": "object", "properties": dict.fromkeys(names, _STRING)}
    return {"required": True, "content": {_FORM: {"schema": schema}}}


def _bearer() -> list[dict[str, list[str]]]:
    return [{"bearer": []}]


def _oauth_answers() -> dict[str, Any]:
    error = {"content": {_JSON: {"schema": _OAUTH_ERROR}}}
    told = {"400": "As RFC 6749 section 5.2 says", "401": "Not the client that it says", "405": "Not a POST"}
    return {
        "200": {"description": "Done", "content": {_JSON: {"schema": {"type": "object"}}}},
        **{status: {"description": what} | error for status, what in told.items()},
        **_always(error),
    }


def _answers(*statuses: str) -> dict[str, Any]:
    told = {
        "200": "Done",
        "400": "A mistake in what was asked",
        "401": "No token that works",
        "403": "Not with this token",
        "405": "Another method",
    }
    error = {"content": {_PROBLEM: {"schema": _PROBLEM_BODY}}}
    return {
        **{status: {"description": told[status]} | ({} if status == "200" else error) for status in statuses},
        **_always(error),
    }


def _always(error: dict[str, Any]) -> dict[str, Any]:
    """Answers that every request may get; some of them before it is one (docs/operations.md)."""
    retry: dict[str, Any] = {"headers": {"Retry-After": {"description": "Seconds", "schema": _NUMBER}}}
    return {
        "429": {"description": "Too many requests"} | retry | error,
        "503": {"description": "Not now: what was asked could not be committed, or not be known"} | retry | error,
    }


def _schemas() -> dict[str, Any]:
    return {
        "OAuthError": {
            "type": "object",
            "required": ["error", "error_description"],
            "properties": {"error": _STRING, "error_description": _STRING},
        },
        "Problem": {
            "type": "object",
            "required": ["type", "title", "status"],
            "properties": {
                **dict.fromkeys(("type", "title", "detail", "parameter"), _STRING),
                "status": {"type": "integer"},
            },
        },
    }


def _security() -> dict[str, Any]:
    return {
        "client_secret_basic": {"type": "http", "scheme": "basic", "description": "RFC 6749 section 2.3.1"},
        "bearer": {"type": "http", "scheme": "bearer", "description": "An access token (RFC 6750)"},
    }
