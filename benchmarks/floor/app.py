"""`python -m benchmarks.floor.app PORT CONFIGURATION`: serve the bare loops until SIGTERM.

The configuration is a JSON object with `database` and `nats` (URLs), `secrets` (of clients, by name), `jwks` (of the
client that signs), `audience`, `scope`, `lifetime` in seconds, and what there is from the start: `grants` (refresh
tokens) and `sessions` (cookies).
"""

from __future__ import annotations

import hashlib
import hmac
import json
import sys
import time
import uuid
from base64 import b64decode, urlsafe_b64encode
from pathlib import Path
from secrets import token_urlsafe
from typing import Any
from urllib.parse import parse_qsl, urlencode

import jwt
import msgspec
import uvicorn
import uvloop
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256
from jwt.algorithms import ECAlgorithm

from benchmarks.floor.journal import Journal

_JSON = [(b"content-type", b"application/json"), (b"cache-control", b"no-store")]
_encode = msgspec.json.Encoder().encode
_ES256 = ec.ECDSA(SHA256())
_INACTIVE = b'{"active":false}'
_REFUSED = b'{"error":"invalid_client"}'


class Floor:
    """The loops, as an ASGI application."""

    def __init__(self, configuration: dict[str, Any], journal: Journal) -> None:
        self._journal = journal
        self._audience, self._scope = configuration["audience"], configuration["scope"]
        self._lifetime = configuration["lifetime"]
        self._clients = {name: _digest(secret) for name, secret in configuration["secrets"].items()}
        self._refresh = {_digest(token): (uuid.uuid4(), 1) for token in configuration["grants"]}
        self._sessions = set(configuration["sessions"])
        self._codes: dict[str, tuple[uuid.UUID, dict[str, str]]] = {}
        self._tokens: dict[str, dict[str, Any]] = {}
        (signing,) = configuration["jwks"]["keys"]
        self._signing_key, self._used = jwt.PyJWK(signing), set[str]()
        self._private = ec.generate_private_key(ec.SECP256R1())
        jwk = ECAlgorithm.to_jwk(self._private.public_key(), as_dict=True)
        self._keys = _encode({"keys": [{**jwk, "kid": "floor", "alg": "ES256", "use": "sig"}]})
        self._header = _base64url(_encode({"typ": "at+jwt", "alg": "ES256", "kid": "floor"})) + b"."

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Answer."""
        path, headers = scope["path"], dict(scope["headers"])
        if path == "/verify":
            await self._verify(headers, send)
        elif path == "/authorize":
            await self._authorize(scope, headers, send)
        elif path == "/keys":
            await _answer(send, 200, self._keys)
        else:
            form = dict(parse_qsl((await receive())["body"].decode()))
            client = self._client(headers, form)
            if client is None:
                await self._journal.append(uuid.uuid4(), 1, {"error": "invalid_client"})
                await _answer(send, 401, _REFUSED)
            else:
                await self._forms[path](self, client, form, send)

    def _client(self, headers: dict[bytes, bytes], form: dict[str, str]) -> str | None:
        if "client_assertion" in form:
            return self._signer(form["client_assertion"])
        name, _, secret = b64decode(headers[b"authorization"][6:]).decode().partition(":")
        known = self._clients.get(name)
        return name if known is not None and hmac.compare_digest(known, _digest(secret)) else None

    def _signer(self, assertion: str) -> str | None:
        claims = jwt.decode(assertion, self._signing_key, ["ES256"], options={"verify_aud": False})
        if claims["jti"] in self._used:
            return None
        self._used.add(claims["jti"])
        return str(claims["iss"])

    async def _introspect(self, _client: str, form: dict[str, str], send: Any) -> None:
        claims = self._tokens.get(form["token"])
        if claims is None or claims["exp"] <= time.time():
            await self._journal.append(uuid.uuid4(), 1, {"error": "inactive_token"})
            await _answer(send, 200, _INACTIVE)
        else:
            await _answer(send, 200, _encode({"active": True, **claims}))

    async def _revoke(self, client: str, form: dict[str, str], send: Any) -> None:
        claims = self._tokens.get(form["token"])
        if claims is not None and claims["client_id"] == client:
            await self._journal.append(uuid.uuid4(), 1, {"revoked": claims["jti"]})
            del self._tokens[form["token"]]
        await _answer(send, 200, b"")

    async def _authorize(self, scope: Any, headers: dict[bytes, bytes], send: Any) -> None:
        query = dict(parse_qsl(scope["query_string"].decode()))
        if headers[b"cookie"].decode() not in self._sessions:
            await _answer(send, 401, b"")
            return
        code, grant = token_urlsafe(32), uuid.uuid4()
        await self._journal.append(grant, 1, query)
        self._codes[code] = grant, query
        target = query["redirect_uri"] + "?" + urlencode({"code": code, "state": query["state"]})
        await _answer(send, 303, b"", [(b"location", target.encode())])

    async def _issue(self, client: str, form: dict[str, str], send: Any) -> None:
        now = int(time.time())
        version, grant = 1, uuid.uuid4()
        more: dict[str, str] = {}
        if form["grant_type"] == "refresh_token":
            grant, version = self._refresh.pop(_digest(form["refresh_token"]))
            more["refresh_token"] = token_urlsafe(32)
            self._refresh[_digest(more["refresh_token"])] = grant, version + 1
        if form["grant_type"] == "authorization_code":
            grant, query = self._codes.pop(form["code"])
            version = 2
            assert _base64url(_digest(form["code_verifier"])).decode() == query["code_challenge"]
            times = {"exp": now + self._lifetime, "iat": now}
            more["id_token"] = self._signed({"iss": "http://127.0.0.1", "sub": "zoe", "aud": client, **times})
        claims = {
            "iss": "http://127.0.0.1",
            "sub": client,
            "aud": self._audience,
            "client_id": client,
            "exp": now + self._lifetime,
            "iat": now,
            "jti": str(uuid.uuid4()),
            "scope": self._scope,
        }
        token = token_urlsafe(32) if client.startswith("opaque") else self._signed(claims)
        await self._journal.append(grant, version, claims)
        self._tokens[token] = claims
        body = {"access_token": token, "token_type": "Bearer", "expires_in": self._lifetime, "scope": self._scope}
        await _answer(send, 200, _encode({**body, **more}))

    _forms = {"/token": _issue, "/introspect": _introspect, "/revoke": _revoke}  # noqa: RUF012 it stays as it is

    def _signed(self, claims: dict[str, Any]) -> str:
        message = self._header + _base64url(_encode(claims))
        r, s = decode_dss_signature(self._private.sign(message, _ES256))
        return (message + b"." + _base64url(r.to_bytes(32, "big") + s.to_bytes(32, "big"))).decode()

    async def _verify(self, headers: dict[bytes, bytes], send: Any) -> None:
        claims = self._tokens.get(headers[b"authorization"][7:].decode())
        if claims is None or claims["exp"] <= time.time() or claims["aud"] != self._audience:
            await _answer(send, 401, b"")
            return
        names = ("sub", "client_id", "scope", "jti")
        await _answer(send, 200, b"", [(b"x-auth-" + name.encode(), claims[name].encode()) for name in names])


async def _answer(send: Any, status: int, body: bytes, headers: list[tuple[bytes, bytes]] = _JSON) -> None:
    length = (b"content-length", str(len(body)).encode())
    await send({"type": "http.response.start", "status": status, "headers": [*headers, length]})
    await send({"type": "http.response.body", "body": body, "more_body": False})


def _digest(secret: str) -> bytes:
    return hashlib.sha256(secret.encode()).digest()


def _base64url(raw: bytes) -> bytes:
    return urlsafe_b64encode(raw).rstrip(b"=")


async def _main(port: int, configuration: dict[str, Any]) -> None:
    journal = await Journal.open(configuration["database"], configuration["nats"])
    app = Floor(configuration, journal)
    config = uvicorn.Config(app, port=port, http="httptools", lifespan="off", access_log=False, log_level="warning")
    await uvicorn.Server(config).serve()


if __name__ == "__main__":
    uvloop.run(_main(int(sys.argv[1]), json.loads(Path(sys.argv[2]).read_text())))
