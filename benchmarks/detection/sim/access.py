"""The access model of the simulated service: which clients there are, and whether a request proves to be from one."""

from __future__ import annotations

from typing import Any

from benchmarks.detection.sim.ledger import Ledger
from benchmarks.detection.sim.places import Caller
from benchmarks.detection.sim.schedule import DAY, Schedule
from benchmarks.detection.sim.state import Api, Registered
from schema.events import (
    AccessRejected,
    ClientRegistered,
    ClientRemoved,
    ClientSecretRotated,
    ClientSettings,
    ClientUpdated,
    ResourceRegistered,
)
from schema.streams import client_stream, resource_stream


class Access:
    """Registers clients, checks what they prove (RFC 6749 section 2.3), and journals what is refused."""

    def __init__(self, ledger: Ledger, schedule: Schedule) -> None:
        self.ledger = ledger
        self.schedule = schedule
        self.clients: dict[str, Registered] = {}
        self.apis: dict[str, Api] = {}

    def add_api(self, api: Api) -> None:
        """An API becomes known, and the client by which it introspects."""
        self.apis[api.uri] = api
        event = ResourceRegistered(uri=api.uri, scopes=dict.fromkeys(api.scopes, "A scope"))
        self.ledger.write(resource_stream(api.uri), event)
        self.add_client(
            ClientSettings(client_id=api.client_id, auth_method="client_secret_basic", introspects=(api.uri,))
        )

    def add_client(self, settings: ClientSettings) -> Registered:
        """A client becomes known, with a secret of its own unless it is public."""
        secret = None if settings.auth_method == "none" else self.ledger.digest()
        known = self.clients[settings.client_id] = Registered(settings, secret)
        event = ClientRegistered(**_fields(settings), secret_digest=secret)
        self.ledger.write(client_stream(settings.client_id), event)
        return known

    def update(self, settings: ClientSettings) -> None:
        """The settings of a client are replaced."""
        self.clients[settings.client_id].settings = settings
        self.ledger.write(client_stream(settings.client_id), ClientUpdated(**_fields(settings)))

    def rotate(self, client_id: str) -> str:
        """A client gets a new secret; the old one works for another day."""
        known = self.clients[client_id]
        until = int(self.schedule.now + DAY)
        known.previous, known.previous_until, known.secret = known.secret, until, self.ledger.digest()
        event = ClientSecretRotated(client_id=client_id, secret_digest=known.secret, previous_expire_at=until)
        self.ledger.write(client_stream(client_id), event)
        return known.secret

    def remove(self, client_id: str) -> None:
        """A client is known no longer."""
        del self.clients[client_id]
        self.ledger.write(client_stream(client_id), ClientRemoved(client_id=client_id))

    def authenticate(self, endpoint: str, client_id: str, secret: str | None, caller: Caller) -> Registered | None:
        """The client, if the secret is its own; else the refusal is journalled."""
        known = self.clients.get(client_id)
        if known is None:
            self.refuse(endpoint, "invalid_client", "unknown_client", caller, claimed=client_id)
        elif not known.proves(secret, self.schedule.now):
            self.refuse(endpoint, "invalid_client", "bad_secret", caller, client_id=client_id)
        elif not known.enabled:
            self.refuse(endpoint, "invalid_client", "client_disabled", caller, client_id=client_id)
        else:
            return known
        return None

    def refuse(
        self,
        endpoint: str,
        error: str,
        reason: str,
        caller: Caller,
        *,
        client_id: str | None = None,
        claimed: str | None = None,
        token_id: str | None = None,
        token_digest: str | None = None,
        detail: str | None = None,
        status: int | None = None,
    ) -> int:
        """Journal a refusal; its position."""
        event = AccessRejected(
            endpoint=endpoint,
            error=error,
            reason=reason,
            status=status or {"invalid_client": 401, "inactive_token": 200}.get(error, 400),
            client_id=client_id,
            claimed_client=claimed,
            token_id=token_id,
            token_digest=token_digest,
            user_agent=caller.agent,
            detail=detail,
        )
        return self.ledger.alone(event, caller.source)


def _fields(settings: ClientSettings) -> dict[str, Any]:
    return {name: getattr(settings, name) for name in ClientSettings.__struct_fields__}
