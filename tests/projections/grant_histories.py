"""Histories of grants: those that clients have by themselves, and those that people give by a code or at a device."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import msgspec
from hypothesis import strategies as st

from schema import events
from schema.envelope import Fact
from tests.projections.histories import GRANTS, Writer, issued

REVOKED_ALL = events.GrantRevoked(client_id="alpha", reason="operator")
_WANTED: dict[str, Any] = {"client_id": "alpha", "scope": "openid read:a", "resources": ("https://alpha.example.com",)}
_PROVEN: dict[str, Any] = {"subject": "zoe", "session": "s", "auth_time": 90, "amr": ("pwd",), "acr": "1fa"}
_FIRST = {"client": "issue", "code": "authorize", "device": "ask"}
_AFTER = {
    "new": (),
    "asked": ("approve", "deny", "end"),
    "given": ("redeem", "redeem", "end"),
    "denied": ("end",),
    "live": ("end",),
}


def authorized(*, at: int = 100) -> events.AuthorizationGranted:
    """A person's grant, whose code lives from `at` on for a minute."""
    bound: dict[str, Any] = {
        "redirect_uri": "https://alpha.example.com/callback",
        "code_challenge": "challenge",
        "digest": "code",
    }
    return events.AuthorizationGranted(**_WANTED, **_PROVEN, **bound, issued_at=at, expires_at=at + 60, nonce="n")


def device_requested(*, at: int = 100) -> events.DeviceRequested:
    """A device's request, whose code lives from `at` on for ten minutes."""
    return events.DeviceRequested(
        **_WANTED, digest="device", user_code_digest="user", issued_at=at, expires_at=at + 600
    )


def device_approved(*, at: int = 100) -> events.DeviceApproved:
    """A person's answer to a device."""
    return events.DeviceApproved(**_WANTED, **_PROVEN, approved_at=at)


def with_refresh(token: events.TokenIssued, digest: str = "refresh-0", *, lifetime: int = 2_000) -> events.TokenIssued:
    """The same token, issued with a refresh token."""
    until = token.issued_at + lifetime
    return msgspec.structs.replace(token, refresh_digest=digest, refresh_expires_at=until)


def refreshed(
    number: int, generation: int, *, at: int = 200, lifetime: int = 600, **more: Any
) -> events.TokenRefreshed:
    """A token that came of a refresh at `at`."""
    return events.TokenRefreshed(
        number=number,
        generation=generation,
        client_id="alpha",
        subject="zoe",
        audience="https://alpha.example.com",
        scope="read:a",
        issued_at=at,
        expires_at=at + lifetime,
        auth_method="client_secret_basic",
        format="jwt",
        **more,
    )


@st.composite
def grant_histories(draw: st.DrawFn) -> list[Fact]:
    """Grants of every kind that begin, get tokens, are refreshed, and revoked token by token or as a whole."""
    writer, now = Writer(), 100
    grants: dict[UUID, _Going] = {}
    for _ in range(draw(st.integers(1, 30))):
        now += draw(st.sampled_from((0, 5, 300)))
        stream = draw(st.sampled_from(GRANTS))
        if stream not in grants:
            grants[stream] = _Going(draw(st.sampled_from(tuple(_FIRST))))
        going = grants[stream]
        step = draw(st.sampled_from(going.steps()))
        for event in going.take(step, now, draw(st.sampled_from((10, 600)))):
            writer.write(stream, event)
    return writer.facts


class _Going:
    """How far a grant has come, so that what follows can have happened."""

    def __init__(self, kind: str) -> None:
        self._kind = kind
        self._stage = "new"
        self._tokens: dict[int, int] = {}
        self._generation = 0
        self._refresh: list[str] = []
        self._number = 0

    def steps(self) -> tuple[str, ...]:
        """What may happen next."""
        if self._stage == "new":
            return (_FIRST[self._kind],)
        more = ["issue"] if self._kind == "client" else []
        more += ["revoke"] if self._tokens else []
        more += ["rotate", "rotate", "keep", "reuse"] if self._refresh else []
        more += ["retry"] if self._generation else []
        return (*_AFTER[self._stage], *more)

    def take(self, step: str, now: int, lifetime: int) -> tuple[events.Event, ...]:
        """The events of a step."""
        match step:
            case "authorize" | "ask" | "approve" | "deny":
                return (self._before(step, now),)
            case "issue" | "redeem":
                return self._issue(step, now, lifetime)
            case "rotate" | "retry" | "keep":
                return (self._refreshed(step, now, lifetime),)
            case "revoke":
                return (events.TokenRevoked(number=max(self._tokens), client_id="alpha", reason="client_request"),)
            case "reuse":
                return events.TokenReuseDetected(client_id="alpha", kind="refresh_token"), REVOKED_ALL
            case _:
                return (REVOKED_ALL,)

    def _before(self, step: str, now: int) -> events.Event:
        self._stage = {"authorize": "given", "ask": "asked", "approve": "given", "deny": "denied"}[step]
        made = {"authorize": authorized, "ask": device_requested, "approve": device_approved}
        return made[step](at=now) if step in made else events.DeviceDenied(client_id="alpha", subject="zoe")

    def _issue(self, step: str, now: int, lifetime: int) -> tuple[events.Event, ...]:
        self._stage = "live"
        token = issued(self._add(now, lifetime), at=now, lifetime=lifetime)
        if step == "issue":
            return (token,)
        kind = events.AuthorizationRedeemed if self._kind == "code" else events.DeviceRedeemed
        if lifetime == 600:
            self._refresh = ["refresh-0"]
            token = with_refresh(token)
        return kind(client_id="alpha"), token

    def _refreshed(self, step: str, now: int, lifetime: int) -> events.Event:
        self._tokens = {number: until for number, until in self._tokens.items() if until > now}
        number = self._add(now, lifetime)
        if step == "keep":
            return refreshed(number, self._generation, at=now, lifetime=lifetime)
        used, self._generation = self._refresh[-1], self._generation + (step == "rotate")
        digest = f"refresh-{number}"
        if step == "rotate":
            self._refresh.append(digest)
        more: dict[str, Any] = {"used_digest": used, "refresh_digest": digest, "retry": step == "retry"}
        return refreshed(number, self._generation, at=now, lifetime=lifetime, **more)

    def _add(self, now: int, lifetime: int) -> int:
        self._number += 1
        self._tokens[self._number] = now + lifetime
        return self._number
