"""How an event is shown: a line or a page for people, an object for programs."""

from __future__ import annotations

import shutil
import sys
from typing import Any

import click
import msgspec

from schema.envelope import RecordedEvent
from service.access.errors import visible
from service.journal.told import as_object, time_of

# What a line tells, in this order; `audit show` tells the rest.
_TOLD = (
    *("endpoint", "error", "reason", "claimed_client", "token_id", "number", "subject", "audience", "scope"),
    *("method", "amr", "session", "grant_type", "generation", "redirect_uri"),
    *("rule", "severity", "response", "target", "done", "detail", "summary", "note"),
    *("source", "issued_from", "minute", "count", "via", "after", "last", "filters", "url", "types", "clients"),
    *("uri", "name", "kid", "alg", "auth_method", "grants", "resources", "introspects", "role", "roles", "scopes"),
)
_RED = ("rejected", "failed", "reuse_detected", "denied")
_YELLOW = ("revoked", "removed", "disabled", "retired", "withdrawn", "ended", "signed_out", "totp_removed")
_COLOURS = dict.fromkeys(_RED, "red") | dict.fromkeys((*_YELLOW, "passkey_removed"), "yellow")
_PIPED_WIDTH = 10_000
_LABEL_WIDTH = 9
_KIND_WIDTH = 26


def line(event: RecordedEvent) -> str:
    """The event on one line: position, time, type, client, and the facts that tell most."""
    start = f"{event.position:>8}  {time_of(event.recorded_at, 'seconds')}  "
    kind = f"{event.type:<{_KIND_WIDTH}}"
    client = f"  {visible(event.client):<16}  "
    room = max(20, _width() - len(start) - len(kind) - len(client))
    facts = _facts(event)
    if len(facts) > room:
        facts = facts[: room - 1] + "…"
    return start + click.style(kind, fg=_COLOURS.get(event.type.rpartition(".")[2], "green")) + client + facts


def page(event: RecordedEvent) -> str:
    """The whole event on a page."""
    fields = {name: value for name, value in as_object(event).items() if name != "data" and value is not None}
    lines = [f"{name:<{_LABEL_WIDTH}} {visible(str(value))}" for name, value in fields.items()]
    data = msgspec.json.decode(event.data)
    lines += ["data", *(f"  {name}: {visible(_shown(value))}" for name, value in data.items())]
    return "\n".join(lines)


def _facts(event: RecordedEvent) -> str:
    """What callers claimed is among the facts: nothing in them may steer the terminal."""
    data = msgspec.json.decode(event.data)
    if event.type == "usage.recorded":
        data["count"] = sum(each["count"] for each in data.get("introspections", ()))
    facts = ((name, data.get(name)) for name in _TOLD)
    return " ".join(f"{name}={visible(_shown(fact))}" for name, fact in facts if _tells(fact, event))


def _tells(fact: Any, event: RecordedEvent) -> bool:
    """Whether there is something to it; that nothing was done is."""
    return fact is False or bool(fact and fact != event.client)


def _shown(value: Any) -> str:
    if isinstance(value, str):
        return value
    return msgspec.json.encode(value).decode()


def _width() -> int:
    return shutil.get_terminal_size().columns if sys.stdout.isatty() else _PIPED_WIDTH
