"""Named steps from a request to an authenticated client. No answer tells an unknown client from a wrong proof."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from projections.access_model import AccessModel, Client
from schema.events import AuthMethod
from service.client_auth.assertion import AssertionVerifier, claimed_issuer
from service.client_auth.credentials import Credentials
from service.client_auth.remembered import RememberedHeaders
from service.client_auth.secret import check_secret
from service.errors import InvalidClient
from service.journal.port import SingleUse
from service.tokens.digest import Digester


class AuthenticatedClient(NamedTuple):
    """A client that proved who it is; `once` is there when the proof may be used only once."""

    client: Client
    method: AuthMethod
    once: SingleUse | None = None


class Authenticator:
    """Decides whether credentials prove a client of the access model."""

    def __init__(self, access: AccessModel, digester: Digester, assertions: AssertionVerifier) -> None:
        self._access = access
        self._digester = digester
        self._assertions = assertions
        self._remembered = RememberedHeaders(access)

    def recall(self, authorization: bytes | None, form: Mapping[str, str], now: float) -> AuthenticatedClient | None:
        """The client that the same header proved before, where it would again; None says nothing."""
        proven = self._remembered.find(authorization, form, now)
        return None if proven is None else AuthenticatedClient(proven.client, proven.method)

    def remember(self, authorization: bytes | None, caller: AuthenticatedClient, now: float) -> None:
        """A client has just proved itself: by that header, or else it is not remembered."""
        if authorization is not None and caller.method == "client_secret_basic":
            self._remembered.remember(authorization, caller.client, caller.method, now)

    def find(self, credentials: Credentials) -> Client | None:
        """The client that the credentials claim, if it is known; nothing is proven yet."""
        claimed = credentials.client_id
        if claimed is None and credentials.method == "private_key_jwt":
            claimed = claimed_issuer(credentials.proof)
        return self._access.clients.get(claimed) if claimed is not None else None

    def authenticate(self, credentials: Credentials, now: float) -> AuthenticatedClient:
        """The client that the credentials prove. Raises InvalidClient."""
        client = self.find(credentials)
        once = self._prove(credentials, client, now)
        if client is None:
            raise InvalidClient("unknown_client")
        if client.settings.auth_method != credentials.method:
            raise InvalidClient("wrong_auth_method")
        if not client.enabled:
            raise InvalidClient("client_disabled")
        return AuthenticatedClient(client, credentials.method, once)

    def _prove(self, credentials: Credentials, client: Client | None, now: float) -> SingleUse | None:
        match credentials.method:
            case "client_secret_basic" | "client_secret_post":
                check_secret(client, credentials.proof, self._digester, now)
            case "private_key_jwt":
                return self._assertions.verify(client, credentials.proof, now).once
            case "none":
                pass
        return None
