"""Limits: what guessing at passwords costs, and how much and how fast anybody may ask."""

from __future__ import annotations

from collections.abc import Iterator

from service.doctor.facts import LimitFacts
from service.doctor.finding import Check, Finding, Group, spell
from service.settings import Settings

HASH_WEAK = Check(
    "password-hash-weak",
    ("fail",),
    "password hashes cost what OWASP asks for",
    "If the database and the master key are stolen, the cost of a hash is all that is between a password and who"
    " guesses (RFC 9106 section 4; OWASP Password Storage: 46 MiB in one pass, 19 MiB in two, 12, 9 or 7 MiB in"
    " three, four or five).",
    "unset TALLYSTICK_PASSWORD_MEMORY_KIB and TALLYSTICK_PASSWORD_PASSES, or export"
    " TALLYSTICK_PASSWORD_MEMORY_KIB=65536 TALLYSTICK_PASSWORD_PASSES=3",
)
ACCOUNT_LOOSE = Check(
    "login-failures-account-loose",
    ("warn",),
    "an account takes at most 100 wrong passwords an hour",
    "Passwords that people choose fall to a few thousand guesses; NIST SP 800-63B section 3.2.2 allows 100 in a row"
    " (RFC 6819 section 5.1.4.2.3).",
    "export TALLYSTICK_LOGIN_FAILURES_PER_ACCOUNT=10 TALLYSTICK_LOGIN_FAILURES_WINDOW=900",
)
SOURCE_LOOSE = Check(
    "login-failures-source-loose",
    ("warn",),
    "an address takes at most 1,000 wrong passwords an hour",
    "Lists of stolen passwords are tried over many accounts from one address; a limit by account does not see that.",
    "export TALLYSTICK_LOGIN_FAILURES_PER_SOURCE=50 TALLYSTICK_LOGIN_FAILURES_WINDOW=900",
)
NO_BREACHED = Check(
    "breached-passwords-absent",
    ("info",),
    "passwords known from breaches are refused",
    "Most accounts are taken over by a password that leaked elsewhere; such passwords should be refused (NIST SP"
    " 800-63B section 3.1.1.2).",
    "export TALLYSTICK_BREACHED_PASSWORDS_FILE=…; docs/operations.md says where to get one",
)
BREACHED_BROKEN = Check(
    "breached-passwords-unusable",
    ("fail",),
    "the file of breached passwords can be read",
    "While it cannot be read, nobody can set a password.",
    "make TALLYSTICK_BREACHED_PASSWORDS_FILE readable for the workers, or unset it",
)
BODY_BIG = Check(
    "max-body-big",
    ("warn",),
    "request bodies are at most 1 MiB",
    "No request of OAuth needs more than some KiB; whoever sends many large ones takes the memory of the workers.",
    "unset TALLYSTICK_MAX_BODY",
)
PRIVATE_TARGETS = Check(
    "webhook-private-targets",
    ("warn",),
    "webhooks go to public addresses by https alone",
    "Who may register a webhook can have this server send requests into its own network (server-side request forgery).",
    "unset TALLYSTICK_WEBHOOK_PRIVATE_TARGETS",
)
RATE_OFF = Check(
    "rate-limit-off",
    ("warn",),
    "sources, clients, accounts and refusals have a limit of rate",
    "Without a limit one source can take all the server has, guess at secrets and codes as fast as it answers, and"
    " fill the record with refusals (RFC 6749 section 10.10, RFC 9700 section 4.13).",
    "unset {setting}",
)
RATE_LOOSE = Check(
    "rate-limit-loose",
    ("warn",),
    "limits of rate are within what one caller needs",
    "A limit that nobody reaches keeps nobody off (RFC 6749 section 10.10).",
    "unset {setting}, or set it to what your busiest caller needs; docs/metrics.md names the metrics that tell",
)
CONNECTIONS = Check(
    "connections-per-source-off",
    ("warn",),
    "one source can hold some of the connections alone",
    "Who holds every connection and says nothing keeps everybody else out, at no cost.",
    "unset TALLYSTICK_CONNECTIONS_PER_SOURCE",
)
SLOW = Check(
    "slow-requests-long",
    ("warn",),
    "a request must be there within a minute",
    "A client that sends a byte now and then holds a connection for as long as it is let.",
    "unset {setting}",
)
CHECKS = (
    HASH_WEAK,
    ACCOUNT_LOOSE,
    SOURCE_LOOSE,
    NO_BREACHED,
    BREACHED_BROKEN,
    BODY_BIG,
    PRIVATE_TARGETS,
    RATE_OFF,
    RATE_LOOSE,
    CONNECTIONS,
    SLOW,
)

LEAST_MEMORY_KIB = {1: 47_104, 2: 19_456, 3: 12_288, 4: 9_216}
"""For so many passes, one lane (OWASP Password Storage Cheat Sheet)."""

_LEAST_MEMORY_OF_MORE = 7_168
_HOUR = 3_600
_PER_ACCOUNT = 100
_PER_SOURCE = 1_000
_LARGE_BODY = 1_048_576
_SLOW = 60
_MOST_RATE = {"source_rate": 500, "client_rate": 10_000, "account_rate": 50, "refusal_rate": 500}
"""Requests a second beyond which a limit is loose. All together need no limit of their own."""


def examine(facts: LimitFacts) -> Iterator[Finding]:
    """The findings on limits."""
    settings = facts.settings
    yield from _passwords(settings, facts.breached_problem)
    yield from _failures(settings)
    yield from _rates(settings)
    if settings.max_body > _LARGE_BODY:
        yield BODY_BIG.found(f"TALLYSTICK_MAX_BODY is {settings.max_body / _LARGE_BODY:.3g} MiB", "TALLYSTICK_MAX_BODY")
    if settings.webhook_private_targets:
        yield PRIVATE_TARGETS.found("TALLYSTICK_WEBHOOK_PRIVATE_TARGETS is on", "TALLYSTICK_WEBHOOK_PRIVATE_TARGETS")


def _rates(settings: Settings) -> Iterator[Finding]:
    for name, most in _MOST_RATE.items():
        rate, variable = getattr(settings, name), f"TALLYSTICK_{name.upper()}"
        if rate == 0:
            yield RATE_OFF.found(f"{variable} is 0, which is no limit", variable, setting=variable)
        elif rate > most:
            yield RATE_LOOSE.found(f"{variable} is {rate:g} a second", variable, setting=variable)
    if settings.connections_per_source == 0:
        variable = "TALLYSTICK_CONNECTIONS_PER_SOURCE"
        yield CONNECTIONS.found(f"{variable} is 0, which is no limit", variable)
    for name in ("header_timeout", "body_timeout"):
        patience, variable = getattr(settings, name), f"TALLYSTICK_{name.upper()}"
        if patience > _SLOW:
            yield SLOW.found(f"{variable} is {spell(patience)}", variable, setting=variable)


def _passwords(settings: Settings, breached_problem: str) -> Iterator[Finding]:
    memory, passes = settings.password_memory_kib, settings.password_passes
    if memory < LEAST_MEMORY_KIB.get(passes, _LEAST_MEMORY_OF_MORE):
        yield HASH_WEAK.found(f"a password hash takes {memory / 1024:.3g} MiB in {passes} passes")
    if settings.breached_passwords_file is None:
        yield NO_BREACHED.found("TALLYSTICK_BREACHED_PASSWORDS_FILE is not set", "TALLYSTICK_BREACHED_PASSWORDS_FILE")
    elif breached_problem:
        yield BREACHED_BROKEN.found(breached_problem, "TALLYSTICK_BREACHED_PASSWORDS_FILE")


def _failures(settings: Settings) -> Iterator[Finding]:
    """How many wrong passwords an hour the window lets through; a window of more than an hour counts as it is."""
    window = settings.login_failures_window
    rate = _HOUR / min(window, _HOUR)
    rules = (
        (ACCOUNT_LOOSE, "PER_ACCOUNT", settings.login_failures_per_account, _PER_ACCOUNT),
        (SOURCE_LOOSE, "PER_SOURCE", settings.login_failures_per_source, _PER_SOURCE),
    )
    for check, name, failures, most in rules:
        if failures * rate > most:
            variable = f"TALLYSTICK_LOGIN_FAILURES_{name}"
            yield check.found(f"{variable} is {failures} in {spell(window)}: {failures * rate:.0f} an hour", variable)


GROUP = Group("limits", CHECKS, examine)
