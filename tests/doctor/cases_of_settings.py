"""Faults of lifetimes, signing keys and limits."""

from __future__ import annotations

from typing import Any

import msgspec

from service.doctor import (
    keys,
    limits,
    tokens,
)
from service.doctor.finding import Unseen
from tests.doctor.healthy import (
    DAY,
    Case,
    client,
    key,
    key_facts,
    limit_facts,
    settings,
    token_facts,
)

_PERSON = ("authorization_code", "refresh_token")


def _token(found: str | None, severity: str = "warn", says: str = "", **changes: Any) -> Case:
    """Of the settings, with a client that refreshes and takes the lifetime of the settings."""
    told = set() if found is None else {(found, severity)}
    return Case(tokens.GROUP, token_facts(client(grants=_PERSON), **changes), told, says)


def _lifetime(seconds: int, severity: str | None, token_format: str = "opaque") -> Case:
    """Of a client's own access token lifetime."""
    told = {("access-token-self-contained", "info")} if token_format == "jwt" else set()
    if severity is not None:
        told.add(("access-token-long", severity))
    return Case(tokens.GROUP, token_facts(client(access_token_lifetime=seconds, token_format=token_format)), told)


TOKEN_CASES = {
    "defaults": _token(None),
    "an hour": _token(None, access_token_lifetime=3_600),
    "over an hour": _token("access-token-long", access_token_lifetime=3_601, says="TALLYSTICK_ACCESS_TOKEN_LIFETIME"),
    "opaque for a day": _token("access-token-long", access_token_lifetime=DAY),
    "JWT for a day": Case(
        tokens.GROUP,
        token_facts(client(token_format="jwt"), access_token_lifetime=DAY),
        {("access-token-long", "fail"), ("access-token-self-contained", "info")},
    ),
    "a client's JWT for a day": _lifetime(DAY, "fail", "jwt"),
    "a client's JWT for two hours": _lifetime(7_200, "warn", "jwt"),
    "a disabled client's JWT for a day": Case(
        tokens.GROUP, token_facts(client(enabled=False, access_token_lifetime=DAY, token_format="jwt")), set()
    ),
    "a client's JWT for an hour": _lifetime(3_600, None, "jwt"),
    "a client's opaque for a day": _lifetime(DAY, "warn"),
    "refresh": _token("refresh-token-long", refresh_token_lifetime=90 * DAY + 1, says="REFRESH_TOKEN_LIFETIME"),
    "refresh idle": _token("refresh-token-long", refresh_idle_lifetime=30 * DAY + 1, says="REFRESH_IDLE"),
    "refresh, and nobody does": Case(tokens.GROUP, token_facts(client(), refresh_token_lifetime=900 * DAY), set()),
    "grace": _token("refresh-grace-long", refresh_grace=31),
    "grace of 30": _token(None, refresh_grace=30),
    "code": _token("code-long", authorization_code_lifetime=61),
    "code, by an older version": Case(
        tokens.GROUP,
        token_facts()._replace(settings=msgspec.structs.replace(settings(), authorization_code_lifetime=601)),
        {("code-long", "fail")},
    ),
    "device code": _token("device-code-long", device_code_lifetime=901),
    "assertion": _token("assertion-long", assertion_max_lifetime=3_601),
    "session": _token("session-long", session_lifetime=7 * DAY + 1),
    "logout": _token("session-end-revokes-nothing", session_end_revokes="none"),
}
_CURRENT = key("current", "current")


def _key(found: str | None, severity: str = "warn", *known: Any, says: str = "", **changes: Any) -> Case:
    told = set() if found is None else {(found, severity)}
    return Case(keys.GROUP, key_facts(*(known or (_CURRENT,)), **changes), told, says)


KEY_CASES = {
    "well": _key(None),
    "unseen": Case(
        keys.GROUP,
        Unseen("Postgres is away"),
        {("signing-keys-unseen", "fail")} | {(check.id, "unknown") for check in keys.CHECKS[1:]},
    ),
    "none": Case(keys.GROUP, key_facts(published=()), {("signing-key-none", "fail")}),
    "old": Case(
        keys.GROUP,
        key_facts(key("current", "current", age=91)),
        {("signing-key-old", "warn"), ("signing-key-no-next", "warn")},
        "signed for 91 days",
    ),
    "soon old": _key("signing-key-no-next", "warn", key("current", "current", age=76)),
    "soon old, and followed": _key(
        None, "", key("current", "current", age=76), key("next", "next"), published=("current", "next")
    ),
    "RSA": _key("signing-key-rsa", "info", key("current", "current", alg="RS256"), signing_alg="RS256"),
    "other algorithm": _key("signing-key-other-algorithm", signing_alg="EdDSA", says="EdDSA"),
    "other algorithm on its way": _key(
        None, "", _CURRENT, key("next", "next", alg="EdDSA"), published=("current", "next"), signing_alg="EdDSA"
    ),
    "retired shown": _key(
        "signing-key-retired-published",
        "fail",
        _CURRENT,
        key("old", "retired"),
        published=("current", "old"),
        says="old",
    ),
    "unknown shown": _key("signing-key-retired-published", "fail", published=("current", "other")),
    "previous shown": _key(None, "", _CURRENT, key("old", "previous", retires=1), published=("current", "old")),
    "overdue": _key("signing-key-overdue", "warn", _CURRENT, key("old", "previous", retires=-1)),
    "hidden": _key("signing-key-not-published", "fail", published=()),
    "unseen keys": Case(
        keys.GROUP,
        key_facts(_CURRENT, published=None, max_age=None),
        {("signing-key-retired-published", "unknown"), ("signing-key-not-published", "unknown")},
    ),
    "ahead of nobody": _key("key-publish-ahead-short", "fail", key_publish_ahead=299),
    "kept as long as ahead": _key(None, key_publish_ahead=300),
    "kept for longer than is set": _key("key-publish-ahead-short", "fail", max_age=86_400),
}


def _limit(found: str | None, severity: str = "warn", says: str = "", problem: str = "", **changes: Any) -> Case:
    return Case(limits.GROUP, limit_facts(problem, **changes), set() if found is None else {(found, severity)}, says)


LIMIT_CASES = {
    "defaults": _limit(None),
    "one pass of 46 MiB": _limit(None, password_passes=1, password_memory_kib=47_104),
    "one pass of less": _limit("password-hash-weak", "fail", password_passes=1, password_memory_kib=47_103),
    "two passes of 19 MiB": _limit(None, password_passes=2, password_memory_kib=19_456),
    "two passes of less": _limit("password-hash-weak", "fail", password_passes=2, password_memory_kib=19_455),
    "many passes of little": _limit("password-hash-weak", "fail", password_passes=9, password_memory_kib=7_167),
    "an account, 100 an hour": _limit(None, login_failures_per_account=25),
    "an account, more": _limit("login-failures-account-loose", login_failures_per_account=26, says="104 an hour"),
    "an account, a day": _limit(None, login_failures_per_account=100, login_failures_window=86_400),
    "a source": _limit("login-failures-source-loose", login_failures_per_source=251),
    "no list": _limit("breached-passwords-absent", "info", breached_passwords_file=None),
    "a broken list": _limit("breached-passwords-unusable", "fail", "no such file", problem="no such file"),
    "large bodies": _limit("max-body-big", max_body=2_097_152, says="2 MiB"),
    "private targets": _limit("webhook-private-targets", webhook_private_targets=True),
    "no rate of a source": _limit("rate-limit-off", source_rate=0, says="TALLYSTICK_SOURCE_RATE"),
    "no rate of refusals": _limit("rate-limit-off", refusal_rate=0, says="TALLYSTICK_REFUSAL_RATE"),
    "loose rate of an account": _limit("rate-limit-loose", account_rate=51, says="TALLYSTICK_ACCOUNT_RATE"),
    "connections": _limit("connections-per-source-off", connections_per_source=0),
    "slow headers": _limit("slow-requests-long", header_timeout=61, says="TALLYSTICK_HEADER_TIMEOUT"),
    "slow bodies": _limit("slow-requests-long", body_timeout=61, says="TALLYSTICK_BODY_TIMEOUT"),
}
