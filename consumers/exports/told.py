"""What an event tells that every export asks for: who, from where, within which trace."""

from __future__ import annotations

import datetime as dt
import re
from functools import cached_property
from importlib.metadata import version
from ipaddress import ip_address
from typing import Any

import msgspec

from schema.envelope import NO_CLIENT, RecordedEvent

PRODUCT = "Tallystick"
VERSION = version("tallystick")

_FAILED = frozenset(
    {
        "login.failed",
        "access.rejected",
        "access.throttled",
        "token.reuse_detected",
        "authorization.denied",
        "device.denied",
    }
)
# What is no attempt at anything, and so neither a success nor a failure.
_NO_ATTEMPT = frozenset({"anomaly.detected", "anomaly.extended", "usage.recorded", "token.source_observed"})
_TRACEPARENT = re.compile(r"00-([0-9a-f]{32})-([0-9a-f]{16})-[0-9a-f]{2}")


class Told:
    """An event and its data, whatever version wrote it: fields that are not there, or of another kind, are None."""

    def __init__(self, event: RecordedEvent) -> None:
        self.event = event
        self.data: dict[str, Any] = msgspec.json.decode(event.data)

    def text(self, name: str) -> str | None:
        """A field of the data that is a text with something in it."""
        value = self.data.get(name)
        return value if isinstance(value, str) and value else None

    def number(self, name: str) -> int | None:
        """A field of the data that is a whole number."""
        value = self.data.get(name)
        return value if isinstance(value, int) and not isinstance(value, bool) else None

    def texts(self, name: str) -> list[str]:
        """A field of the data that has texts, or names with values."""
        value = self.data.get(name)
        return [each for each in value if isinstance(each, str)] if isinstance(value, list | dict) else []

    @property
    def client(self) -> str | None:
        """The client that the event is about."""
        return None if self.event.client == NO_CLIENT else self.event.client

    @cached_property
    def actor(self) -> tuple[str, str]:
        """What kind of actor caused it, and which: `account`, `cli`, `rule`, `webhook`, `client`, `service` or
        `unknown`.
        """
        kind, colon, name = self.event.actor.partition(":")
        if colon:
            return kind, name
        return {NO_CLIENT: ("unknown", ""), "tallystick": ("service", "tallystick")}.get(kind, ("client", kind))

    @property
    def subject(self) -> str | None:
        """Whom it is about: the person, or the client that has a token for itself."""
        return self.text("subject") or self.text("account")

    @property
    def scopes(self) -> list[str]:
        """The scopes of a token or grant, or those that a person allowed."""
        return (self.text("scope") or "").split() or self.texts("scopes")

    @cached_property
    def address(self) -> str | None:
        """The address that it came from, without a zone; where an API told of another's, that one's."""
        told = self.text("source") if self.event.type == "token.source_observed" else None
        return bare_address(told or self.event.source or self.text("network"))

    @cached_property
    def addresses(self) -> list[str]:
        """All addresses that it names, each once."""
        named = [self.address, self.event.source, self.text("issued_from"), *self.texts("sources")]
        return list(dict.fromkeys(found for each in named if (found := bare_address(each)) is not None))

    @cached_property
    def trace(self) -> tuple[str, str] | None:
        """The ids of the trace and of the caller's span."""
        found = _TRACEPARENT.fullmatch(self.event.trace or "")
        return None if found is None else (found[1], found[2])

    @property
    def succeeded(self) -> bool | None:
        """How it ended; None where nothing was attempted."""
        if self.event.type in _NO_ATTEMPT:
            return None
        done = self.data.get({"logout.notified": "delivered", "anomaly.answered": "done"}.get(self.event.type, ""))
        return done if isinstance(done, bool) else self.event.type not in _FAILED

    @cached_property
    def span(self) -> tuple[int, int] | None:
        """The seconds of the first and the last moment, of what took some time."""
        starts, seconds = self.number("window_starts_at"), self.number("window_seconds")
        if starts is not None and seconds is not None:
            return starts, starts + seconds
        first, last, minute = self.number("first_at"), self.number("last_at"), self.number("minute")
        if first is not None and last is not None:
            return first, last
        return None if minute is None else (minute, minute + 60)

    @property
    def count(self) -> int | None:
        """How many happenings one event stands for."""
        if self.event.type == "usage.recorded":
            return sum(int(each["count"]) for each in self.data.get("introspections", ()))
        return self.number("count")


def bare_address(text: str | None) -> str | None:
    """An IP address without a zone (RFC 4007); None where it is something else."""
    try:
        return None if text is None else str(ip_address(text.partition("%")[0]))
    except ValueError:
        return None


def rfc3339(moment: dt.datetime) -> str:
    """A time in UTC, to the microsecond."""
    return moment.astimezone(dt.UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


def rfc3339_of(seconds: int) -> str:
    """A time of whole seconds since 1970."""
    return rfc3339(dt.datetime.fromtimestamp(seconds, dt.UTC))


def present(fields: dict[str, Any]) -> dict[str, Any]:
    """The fields that have a value; objects and lists that would be empty are left out too."""
    kept = {name: present(value) if isinstance(value, dict) else value for name, value in fields.items()}
    return {name: value for name, value in kept.items() if value is not None and value not in ({}, [])}
