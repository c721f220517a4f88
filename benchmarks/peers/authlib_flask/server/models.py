"""What Authlib asks of an application's models (https://docs.authlib.org), kept in dictionaries of one process."""

from __future__ import annotations

import hmac
import time
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

from authlib.oauth2.rfc6749 import AuthorizationCodeMixin, ClientMixin, TokenMixin
from authlib.oauth2.rfc6749.util import list_to_scope, scope_to_list


@dataclass(frozen=True)
class User:
    """A person with an account."""

    name: str

    def get_user_id(self) -> str:
        """The subject of tokens."""
        return self.name


@dataclass(frozen=True)
class Client(ClientMixin):
    """A confidential client, with the scopes and grant types that it may have."""

    client_id: str
    secret: str
    scopes: frozenset[str]
    grant_types: tuple[str, ...]
    redirect_uris: tuple[str, ...] = ()

    def get_client_id(self) -> str:  # noqa: D102 - Authlib documents what its models answer, here and below
        return self.client_id

    def get_default_redirect_uri(self) -> str:  # noqa: D102
        return self.redirect_uris[0] if self.redirect_uris else ""

    def get_allowed_scope(self, scope: Collection[str] | str) -> str:  # noqa: D102
        allowed: str = list_to_scope([word for word in scope_to_list(scope) or [] if word in self.scopes])
        return allowed

    def check_redirect_uri(self, redirect_uri: str) -> bool:  # noqa: D102
        return redirect_uri in self.redirect_uris

    def check_client_secret(self, client_secret: str) -> bool:  # noqa: D102
        return hmac.compare_digest(self.secret, client_secret)

    def check_endpoint_auth_method(self, method: str, endpoint: str) -> bool:  # noqa: ARG002, D102
        return method == "client_secret_basic"

    def check_response_type(self, response_type: str) -> bool:  # noqa: D102
        return response_type == "code" and bool(self.redirect_uris)

    def check_grant_type(self, grant_type: str) -> bool:  # noqa: D102
        return grant_type in self.grant_types


@dataclass(frozen=True)
class Code(AuthorizationCodeMixin):
    """An authorization code with its PKCE challenge."""

    code: str
    client_id: str
    redirect_uri: str
    scope: str
    user: User
    code_challenge: str
    code_challenge_method: str

    def get_redirect_uri(self) -> str:  # noqa: D102
        return self.redirect_uri

    def get_scope(self) -> str:  # noqa: D102
        return self.scope


class Token(TokenMixin):
    """An access token, and its refresh token where it has one."""

    __slots__ = ("access_token", "client_id", "expires_in", "issued_at", "refresh_token", "revoked", "scope", "user")

    def __init__(self, fields: dict[str, Any], client_id: str, user: User | None) -> None:
        self.access_token: str = fields["access_token"]
        self.refresh_token: str | None = fields.get("refresh_token")
        self.scope: str = fields.get("scope", "")
        self.expires_in: int = fields["expires_in"]
        self.issued_at = int(time.time())
        self.client_id = client_id
        self.user = user
        self.revoked = False

    def check_client(self, client: Client) -> bool:  # noqa: D102
        return self.client_id == client.client_id

    def get_scope(self) -> str:  # noqa: D102
        return self.scope

    def get_expires_in(self) -> int:  # noqa: D102
        return self.expires_in

    def is_expired(self) -> bool:  # noqa: D102
        return self.issued_at + self.expires_in < time.time()

    def is_revoked(self) -> bool:  # noqa: D102
        return self.revoked
