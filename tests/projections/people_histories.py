"""Histories of people: accounts with their factors, sessions and consents."""

from __future__ import annotations

import functools
from typing import Any
from uuid import UUID

from hypothesis import strategies as st

from schema import events
from schema.envelope import Fact
from schema.streams import account_stream, client_stream, consent_stream, role_stream
from tests.projections.histories import NAMES, SCOPES, Writer, scopes

ROLES = ("reader", "writer")
CLIENTS = ("web", "tv")
SESSIONS = tuple(UUID(int=(0x019B76DAA801 << 80) | (7 << 76) | (2 << 62) | number) for number in range(1, 5))
_DIGESTS = tuple(f"digest-{number}" for number in range(3))
_TIMES = (0, 50, 500)


def subject_of(name: str) -> str:
    """The subject of a name here."""
    return f"subject-{name}"


@st.composite
def account_histories(draw: st.DrawFn) -> list[Fact]:
    """People who are registered, change how they sign in, get and lose roles; roles that come and go beside them."""
    writer, registered, roles = Writer(), set[str](), set[str]()
    keys: dict[str, list[str]] = {}
    for number in range(draw(st.integers(0, 30))):
        name, role = draw(st.sampled_from(NAMES)), draw(st.sampled_from(ROLES))
        if draw(st.integers(0, 5)) == 0:
            event = events.RoleRemoved(name=role) if role in roles else events.RoleRegistered(name=role)
            roles ^= {role}
            writer.write(role_stream(role), event)
        elif name not in registered:
            registered.add(name)
            email = draw(st.none() | st.just(f"{name}@example.com"))
            account = events.AccountRegistered(subject=subject_of(name), name=name, email=email)
            writer.write(account_stream(name), account)
        elif draw(st.integers(0, 3)) == 0:
            writer.write(account_stream(name), draw(_passkey_step(name, keys.setdefault(name, []), number)))
        else:
            writer.write(account_stream(name), draw(_account_step(subject_of(name), role)))
    return writer.facts


def session(kind: type[events.SessionStarted | events.SessionRenewed], at: int = 100, **changes: Any) -> events.Event:
    """A sign-in of alpha at `at`, for 600 seconds."""
    fields: dict[str, Any] = {"subject": subject_of("alpha"), "digest": "cookie", "amr": ("pwd",), "acr": "1fa"}
    return kind(**{"auth_time": at, "expires_at": at + 600, **fields, **changes})


@st.composite
def session_histories(draw: st.DrawFn) -> list[Fact]:
    """Sessions that start, are renewed and end, and clients that hear of it."""
    writer, begun = Writer(), dict[UUID, str]()
    for number in range(draw(st.integers(1, 25))):
        stream = draw(st.sampled_from(SESSIONS))
        signed_in: dict[str, Any] = {"at": draw(st.sampled_from(_TIMES)), "digest": f"cookie-{number}"}
        if stream not in begun:
            begun[stream] = subject_of(draw(st.sampled_from(NAMES)))
            writer.write(stream, session(events.SessionStarted, subject=begun[stream], **signed_in))
            continue
        match draw(st.sampled_from(("renew", "end", "notify"))):
            case "renew":
                more: dict[str, Any] = {"subject": begun[stream], "amr": ("pwd", "otp"), "acr": "2fa"}
                writer.write(stream, session(events.SessionRenewed, **signed_in, **more))
            case "end":
                writer.write(stream, events.SessionEnded(subject=begun[stream], reason="person"))
            case _:
                writer.write(stream, events.LogoutNotified(client_id="web", subject=begun[stream], delivered=True))
    return writer.facts


@st.composite
def consent_histories(draw: st.DrawFn) -> list[Fact]:
    """People who allow clients something and withdraw it, and clients that come and go."""
    writer, known = Writer(), set[str]()
    for _ in range(draw(st.integers(0, 25))):
        client_id, subject = draw(st.sampled_from(CLIENTS)), subject_of(draw(st.sampled_from(NAMES)))
        if client_id not in known:
            known.add(client_id)
            writer.write(client_stream(client_id), events.ClientRegistered(client_id=client_id, auth_method="none"))
            continue
        match draw(st.sampled_from(("allow", "allow", "withdraw", "remove"))):
            case "allow":
                given = events.ConsentGranted(client_id=client_id, subject=subject, scopes=draw(scopes))
                writer.write(consent_stream(subject, client_id), given)
            case "withdraw":
                withdrawn = events.ConsentWithdrawn(client_id=client_id, subject=subject)
                writer.write(consent_stream(subject, client_id), withdrawn)
            case _:
                known.discard(client_id)
                writer.write(client_stream(client_id), events.ClientRemoved(client_id=client_id))
    return writer.facts


def _passkey_step(name: str, keys: list[str], number: int) -> st.SearchStrategy[events.Event]:
    """One more passkey, or one less; `keys` are those that the person has."""
    subject = subject_of(name)
    if keys and number % 2:
        return st.just(events.PasskeyRemoved(subject=subject, credential_id=keys.pop(0)))
    keys.append(f"{name}-{number}")
    return st.builds(
        events.PasskeyAdded,
        subject=st.just(subject),
        credential_id=st.just(keys[-1]),
        public_key=st.just("pQECAyYgASFYIA"),
        label=st.sampled_from(SCOPES),
        added_at=st.just(number),
        transports=st.sampled_from(((), ("internal",))),
    )


@functools.cache
def _account_step(subject: str, role: str) -> st.SearchStrategy[events.Event]:
    return st.sampled_from(
        (
            events.AccountPasswordSet(subject=subject),
            events.AccountDisabled(subject=subject),
            events.AccountEnabled(subject=subject),
            events.AccountSignedOut(subject=subject),
            events.TotpEnrolled(subject=subject),
            events.TotpRemoved(subject=subject),
            events.RecoveryCodesSet(subject=subject, digests=_DIGESTS),
            events.RecoveryCodeUsed(subject=subject, digest=_DIGESTS[0]),
            events.RoleGranted(subject=subject, role=role),
            events.RoleWithdrawn(subject=subject, role=role),
        )
    )
