"""Good requests, as bytes: of every endpoint, with credentials that work."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Sequence
from urllib.parse import quote_plus, urlencode

import msgspec

from tests.fuzz.target import API, OWN_API, Credentials

CALLBACK = "http://127.0.0.1/callback"
CHALLENGE = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"


def good_requests(known: Credentials) -> list[bytes]:
    """All of them."""
    return [*_oauth(known), *_own_api(known), *_pages(), *_plain()]


def _oauth(known: Credentials) -> list[bytes]:
    worker, app, api = (_basic(name, known.secrets[name]) for name in ("worker", "web-app", "users-api"))
    code = {"grant_type": "authorization_code", "code": "tsac_" + "a" * 60, "redirect_uri": CALLBACK}
    posted = {"client_id": "opaque-worker", "client_secret": known.secrets["opaque-worker"]}
    assertion = {
        "client_assertion_type": "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
        "client_assertion": known.token,
    }
    device = "urn:ietf:params:oauth:grant-type:device_code"
    return [
        _form("/oauth2/token", {"grant_type": "client_credentials", "scope": "read:users", "resource": API}, worker),
        _form("/oauth2/token", {"grant_type": "client_credentials"} | posted),
        _form("/oauth2/token", {"grant_type": "client_credentials"} | assertion),
        _form("/oauth2/token", code | {"code_verifier": "a" * 43}, app),
        _form("/oauth2/token", {"grant_type": "refresh_token", "refresh_token": known.opaque}, app),
        _form("/oauth2/token", {"grant_type": device, "device_code": "x" * 40, "client_id": "tv"}),
        _form("/oauth2/device_authorization", {"client_id": "tv", "scope": "openid"}),
        _form("/oauth2/introspect", {"token": known.token, "source_address": "192.0.2.7", "user_agent": "x"}, api),
        _form("/oauth2/introspect", {"token": known.opaque}, api),
        _form("/oauth2/revoke", {"token": known.token[:-1], "token_type_hint": "access_token"}, worker),
        _get("/oauth2/userinfo", _bearer(known.token)),
        _form("/oauth2/userinfo", {"access_token": known.token}),
    ]


def _own_api(known: Credentials) -> list[bytes]:
    own = _bearer(known.own)
    report = {
        "api": API,
        "dropped": 0,
        "rejections": [
            {
                "id": "7d9f2c1a00",
                "at": 1_790_000_000.25,
                "method": "GET",
                "route": "/users",
                "reason": "scope_missing",
                "status": 403,
                "required_scope": "read:users",
                "source_address": "203.0.113.7",
                "user_agent": "curl/8.5.0",
            }
        ],
    }
    body = msgspec.json.encode(report)
    verify = {"audience": API, "scope": "read:users", "max_age": "5"}
    forwarded = [
        b"x-forwarded-for: 192.0.2.1",
        b"x-forwarded-proto: https",
        b"forwarded: for=192.0.2.1;proto=https",
        b"x-forwarded-uri: /users",
    ]
    return [
        _get(f"/verify?{urlencode(verify)}", _bearer(known.token), *forwarded),
        _get(f"/verify?{urlencode(verify | {'audience': OWN_API, 'role': 'clerk'})}", own),
        _get("/audit/events?after=0&limit=5&type=token.*&client=worker&since=2026-01-01T00:00:00Z", own),
        _get("/audit/events?source=192.0.2.0/24&subject=x&grant=019b76da-a800-7000-8000-000000000001", own),
        _get("/audit/events?after=head", own, b"accept: text/event-stream", b"last-event-id: 3"),
        _message(b"POST /access/rejected", [*own, b"content-type: application/json"], body),
        # One of them: two are answered at once, and the others wait their turn.
        _get("/usage/figures?by=client,day&since=2026-01-01&until=2026-02-01&client=worker", own),
    ]


def _pages() -> list[bytes]:
    asked = {
        "client_id": "web-app",
        "redirect_uri": CALLBACK,
        "response_type": "code",
        "scope": "openid read:users",
        "code_challenge": CHALLENGE,
        "code_challenge_method": "S256",
        "state": "s",
        "nonce": "n",
        "prompt": "login",
        "max_age": "60",
        "acr_values": "2fa",
        "claims": '{"userinfo":{"email":null}}',
        "resource": API,
        "ui_locales": "de en",
        "response_mode": "form_post",
    }
    cookie = b"cookie: tallystick_session=aaaa.bbbb; tallystick_browser=cccc"
    origin = b"origin: http://127.0.0.1"
    signing_in = {"csrf": "x", "request": "y", "username": "ada", "password": "correct horse battery"}
    paths = ("/sign-in", "/sign-in/second-factor", "/sign-in/passkey", "/consent", "/device", "/device/decision")
    account = ("password", "totp", "passkeys", "recovery-codes", "sessions/end", "apps/withdraw")
    return [
        _get(f"/oauth2/authorize?{urlencode(asked)}", [cookie]),
        _form("/oauth2/authorize", asked, [cookie]),
        _get("/oauth2/authorize/resume?request=x", [cookie]),
        _get("/oauth2/logout?id_token_hint=e30.e30.e30&client_id=web-app&state=x", [cookie]),
        _form("/oauth2/logout/confirm", {"csrf": "x", "request": "y"}, [cookie, origin]),
        *(_get(f"{path}?request=abc&user_code=BCDF-GHJK", [cookie]) for path in paths),
        *(_form(path, signing_in | {"user_code": "BCDF-GHJK", "code": "123456"}, [cookie, origin]) for path in paths),
        _get("/account", [cookie]),
        *(_form(f"/account/{part}", signing_in, [cookie, origin]) for part in account),
        _get("/", [cookie]),
    ]


def _plain() -> list[bytes]:
    paths = (
        "/.well-known/openid-configuration",
        "/.well-known/oauth-authorization-server",
        "/.well-known/jwks.json",
        "/health/live",
        "/health/ready",
        "/metrics",
        "/no/such/thing",
    )
    return [
        *(_get(path) for path in paths),
        b"OPTIONS /oauth2/token HTTP/1.1\r\nhost: a\r\norigin: a\r\naccess-control-request-method: POST\r\n\r\n",
        b"HEAD /health/live HTTP/1.1\r\nhost: a\r\n\r\n",
        b"OPTIONS * HTTP/1.1\r\nhost: a\r\n\r\n",
        b"GET http://a/health/live HTTP/1.1\r\nhost: a\r\n\r\n",
        b"GET /health/live HTTP/1.0\r\n\r\n",
        b"GET /health/live HTTP/1.1\r\nhost: a\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n",
    ]


def _basic(name: str, secret: str) -> list[bytes]:
    return [b"authorization: Basic " + b64encode(f"{quote_plus(name)}:{quote_plus(secret)}".encode())]


def _bearer(token: str) -> list[bytes]:
    return [b"authorization: Bearer " + token.encode()]


def _get(path: str, headers: Sequence[bytes] = (), *more: bytes) -> bytes:
    return _message(f"GET {path}".encode(), [*headers, *more], None)


def _form(path: str, fields: dict[str, str], headers: Sequence[bytes] = ()) -> bytes:
    kind = b"content-type: application/x-www-form-urlencoded"
    return _message(f"POST {path}".encode(), [*headers, kind], urlencode(fields).encode())


def _message(line: bytes, headers: list[bytes], body: bytes | None) -> bytes:
    length = [] if body is None else [b"content-length: %d" % len(body)]
    lines = [line + b" HTTP/1.1", b"host: 127.0.0.1", b"user-agent: fuzzer/1.0", b"accept: */*", *headers, *length]
    return b"\r\n".join(lines) + b"\r\n\r\n" + (body or b"")
