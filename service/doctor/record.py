"""The journal and what is made of it: whether all that folds it follows, and the stream holds what it holds."""

from __future__ import annotations

from collections.abc import Iterator

from service.doctor.facts import RecordFacts
from service.doctor.finding import Check, Finding, Group, Severity, spell

UNSEEN = Check(
    "record-unseen",
    ("fail",),
    "the journal can be read",
    "How far relay, projections and consumers are is told in Postgres.",
    "`tallystick projections list` says what is in the way",
)
NOT_READY = Check(
    "service-not-ready",
    ("fail", "warn"),
    "the service is ready",
    "A part that is not ready keeps back answers, or what others learn of them.",
    "docs/operations.md says under Health what to do for each part",
)
HALTED = Check(
    "fold-halted",
    ("fail",),
    "nothing that folds the journal has halted",
    "What cannot be folded is never skipped, because a skipped revocation is a live stolen token; until it is"
    " mended that part stands still.",
    "`tallystick projections list` tells the reason; docs/operations.md what to do",
)
SILENT = Check(
    "fold-silent",
    ("warn",),
    "everything that folds the journal gives signs of life",
    "A part that is silent has ended, or cannot reach Postgres: without the relay no revocation is published, without"
    " consumers no abuse is noticed.",
    "start `tallystick {command}`",
)
NO_RELAY = Check(
    "relay-never-ran",
    ("fail",),
    "a relay publishes the journal",
    "Without it no event reaches NATS: guards, subscribers and the detection of abuse hear of no revocation.",
    "start `tallystick relay`",
)
BEHIND = Check(
    "fold-behind",
    ("warn",),
    "everything that folds the journal is less than a minute behind",
    "What is behind does not know yet what was revoked or refused since.",
    "`tallystick projections list` tells how far; a rebuild or a catching up ends by itself",
)
APART = Check(
    "stream-differs-from-journal",
    ("fail",),
    "the stream holds what the journal holds, as far as its ends tell",
    "Event N is at sequence N; a stream that is longer than the journal, or has holes, holds what never happened or"
    " lacks what did.",
    "`tallystick audit check` compares them event by event; docs/operations.md tells how to make the stream anew",
)
CHECKS = (UNSEEN, NOT_READY, HALTED, SILENT, NO_RELAY, BEHIND, APART)

BEHIND_SECONDS = 60.0
_COMMANDS = {"relay": "relay", "anomalies-": "consume", "webhook:": "consume", "worker:": "serve"}


def examine(facts: RecordFacts) -> Iterator[Finding]:
    """The findings on what follows the journal."""
    yield from _readiness(facts)
    yield from _lags(facts)
    yield from _stream(facts)


def _readiness(facts: RecordFacts) -> Iterator[Finding]:
    readiness = facts.readiness
    if readiness is None:
        yield NOT_READY.unseen("/health/ready did not answer", "curl -s …/health/ready at a worker's own address")
        return
    for name, part in readiness.parts.items():
        if part.status != "ready":
            severity: Severity = "fail" if part.status == "unready" else "warn"
            yield NOT_READY.found(f"{name} is {part.status}: {part.reason}", name, severity=severity)


def _lags(facts: RecordFacts) -> Iterator[Finding]:
    for lag in facts.lags:
        if lag.name == "relay" and lag.state in {"starting", "silent"} and lag.position == 0:
            yield NO_RELAY.found("no relay has published anything yet")
        elif lag.state == "halted":
            yield HALTED.found(f"{lag.name} halted at {lag.position}: {lag.reason}", lag.name)
        elif lag.state == "silent":
            yield SILENT.found(f"{lag.name} is silent: {lag.reason}", lag.name, command=_command(lag.name))
        elif lag.lag_seconds > BEHIND_SECONDS:
            told = f"{lag.name} is {lag.lag_events:,} events and {spell(lag.lag_seconds)} behind"
            yield BEHIND.found(told, lag.name)


def _stream(facts: RecordFacts) -> Iterator[Finding]:
    if facts.stream is None:
        yield APART.unseen("the stream could not be seen")
        return
    first, last, deleted = facts.stream
    if last > facts.head:
        yield APART.found(f"the stream ends at {last}, the journal at {facts.head}")
    if deleted:
        yield APART.found(f"{deleted} messages are missing in the stream")
    if last and first != 1:
        yield APART.found(f"the stream begins at {first}")


def _command(name: str) -> str:
    return next((command for prefix, command in _COMMANDS.items() if name.startswith(prefix)), "project")


GROUP = Group("record", CHECKS, examine, missing=UNSEEN)
