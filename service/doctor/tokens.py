"""How long tokens, codes and sessions live."""

from __future__ import annotations

from collections.abc import Iterator

from service.doctor.facts import TokenFacts
from service.doctor.finding import Check, Finding, Group, listed, spell
from service.grants import REFRESH_TOKEN
from service.settings import Settings

ACCESS_LONG = Check(
    "access-token-long",
    ("warn", "fail"),
    "access tokens live for an hour at most",
    "A stolen bearer token works until it expires; a JWT that an API verifies by itself works even after it was"
    " revoked (RFC 9700 sections 2.2.1 and 4.10, RFC 6819 section 5.1.5.3).",
    "{how}",
)
REFRESH_LONG = Check(
    "refresh-token-long",
    ("warn",),
    "refresh tokens end after 90 days, unused ones after 30",
    "Refresh tokens should expire when they are not used, so that a device that is lost or forgotten loses its"
    " access (RFC 9700 section 4.14.2).",
    "export TALLYSTICK_REFRESH_TOKEN_LIFETIME=2592000 TALLYSTICK_REFRESH_IDLE_LIFETIME=1209600",
)
GRACE_LONG = Check(
    "refresh-grace-long",
    ("warn",),
    "a used refresh token works for 30 s more at most",
    "Within the grace a thief can use the same refresh token as its owner, and is not noticed (RFC 9700 section"
    " 4.14.2).",
    "export TALLYSTICK_REFRESH_GRACE=10",
)
CODE_LONG = Check(
    "code-long",
    ("warn", "fail"),
    "authorization codes live for a minute at most",
    "A code that leaks by a log or a Referer header works until it is used or expires; ten minutes are the most"
    " (RFC 6749 section 4.1.2, RFC 9700 section 4.2.4).",
    "export TALLYSTICK_AUTHORIZATION_CODE_LIFETIME=60",
)
DEVICE_LONG = Check(
    "device-code-long",
    ("warn",),
    "device codes live for 15 minutes at most",
    "User codes are short and can be guessed at, or handed to somebody to enter, for as long as they live (RFC 8628"
    " sections 5.1 and 5.4).",
    "export TALLYSTICK_DEVICE_CODE_LIFETIME=600",
)
ASSERTION_LONG = Check(
    "assertion-long",
    ("warn",),
    "client assertions may expire an hour ahead at most",
    "An assertion that leaks works until it expires, unless it was used (RFC 7523 section 3).",
    "export TALLYSTICK_ASSERTION_MAX_LIFETIME=3600",
)
SESSION_LONG = Check(
    "session-long",
    ("warn",),
    "people sign in anew after a week at most",
    "Who takes over a browser takes over its session; NIST SP 800-63B asks for a new sign-in after 30 days at the"
    " most, and sooner where more is at stake.",
    "export TALLYSTICK_SESSION_LIFETIME=43200",
)
SESSION_KEEPS = Check(
    "session-end-revokes-nothing",
    ("warn",),
    "signing out ends the tokens of the session",
    "People who sign out on a borrowed device take for ended what was begun there; refresh tokens may be revoked at a"
    " logout (RFC 9700 section 4.14.2).",
    "export TALLYSTICK_SESSION_END_REVOKES=online",
)
SELF_CONTAINED = Check(
    "access-token-self-contained",
    ("info",),
    "every client gets opaque tokens",
    "A JWT can be verified without asking this server, and then is taken until it expires although it was revoked"
    " (RFC 7009 section 3).",
    "let APIs introspect, or use the guard with live revocation; or set token_format: opaque for {client} in"
    " access.yaml",
)
CHECKS = (
    ACCESS_LONG,
    REFRESH_LONG,
    GRACE_LONG,
    CODE_LONG,
    DEVICE_LONG,
    ASSERTION_LONG,
    SESSION_LONG,
    SESSION_KEEPS,
    SELF_CONTAINED,
)

HOUR = 3_600
DAY = 86_400
_LONGEST_CODE = 600


def examine(facts: TokenFacts) -> Iterator[Finding]:
    """The findings on lifetimes."""
    yield from _access(facts)
    yield from _refresh(facts)
    yield from _short_lived(facts.settings)
    yield from _sessions(facts.settings)


def _access(facts: TokenFacts) -> Iterator[Finding]:
    clients = [client.settings for client in facts.model.clients.values() if client.enabled and client.settings.grants]
    default = facts.settings.access_token_lifetime
    inherits_jwt = any(each.access_token_lifetime is None and each.token_format == "jwt" for each in clients)
    setting = "TALLYSTICK_ACCESS_TOKEN_LIFETIME"
    if default > HOUR:
        yield ACCESS_LONG.found(
            f"{setting} is {spell(default)}",
            setting,
            severity="fail" if default >= DAY and inherits_jwt else "warn",
            how=f"export {setting}=600",
        )
    for each in clients:
        lifetime = each.access_token_lifetime or 0
        if lifetime > HOUR:
            kind = "JWTs" if each.token_format == "jwt" else "opaque tokens"
            yield ACCESS_LONG.found(
                f"{each.client_id} gets {kind} that live for {spell(lifetime)}",
                each.client_id,
                severity="fail" if lifetime >= DAY and each.token_format == "jwt" else "warn",
                how=f"set access_token_lifetime: 10m for {each.client_id} in access.yaml, then `tallystick apply`",
            )
    contained = [each.client_id for each in clients if each.token_format == "jwt"]
    if contained:
        yield SELF_CONTAINED.found(
            f"JWTs are issued to {listed(contained)}", *sorted(contained), client=listed(contained)
        )


def _refresh(facts: TokenFacts) -> Iterator[Finding]:
    settings = facts.settings
    if not any(REFRESH_TOKEN in client.settings.grants for client in facts.model.clients.values()):
        return
    for variable, lifetime, limit in (
        ("TALLYSTICK_REFRESH_TOKEN_LIFETIME", settings.refresh_token_lifetime, 90 * DAY),
        ("TALLYSTICK_REFRESH_IDLE_LIFETIME", settings.refresh_idle_lifetime, 30 * DAY),
    ):
        if lifetime > limit:
            yield REFRESH_LONG.found(f"{variable} is {spell(lifetime)}", variable)
    if settings.refresh_grace > 30:  # noqa: PLR2004 what the check's sentence says
        yield GRACE_LONG.found(f"TALLYSTICK_REFRESH_GRACE is {settings.refresh_grace} s", "TALLYSTICK_REFRESH_GRACE")


def _short_lived(settings: Settings) -> Iterator[Finding]:
    rules = (
        (CODE_LONG, "authorization_code_lifetime", 60),
        (DEVICE_LONG, "device_code_lifetime", 900),
        (ASSERTION_LONG, "assertion_max_lifetime", HOUR),
    )
    for check, name, limit in rules:
        lifetime = getattr(settings, name)
        if lifetime > limit:
            variable = f"TALLYSTICK_{name.upper()}"
            too_long = check is CODE_LONG and lifetime > _LONGEST_CODE
            yield check.found(f"{variable} is {spell(lifetime)}", variable, severity="fail" if too_long else "warn")


def _sessions(settings: Settings) -> Iterator[Finding]:
    if settings.session_lifetime > 7 * DAY:
        told = f"TALLYSTICK_SESSION_LIFETIME is {spell(settings.session_lifetime)}"
        yield SESSION_LONG.found(told, "TALLYSTICK_SESSION_LIFETIME")
    if settings.session_end_revokes == "none":
        yield SESSION_KEEPS.found("TALLYSTICK_SESSION_END_REVOKES is none", "TALLYSTICK_SESSION_END_REVOKES")


GROUP = Group("tokens", CHECKS, examine)
