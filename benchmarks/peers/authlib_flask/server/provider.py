"""An authorization server by Authlib in Flask, as its documentation builds one; its options come in a JSON file."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from authlib.common.security import generate_token
from authlib.integrations.flask_oauth2 import AuthorizationServer
from authlib.oauth2.rfc6749 import grants
from authlib.oauth2.rfc6750 import BearerTokenGenerator
from authlib.oauth2.rfc7636 import CodeChallenge
from authlib.oauth2.rfc7662 import IntrospectionEndpoint
from authlib.oauth2.rfc9068 import JWTBearerTokenGenerator
from flask import Flask, Response, jsonify
from joserfc.jwk import ECKey

from benchmarks.peers.authlib_flask.server.models import Client, Code, Token, User

_OPTIONS = json.loads(Path(os.environ["PEER_CONFIGURATION"]).read_text())
_SCOPES = frozenset([_OPTIONS["scope"], "offline_access"])
_KEY = ECKey.generate_key("P-256", {"alg": "ES256", "use": "sig", "kid": "es256"})

_user = User("zoe")
_codes: dict[str, Code] = {}
_by_access_token: dict[str, Token] = {}
_by_refresh_token: dict[str, Token] = {}


def _client(name: str, *grant_types: str, redirect_uris: tuple[str, ...] = ()) -> Client:
    return Client(name, _OPTIONS["secrets"][name], _SCOPES, grant_types, redirect_uris)


_clients = {
    client.client_id: client
    for client in (
        _client("worker", "client_credentials"),
        _client("opaque-worker", "client_credentials"),
        _client("users-api"),
        _client("web-app", "authorization_code", "refresh_token", redirect_uris=(_OPTIONS["callback"],)),
    )
}


def _save_token(fields: dict[str, Any], request: Any) -> None:
    token = Token(fields, request.client.client_id, request.user)
    _by_access_token[token.access_token] = token
    if token.refresh_token is not None:
        _by_refresh_token[token.refresh_token] = token


class _Signed(JWTBearerTokenGenerator):
    def get_jwks(self) -> ECKey:
        return _KEY

    def get_audiences(self, client: Client, user: User | None, scope: str) -> str:  # noqa: ARG002
        return str(_OPTIONS["resource"])


def _refresh_token(*_: Any, **__: Any) -> str:
    return generate_token(48)


def _lifetime(_client: Any, _grant_type: str) -> int:
    return int(_OPTIONS["lifetime"])


_signed = _Signed(_OPTIONS["issuer"], "ES256", _refresh_token, _lifetime)
_opaque = BearerTokenGenerator(lambda *_, **__: generate_token(42), _refresh_token, _lifetime)


def _generate(grant_type: str, client: Client, **more: Any) -> dict[str, Any]:
    """Of the format that the client has."""
    generator = _opaque if client.client_id == "opaque-worker" else _signed
    token: dict[str, Any] = generator(grant_type, client, **more)
    return token


class _ClientCredentials(grants.ClientCredentialsGrant):
    TOKEN_ENDPOINT_AUTH_METHODS = ["client_secret_basic"]  # noqa: RUF012 - as Authlib has it


class _AuthorizationCode(grants.AuthorizationCodeGrant):
    TOKEN_ENDPOINT_AUTH_METHODS = ["client_secret_basic"]  # noqa: RUF012

    def save_authorization_code(self, code: str, request: Any) -> None:
        _codes[code] = Code(
            code=code,
            client_id=request.client.client_id,
            redirect_uri=request.payload.redirect_uri,
            scope=request.payload.scope,
            user=request.user,
            code_challenge=request.payload.data["code_challenge"],
            code_challenge_method=request.payload.data["code_challenge_method"],
        )

    def query_authorization_code(self, code: str, client: Any) -> Code | None:
        found = _codes.get(code)
        return found if found is not None and found.client_id == client.client_id else None

    def delete_authorization_code(self, authorization_code: Code) -> None:
        del _codes[authorization_code.code]

    def authenticate_user(self, authorization_code: Code) -> User:
        return authorization_code.user


class _Refresh(grants.RefreshTokenGrant):
    TOKEN_ENDPOINT_AUTH_METHODS = ["client_secret_basic"]  # noqa: RUF012
    INCLUDE_NEW_REFRESH_TOKEN = True

    def authenticate_refresh_token(self, refresh_token: str) -> Any:
        found = _by_refresh_token.get(refresh_token)
        return found if found is not None and not found.revoked else None

    def authenticate_user(self, refresh_token: Token) -> User | None:
        return refresh_token.user

    def revoke_old_credential(self, refresh_token: Any) -> None:
        refresh_token.revoked = True


class _Introspection(IntrospectionEndpoint):
    CLIENT_AUTH_METHODS = ["client_secret_basic"]  # noqa: RUF012

    def query_token(self, token_string: str, _token_type_hint: str | None) -> Token | None:
        return _by_access_token.get(token_string) or _by_refresh_token.get(token_string)

    def check_permission(self, _token: Token, client: Client, _request: Any) -> bool:
        return client.client_id == "users-api"

    def introspect_token(self, token: Token) -> dict[str, Any]:
        return {
            "active": True,
            "client_id": token.client_id,
            "token_type": "Bearer",
            "scope": token.scope,
            "sub": token.user.name if token.user else token.client_id,
            "aud": _OPTIONS["resource"],
            "iss": _OPTIONS["issuer"],
            "exp": token.issued_at + token.expires_in,
            "iat": token.issued_at,
        }


app = Flask(__name__)
_server: Any = AuthorizationServer(app, query_client=_clients.get, save_token=_save_token)
_server.scopes_supported = sorted(_SCOPES)
_server.register_token_generator("default", _generate)
_server.register_grant(_ClientCredentials)
_server.register_grant(_AuthorizationCode, [CodeChallenge(required=True)])
_server.register_grant(_Refresh)
_server.register_endpoint(_Introspection)


@app.post("/token")
def _token() -> Response:
    answer: Response = _server.create_token_response()
    return answer


@app.post("/introspect")
def _introspect() -> Response:
    answer: Response = _server.create_endpoint_response(_Introspection.ENDPOINT_NAME)
    return answer


@app.get("/authorize")
def _authorize() -> Response:
    """The one account agrees at once."""
    grant = _server.get_consent_grant(end_user=_user)
    answer: Response = _server.create_authorization_response(grant_user=_user, grant=grant)
    return answer


@app.get("/jwks")
def _keys() -> Response:
    return jsonify({"keys": [_KEY.as_dict(private=False)]})
