"""Histories to judge: what happened, second by second, as the service would have journalled it."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterable
from typing import Any, ClassVar
from uuid import UUID

import msgspec

from consumers.anomalies.countries import Place
from consumers.anomalies.rule import Rule, Signal, Thresholds, all_rules
from schema import events
from schema.envelope import Fact
from schema.streams import derived_stream

START = dt.datetime(2026, 3, 2, tzinfo=dt.UTC)
MINUTE, HOUR, DAY, WEEK = 60.0, 3_600.0, 86_400.0, 604_800.0
API = "https://api.example.com"
HOME, ABROAD = "192.0.2.10", "203.0.113.7"


class Table:
    """A table of countries: by the first number of the address."""

    CITIES: ClassVar = {
        "192": Place("DE", "EU", 52.5, 13.4),
        "203": Place("JP", "AS", 35.7, 139.7),
        "198": Place("DE", "EU", 48.1, 11.6),
    }
    COUNTRIES: ClassVar = {"60": Place("DE", "EU"), "61": Place("FR", "EU"), "62": Place("BR", "SA")}

    def place_of(self, address: str) -> Place | None:
        """Where an address is."""
        first = address.partition(".")[0]
        return self.CITIES.get(first) or self.COUNTRIES.get(first)


class History:
    """Writes facts. `now` is in seconds since the start."""

    def __init__(self) -> None:
        self.facts: list[Fact] = []
        self.now = 0.0

    def wait(self, seconds: float) -> History:
        """Let time pass."""
        self.now += seconds
        return self

    def write(self, event: events.Event, source: str | None = HOME, stream: UUID | None = None) -> History:
        """Something happened now."""
        position = len(self.facts) + 1
        moment = START + dt.timedelta(seconds=self.now)
        chosen = stream or derived_stream(int(moment.timestamp() * 1_000), str(position))
        self.facts.append(Fact(position, chosen, 1, event, moment, source))
        return self

    def every(self, seconds: float, times: int, act: Callable[[], Any]) -> History:
        """Something happens again and again, and then a pause."""
        for _ in range(times):
            act()
            self.wait(seconds)
        return self

    def token(self, client: str = "billing", source: str | None = HOME, **changed: Any) -> History:
        """An access token was issued, to a machine unless told otherwise."""
        stream = changed.pop("stream", None)
        fields: dict[str, Any] = {
            "number": 1,
            "client_id": client,
            "subject": client,
            "audience": API,
            "scope": "read",
            "issued_at": int(self.now),
            "expires_at": int(self.now) + 600,
            "grant_type": "client_credentials",
            "auth_method": "client_secret_basic",
            "format": "jwt",
            "user_agent": "billing/1.4 httpx/0.27",
        }
        return self.write(events.TokenIssued(**fields | changed), source, stream)

    def grant(self, number: int, subject: str, source: str = HOME, client: str = "app", **changed: Any) -> History:
        """A person's grant, with a refresh token, of a public client."""
        fields = {"subject": subject, "grant_type": "authorization_code", "auth_method": "none", "refresh_digest": "r"}
        return self.token(client, source, stream=grant_stream(number), **fields, user_agent="App/5.1", **changed)

    def refresh(self, number: int, subject: str, source: str = HOME, **changed: Any) -> History:
        """The refresh token of a grant was used."""
        fields: dict[str, Any] = {
            "number": 2,
            "generation": 1,
            "client_id": "app",
            "subject": subject,
            "audience": API,
            "scope": "read",
            "issued_at": int(self.now),
            "expires_at": int(self.now) + 600,
            "auth_method": "none",
            "format": "jwt",
            "user_agent": "App/5.1",
        }
        return self.write(events.TokenRefreshed(**fields | changed), source, grant_stream(number))

    def rejected(self, reason: str, source: str | None = HOME, **changed: Any) -> History:
        """A request was refused."""
        fields: dict[str, Any] = {"endpoint": "token", "error": "invalid", "status": 400}
        return self.write(events.AccessRejected(reason=reason, **fields | changed), source)

    def failed(self, subject: str | None, source: str = HOME, name: str | None = None, method: str = "pwd") -> History:
        """Somebody could not sign in."""
        event = events.LoginFailed(reason="wrong_password", method=method, subject=subject, name_digest=name)
        return self.write(event, source)

    def signed_in(self, subject: str, source: str = HOME) -> History:
        """Somebody signed in."""
        at = int(self.now)
        event = events.SessionStarted(
            subject=subject, digest="handle", auth_time=at, expires_at=at + 43_200, amr=("pwd",), acr="1"
        )
        return self.write(event, source)

    def observed(self, number: int, source: str, client: str = "app", subject: str = "s", **changed: Any) -> History:
        """An API saw a token of a grant come from a network."""
        fields = {"client_id": client, "subject": subject, "introspector": "api", "issued_from": HOME}
        token_id = f"{grant_stream(number)}.1"
        return self.write(events.TokenSourceObserved(token_id=token_id, source=source, **fields | changed), "10.0.0.1")

    def introspected(self, times: int, client: str = "billing") -> History:
        """A minute's introspections of a client's tokens."""
        kind = events.IntrospectionCount(
            resource=API, scope="read", grant_type="client_credentials", introspector="api", count=times
        )
        return self.write(events.UsageRecorded(client_id=client, minute=int(self.now), introspections=(kind,)), None)

    def revoked(self, number: int) -> History:
        """A grant was revoked."""
        return self.write(events.GrantRevoked(client_id="app", reason="operator"), HOME, grant_stream(number))


def grant_stream(number: int) -> UUID:
    """The stream of a grant."""
    return derived_stream(int(START.timestamp() * 1_000), f"grant {number}")


def token_of(number: int, token: int = 1) -> str:
    """The id of a token of a grant."""
    return f"{grant_stream(number)}.{token}"


def rules(**changed: Any) -> dict[str, Rule]:
    """Every rule, by name."""
    return {rule.name: rule for rule in all_rules(Thresholds(**changed), Table())}  # type: ignore[arg-type]


def judged(rule: Rule, facts: Iterable[Fact], has: Callable[[str], bool] = lambda _: True) -> list[Signal]:
    """What a rule says of facts, as an engine asks it, of the keys that fall to it."""
    return [
        signal
        for fact in facts
        if type(fact.event) in rule.types
        for key in rule.keys(fact)
        if has(key)
        for signal in rule.observe(key, fact)
    ]


def signals(name: str, history: History, **changed: Any) -> list[Signal]:
    """What one rule says of a history."""
    return judged(rules(**changed)[name], history.facts)


def stored(rule: Rule) -> Any:
    """A rule's state after a journey through bytes."""
    return msgspec.msgpack.decode(msgspec.msgpack.encode(rule.state()))
