"""A mix of events as a service of many clients and people has it, as the requests that would append them."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator
from typing import Any
from uuid import UUID

from schema import events
from schema.envelope import Context
from schema.streams import client_stream, new_stream
from service.journal.port import Append

BATCH = 1_000

MACHINES, APPLICATIONS, APIS, PEOPLE, HOSTS = 300, 40, 25, 20_000, 2_000
OPEN_GRANTS = 20_000


class Grant:
    """A person's grant that goes on."""

    __slots__ = ("api", "client", "generation", "number", "person", "scope", "source", "stream", "version")

    def __init__(self, client: str, api: str, person: str, scope: str, source: str) -> None:
        self.stream = new_stream()
        self.client, self.api, self.person, self.scope, self.source = client, api, person, scope, source
        self.version = self.generation = 0
        self.number = 1


class Mix:
    """Draws requests; the same seed draws the same, ids and times aside."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)
        self._grants: list[Grant] = []
        self._machine_tokens: list[tuple[UUID, str]] = []
        self._registered = 0
        steps: tuple[tuple[Callable[[], Append], float], ...] = (
            (self._machine, 40),
            (self._code, 6),
            (self._refresh, 24),
            (self._rejected, 8),
            (self._introspected, 8),
            (self._sign_in, 5),
            (self._sign_in_failed, 2),
            (self._token_revoked, 2),
            (self._grant_revoked, 2),
            (self._client, 0.1),
        )
        self._steps = [step for step, _ in steps]
        self._weights = [weight for _, weight in steps]

    def request(self) -> Append:
        """The next one."""
        return self._random.choices(self._steps, self._weights)[0]()

    def _few(self, many: int) -> int:
        """A number below `many`, small ones far more often, as with clients and APIs."""
        return int(many * self._random.random() ** 3)

    def _host(self) -> str:
        number = self._random.randrange(HOSTS)
        return f"10.{number // 250}.{number % 250}.{self._random.randrange(1, 4)}"

    def _scope(self, api: int) -> str:
        return ("read:things", "read:things write:things", f"admin:{api}")[self._few(3)]

    def _token(self, client: str, subject: str, api: str, scope: str, number: int) -> dict[str, Any]:
        now = int(time.time())
        return {
            "number": number,
            "client_id": client,
            "subject": subject,
            "audience": api,
            "scope": scope,
            "issued_at": now,
            "expires_at": now + 600,
            "auth_method": "client_secret_basic",
            "format": "jwt",
            "kid": "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs",
            "user_agent": "python-requests/2.32",
        }

    def _machine(self) -> Append:
        number = self._few(MACHINES)
        client, stream = f"machine-{number}", new_stream()
        api = (number * 7) % APIS
        token = self._token(client, client, _api(api), self._scope(api), 1)
        issued = events.TokenIssued(**token, grant_type="client_credentials")
        self._machine_tokens = [*self._machine_tokens[-99:], (stream, client)]
        return Append(stream, 0, (issued,), Context(client, f"10.9.{number % 250}.{self._random.randrange(1, 9)}"))

    def _code(self) -> Append:
        application = self._few(APPLICATIONS)
        api = (application * 3 + self._few(2)) % APIS
        person = f"0b6f1c1e-3f0e-4b7a-9b0e-{self._few(PEOPLE):012d}"
        grant = Grant(f"app-{application}", _api(api), person, self._scope(api), self._host())
        now = int(time.time())
        granted = events.AuthorizationGranted(
            client_id=grant.client,
            subject=person,
            session=str(grant.stream),
            scope=grant.scope,
            resources=(grant.api,),
            redirect_uri="https://app.example.com/callback",
            code_challenge="E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM",
            digest="pmWkWSBCL51Bfkhn79xPuKBKHz__H6B-mY6G9_eieuM",
            issued_at=now,
            expires_at=now + 60,
            auth_time=now,
            amr=("pwd",),
            acr="1fa",
        )
        token = self._token(grant.client, person, grant.api, grant.scope, 1)
        issued = events.TokenIssued(
            **token, grant_type="authorization_code", refresh_digest="r" * 43, refresh_expires_at=now + 2_592_000
        )
        grant.version = 3
        self._keep(grant)
        redeemed = events.AuthorizationRedeemed(client_id=grant.client)
        return Append(grant.stream, 0, (granted, redeemed, issued), Context(grant.client, grant.source))

    def _keep(self, grant: Grant) -> None:
        if len(self._grants) < OPEN_GRANTS:
            self._grants.append(grant)
        else:
            self._grants[self._random.randrange(OPEN_GRANTS)] = grant

    def _refresh(self) -> Append:
        if not self._grants:
            return self._code()
        grant = self._random.choice(self._grants)
        grant.number += 1
        grant.generation += 1
        token = self._token(grant.client, grant.person, grant.api, grant.scope, grant.number)
        used: dict[str, Any] = {"used_digest": "u" * 43, "refresh_digest": "r" * 43}
        refreshed = events.TokenRefreshed(**token, **used, generation=grant.generation)
        return self._next(grant, refreshed)

    def _grant_revoked(self) -> Append:
        if not self._grants:
            return self._code()
        grant = self._grants.pop(self._random.randrange(len(self._grants)))
        return self._next(grant, events.GrantRevoked(client_id=grant.client, reason="session_ended"))

    def _next(self, grant: Grant, event: events.Event) -> Append:
        grant.version += 1
        return Append(grant.stream, grant.version - 1, (event,), Context(grant.client, grant.source))

    def _token_revoked(self) -> Append:
        if not self._machine_tokens:
            return self._machine()
        stream, client = self._machine_tokens.pop(0)
        revoked = events.TokenRevoked(number=1, client_id=client, reason="client_request")
        return Append(stream, 1, (revoked,), Context(client, self._host()))

    def _rejected(self) -> Append:
        endpoint, error, reason = (
            ("introspect", "inactive_token", "token_expired"),
            ("token", "invalid_client", "bad_secret"),
            ("token", "invalid_grant", "refresh_token_idle"),
            ("sign_in", "too_many_attempts", "login_throttled"),
        )[self._few(4)]
        client = f"machine-{self._few(MACHINES)}" if self._random.random() < 0.8 else None
        event = events.AccessRejected(
            endpoint=endpoint, error=error, reason=reason, status=400, client_id=client, user_agent="curl/8.5.0"
        )
        return Append(new_stream(), 0, (event,), Context("_", self._host()))

    def _introspected(self) -> Append:
        number = self._few(MACHINES)
        api = (number * 7) % APIS
        counts = tuple(
            events.IntrospectionCount(
                resource=_api(api),
                scope=scope,
                grant_type="client_credentials",
                introspector=f"api-{api}",
                count=46,
                ages=(30, 10, 5, 1, 0, 0, 0),
            )
            for scope in ("read:things", "read:things write:things")
        )
        minute = int(time.time()) // 60 * 60
        event = events.UsageRecorded(client_id=f"machine-{number}", minute=minute, introspections=counts)
        return Append(new_stream(), 0, (event,))

    def _sign_in(self) -> Append:
        now = int(time.time())
        started = events.SessionStarted(
            subject=f"0b6f1c1e-3f0e-4b7a-9b0e-{self._few(PEOPLE):012d}",
            digest="d" * 43,
            auth_time=now,
            expires_at=now + 43_200,
            amr=("pwd", "otp"),
            acr="2fa",
            client_id=f"app-{self._few(APPLICATIONS)}",
        )
        return Append(new_stream(), 0, (started,), Context("_", self._host()))

    def _sign_in_failed(self) -> Append:
        failed = events.LoginFailed(reason="wrong_password", method="pwd", name_digest="n" * 43)
        return Append(new_stream(), 0, (failed,), Context("_", self._host()))

    def _client(self) -> Append:
        self._registered += 1
        name = f"registered-{self._registered}"
        registered = events.ClientRegistered(
            client_id=name, auth_method="client_secret_basic", scopes=("read:things", "write:things")
        )
        return Append(client_stream(name), 0, (registered,))


def _api(number: int) -> str:
    return f"https://api-{number}.example.com"


def batches(mix: Mix, events: int) -> Iterator[list[Append]]:
    """Requests, each of one stream, of which a batch has no two."""
    batch: dict[UUID, Append] = {}
    made = 0
    while made < events:
        request = mix.request()
        if request.stream in batch or len(batch) == BATCH:
            yield list(batch.values())
            batch = {}
        batch[request.stream] = request
        made += len(request.events)
    yield list(batch.values())
