"""Clocks: tokens, assertions and one-time codes are judged by the time, and each machine has its own."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from service.doctor.facts import Clock
from service.doctor.finding import Check, Finding, Group, Severity

SKEW = Check(
    "clock-skew",
    ("warn", "fail"),
    "the clocks of server, Postgres and NATS agree with this machine's",
    "A clock that is off takes tokens for expired that are not, or the other way round, and refuses client"
    " assertions and one-time codes (RFC 7519 section 4.1.4, RFC 7523 section 3, RFC 6238 section 6).",
    "run chrony or systemd-timesyncd on every machine, this one too; `timedatectl` says whether it does",
)
CHECKS = (SKEW,)

NOTICED = 1.0
TOO_MUCH = 5.0


def examine(facts: Sequence[Clock]) -> Iterator[Finding]:
    """A finding for each clock that is off by more than the measurement can be."""
    for clock in facts:
        off = max(0.0, abs(clock.ahead) - clock.within)
        if off > NOTICED:
            way = "ahead of" if clock.ahead > 0 else "behind"
            severity: Severity = "fail" if off > TOO_MUCH else "warn"
            told = f"the clock of {clock.name} is {abs(clock.ahead):.1f} s {way} this machine's"
            yield SKEW.found(told, clock.name, severity=severity)
    if not facts:
        yield SKEW.unseen("no other clock could be asked")


GROUP = Group("clocks", CHECKS, examine)
