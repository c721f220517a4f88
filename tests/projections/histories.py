"""Histories that can have happened, for Hypothesis: valid sequences of events, as facts at dense positions."""

from __future__ import annotations

import datetime as dt
import functools
from collections import Counter
from uuid import UUID

from hypothesis import strategies as st

from schema import events
from schema.envelope import Fact
from schema.streams import KEYS_STREAM, client_stream, resource_stream, role_stream

MOMENT = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)
NAMES = ("alpha", "beta", "gamma")
SCOPES = ("read:a", "write:a", "read:b")
GRANTS = tuple(UUID(int=(0x019B76DAA800 << 80) | (7 << 76) | (2 << 62) | number) for number in range(1, 7))

scopes = st.lists(st.sampled_from(SCOPES), unique=True).map(tuple)


class Writer:
    """Gives each event its position and its version, as the journal does."""

    def __init__(self) -> None:
        self.facts: list[Fact] = []
        self._versions: Counter[UUID] = Counter()

    def write(self, stream: UUID, event: events.Event) -> None:
        """The next event of a stream."""
        self._versions[stream] += 1
        self.facts.append(Fact(len(self.facts) + 1, stream, self._versions[stream], event, MOMENT))


@st.composite
def access_histories(draw: st.DrawFn) -> list[Fact]:
    """Resources, roles and clients that come, change and go."""
    writer, known = Writer(), set[tuple[str, str]]()
    for _ in range(draw(st.integers(0, 20))):
        kind, name = draw(st.sampled_from(("resource", "role", "client"))), draw(st.sampled_from(NAMES))
        exists = (kind, name) in known
        event = draw(_STEPS[kind](name, exists=exists))
        if isinstance(event, _REMOVALS):
            known.discard((kind, name))
        else:
            known.add((kind, name))
        writer.write(_STREAMS[kind](name), event)
    return writer.facts


@st.composite
def key_histories(draw: st.DrawFn) -> list[Fact]:
    """Keys that are made, activated and retired as the lifecycle allows."""
    writer, now = Writer(), 1_000
    status: dict[str, str] = {}
    for number in range(draw(st.integers(0, 20))):
        now += draw(st.integers(0, 5_000))
        waiting = [kid for kid, state in status.items() if state == "next"]
        old = [kid for kid, state in status.items() if state in {"next", "previous"}]
        step = draw(st.sampled_from(["create"] + ["activate"] * bool(waiting) + ["retire"] * bool(old)))
        if step == "create":
            kid = f"key-{number}"
            status[kid] = "next"
            writer.write(KEYS_STREAM, events.KeyCreated(kid=kid, alg="ES256", jwk={}, created_at=now, activates_at=now))
        elif step == "activate":
            kid = draw(st.sampled_from(waiting))
            before = [other for other, state in status.items() if state == "current"]
            status |= dict.fromkeys(before, "previous") | {kid: "current"}
            retires = now + 500 if before else None
            writer.write(KEYS_STREAM, events.KeyActivated(kid=kid, activated_at=now, previous_retires_at=retires))
        else:
            kid = draw(st.sampled_from(old))
            status[kid] = "retired"
            writer.write(KEYS_STREAM, events.KeyRetired(kid=kid, reason="operator"))
    return writer.facts


def issued(number: int = 1, *, at: int = 100, lifetime: int = 600) -> events.TokenIssued:
    """A token that lives from `at` on for `lifetime` seconds."""
    return events.TokenIssued(
        number=number,
        client_id="alpha",
        subject="alpha",
        audience="https://alpha.example.com",
        scope="read:a",
        issued_at=at,
        expires_at=at + lifetime,
        grant_type="client_credentials",
        auth_method="client_secret_basic",
        format="jwt",
    )


@functools.cache
def _resource_step(name: str, *, exists: bool) -> st.SearchStrategy[events.Event]:
    described = scopes.map(lambda some: dict.fromkeys(some, "…"))
    if not exists:
        return st.builds(events.ResourceRegistered, uri=st.just(name), scopes=described)
    updated = st.builds(events.ResourceUpdated, uri=st.just(name), scopes=described)
    return updated | st.just(events.ResourceRemoved(uri=name))


@functools.cache
def _role_step(name: str, *, exists: bool) -> st.SearchStrategy[events.Event]:
    if not exists:
        return st.builds(events.RoleRegistered, name=st.just(name), scopes=scopes)
    return st.builds(events.RoleUpdated, name=st.just(name), scopes=scopes) | st.just(events.RoleRemoved(name=name))


@functools.cache
def _client_step(name: str, *, exists: bool) -> st.SearchStrategy[events.Event]:
    settings = {
        "client_id": st.just(name),
        "auth_method": st.sampled_from(("client_secret_basic", "private_key_jwt", "none")),
        "scopes": scopes,
        "roles": st.lists(st.sampled_from(NAMES), unique=True).map(tuple),
    }
    if not exists:
        digest = st.none() | st.just("digest-0")
        return st.builds(events.ClientRegistered, **settings, secret_digest=digest)
    return st.one_of(
        st.builds(events.ClientUpdated, **settings),
        st.builds(
            events.ClientSecretRotated,
            client_id=st.just(name),
            secret_digest=st.integers(1, 9).map(lambda number: f"digest-{number}"),
            previous_expire_at=st.integers(0, 10_000),
        ),
        st.sampled_from(
            (
                events.ClientDisabled(client_id=name),
                events.ClientEnabled(client_id=name),
                events.ClientRemoved(client_id=name),
            )
        ),
    )


_STEPS = {"resource": _resource_step, "role": _role_step, "client": _client_step}
_STREAMS = {"resource": resource_stream, "role": role_stream, "client": client_stream}
_REMOVALS = (events.ResourceRemoved, events.RoleRemoved, events.ClientRemoved)
