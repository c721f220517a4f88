"""The objects of OCSF that events of several classes have: metadata, actor, user, endpoint, and what a rule found."""

from __future__ import annotations

import re
from typing import Any

from consumers.exports.ocsf_table import Activity, EventClass
from consumers.exports.told import PRODUCT, VERSION, Told, rfc3339

OCSF_VERSION = "1.8.0"
UNKNOWN_NAME = "unknown"

_PERSON, _ADMIN, _SERVICE = 1, 2, 4
_ANALYTIC_RULE = 1
_EMAIL = re.compile(r"[a-zA-Z0-9!#$%&'*+\-/=?^_`{|}~.]+@[a-zA-Z0-9\-]+\.[a-zA-Z0-9.\-]+")
"""What OCSF takes for an address: no other scripts."""


def metadata_of(told: Told, activity: Activity) -> dict[str, Any]:
    """Where the event stands: its position is its id and its sequence, its stream is what it belongs together with."""
    event = told.event
    return {
        "version": OCSF_VERSION,
        "product": {"name": PRODUCT, "vendor_name": PRODUCT, "version": VERSION},
        "uid": str(event.position),
        "sequence": event.position,
        "correlation_uid": str(event.stream),
        "event_code": event.type,
        "log_name": "audit",
        "log_provider": "tallystick",
        "original_time": rfc3339(event.recorded_at),
        "profiles": ["trace"] if activity.of is EventClass.API_ACTIVITY and told.trace else [],
    }


def actor_of(told: Told) -> dict[str, Any]:
    """Who caused it."""
    kind, name = told.actor
    match kind:
        case "account":
            return {"user": {"uid": name, "type_id": _PERSON}}
        case "cli":
            return {"user": {"name": name, "type_id": _ADMIN}}
        case "client":
            return {"app_uid": name}
        case "unknown":
            return {"app_name": UNKNOWN_NAME}
    return {"app_name": name if kind == "service" else f"{kind}:{name}"}


def user_of(told: Told) -> dict[str, Any]:
    """Whom it is about: a person, or a client that acts for itself."""
    subject, name = told.subject, told.text("name") if told.event.type.startswith("account.") else None
    if subject is None:
        return {"name": UNKNOWN_NAME, "uid_alt": told.text("name_digest")}
    email = told.text("email") or ""
    return {
        "uid": subject,
        "name": name,
        "email_addr": email if _EMAIL.fullmatch(email) else None,
        "type_id": _SERVICE if subject == told.client else _PERSON,
    }


def endpoint_of(told: Told) -> dict[str, Any]:
    """Where it came from; a name that says nothing where that is not known."""
    address = told.address
    return {"ip": address} if address else {"name": told.event.source or told.text("network") or UNKNOWN_NAME}


def session_of(told: Told) -> dict[str, Any]:
    """The session of a person, or the grant that a token belongs to: its stream is its id."""
    expires = told.number("expires_at")
    return {"uid": str(told.event.stream), "expiration_time": None if expires is None else expires * 1_000}


def finding_of(told: Told) -> dict[str, Any]:
    """What a rule found, or what became of it; its stream is its id."""
    first, last = told.number("first_at"), told.number("last_at")
    technique, rule = told.text("technique"), told.text("rule")
    return {
        "uid": str(told.event.stream),
        "title": told.text("summary") or told.text("about") or told.event.type,
        "analytic": rule and {"name": rule, "type_id": _ANALYTIC_RULE, "type": "Rule"},
        "attacks": [_attack(technique)] if technique else [],
        "first_seen_time": first and first * 1_000,
        "last_seen_time": last and last * 1_000,
        "related_events": [{"uid": str(position)} for position in told.data.get("evidence", ())],
        "related_events_count": told.number("count"),
    }


def _attack(technique: str) -> dict[str, Any]:
    parent, dot, _ = technique.partition(".")
    whole = {"uid": technique}
    return {"technique": {"uid": parent}, "sub_technique": whole} if dot else {"technique": whole}
