"""An event as a document of the Elastic Common Schema (ECS), for Elastic and what reads its fields.

Fields of ECS have the meaning that ECS gives them; what it has no word for is under `tallystick`. There every field has
one type in all documents, so that one index takes them all: where data has names with values, it is a list of
`name=value` here.
"""

from __future__ import annotations

from typing import Any

from consumers.exports.ecs_table import CATEGORIES, CLIENT_UNPROVEN, UNKNOWN, Category
from consumers.exports.told import PRODUCT, VERSION, Told, present, rfc3339, rfc3339_of
from schema.envelope import RecordedEvent
from schema.events import EVENT_TYPES

ECS_VERSION = "9.4.0"
DATASET = "tallystick.audit"

_SEVERITIES = {"low": 21, "medium": 47, "high": 73, "critical": 99}
"""The numbers that Elastic gives these words."""

_ABOUT_ACCOUNTS = ("account.", "role.granted", "role.withdrawn")
"""Types about an account whose actor is somebody else, as often as not."""


def ecs_document(event: RecordedEvent) -> dict[str, Any]:
    """The document of an event. Raises msgspec.DecodeError where its data is no JSON."""
    told = Told(event)
    return present(
        {
            "@timestamp": rfc3339(event.recorded_at),
            "ecs": {"version": ECS_VERSION},
            "message": told.text("summary") or _sentence(event.type),
            "event": _event(told),
            "service": {"name": "tallystick", "type": "tallystick"},
            "observer": {"vendor": PRODUCT, "product": PRODUCT, "version": VERSION},
            "source": {"address": told.address or event.source, "ip": told.address},
            "user": _user(told),
            "user_agent": {"original": told.text("user_agent")},
            "http": _http(told),
            "error": {"code": told.text("error")},
            "trace": {"id": told.trace and told.trace[0]},
            "span": {"id": told.trace and told.trace[1]},
            "rule": {"name": told.text("rule") or (told.actor[1] if told.actor[0] == "rule" else None)},
            "threat": _threat(told.text("technique")),
            "related": {"ip": told.addresses, "user": _people(told)},
            "tallystick": _own(told),
        }
    )


def category_of(event_type: str, error: str | None = None) -> Category:
    """What an event of a type, with an error or without, is in ECS."""
    if event_type == "access.rejected" and error == "invalid_client":
        return CLIENT_UNPROVEN
    return CATEGORIES.get(event_type, UNKNOWN)


def _event(told: Told) -> dict[str, Any]:
    event, span = told.event, told.span
    category = category_of(event.type, told.text("error"))
    return {
        "kind": category.kind,
        "category": list(category.category),
        "type": list(category.type),
        "action": event.type,
        "outcome": {True: "success", False: "failure", None: None}[told.succeeded],
        "reason": told.text("reason") or told.text("limit"),
        "id": str(event.position),
        "sequence": event.position,
        "dataset": DATASET,
        "module": "tallystick",
        "provider": "tallystick",
        "severity": _SEVERITIES.get(told.text("severity") or ""),
        "start": span and rfc3339_of(span[0]),
        "end": span and rfc3339_of(span[1]),
    }


def _user(told: Told) -> dict[str, Any]:
    """Who acts is `user`; an account that something is done to is `user.target`."""
    kind, name = told.actor
    acting = {"account": {"id": name}, "cli": {"name": name}}.get(kind, {})
    person = {"id": told.subject}
    if told.event.type.startswith(_ABOUT_ACCOUNTS):
        known = {"email": told.text("email"), "name": told.text("name"), "roles": [told.text("role")]}
        return acting | {"target": person | {field: value for field, value in known.items() if value != [None]}}
    return person if told.subject else acting


def _people(told: Told) -> list[str]:
    kind, name = told.actor
    named = [told.subject, name if kind in {"account", "cli"} else None]
    named += [told.text("email")] + ([told.text("name")] if told.event.type.startswith("account.") else [])
    return list(dict.fromkeys(each for each in named if each))


def _http(told: Told) -> dict[str, Any]:
    requested = told.event.type == "access.rejected"
    return {
        "request": {"method": told.text("method") if requested else None},
        "response": {"status_code": told.number("status") or None},
    }


def _threat(technique: str | None) -> dict[str, Any]:
    if technique is None:
        return {}
    parent, dot, _ = technique.partition(".")
    return {
        "framework": "MITRE ATT&CK",
        "technique": {"id": [parent], "subtechnique": {"id": [technique] if dot else []}},
    }


def _own(told: Told) -> dict[str, Any]:
    event = told.event
    return {
        "stream": {"id": str(event.stream), "version": event.version},
        "client": {"id": told.client},
        "actor": {"type": told.actor[0], "name": told.actor[1] or None},
        "scopes": told.scopes,
        "data": {name: _plain(value) for name, value in told.data.items()},
    }


def _plain(value: Any) -> Any:
    """A value of the data, so that one field is of one type, whatever event it is in."""
    return [f"{name}={each}" for name, each in value.items()] if isinstance(value, dict) else value


def _sentence(event_type: str) -> str:
    """The first sentence of what the type's documentation says."""
    kind = EVENT_TYPES.get(event_type)
    words = " ".join((kind.__doc__ or "" if kind else "").split())
    return words.partition(". ")[0].removesuffix(".") or event_type
