"""An event of the Open Cybersecurity Schema Framework (OCSF), for what reads its classes.

What a class requires and the event does not tell is said to be `unknown`. The whole data of the event is under
`unmapped`, beside stream, client and actor.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from consumers.exports.ocsf_objects import actor_of, endpoint_of, finding_of, metadata_of, session_of, user_of
from consumers.exports.ocsf_table import (
    ACTIVITIES,
    CATEGORY_NAMES,
    CLASS_NAMES,
    FINDING_STATUSES,
    SEVERITIES,
    STATUSES,
    UNKNOWN,
    Activity,
    EventClass,
)
from consumers.exports.told import Told, present
from schema.envelope import RecordedEvent

_SEVERITY_IDS = {"low": 2, "medium": 3, "high": 4, "critical": 5}
_INFORMATIONAL, _LOW, _HIGH = 1, 2, 4
_METHODS = frozenset({"CONNECT", "DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT", "TRACE"})
_PASSWORD_RESET = Activity(EventClass.ACCOUNT_CHANGE, 4, "Password Reset")
_OAUTH, _OPENID = (6, "OAUTH 2.0"), (4, "OpenID")


def ocsf_event(event: RecordedEvent) -> dict[str, Any]:
    """The event in its class. Raises msgspec.DecodeError where its data is no JSON."""
    told = Told(event)
    activity = activity_of(told)
    fields = _classified(activity) | _common(told, activity)
    return present(fields | _OF_CLASS[activity.of](told, activity)) | _required(told, activity)


def activity_of(told: Told) -> Activity:
    """Class and activity of an event. A password that somebody else set is one that was reset."""
    if told.event.type == "account.password_set" and told.actor[0] == "cli":
        return _PASSWORD_RESET
    return ACTIVITIES.get(told.event.type, UNKNOWN)


def _classified(activity: Activity) -> dict[str, Any]:
    category = activity.of // 1_000
    return {
        "category_uid": category,
        "category_name": CATEGORY_NAMES[category],
        "class_uid": int(activity.of),
        "class_name": CLASS_NAMES[activity.of],
        "activity_id": activity.id,
        "activity_name": activity.name,
        "type_uid": activity.of * 100 + activity.id,
        "type_name": f"{CLASS_NAMES[activity.of]}: {activity.name}",
    }


def _common(told: Told, activity: Activity) -> dict[str, Any]:
    event, severity, span = told.event, _severity(told), told.span
    status = _status(told, activity)
    return {
        "time": _milliseconds(event),
        "metadata": metadata_of(told, activity),
        "severity_id": severity,
        "severity": SEVERITIES[severity],
        "status_id": status and status[0],
        "status": status and status[1],
        "status_code": told.text("error"),
        "status_detail": told.text("reason") or told.text("limit"),
        "message": told.text("summary"),
        "start_time": span and span[0] * 1_000,
        "end_time": span and span[1] * 1_000,
        "count": told.count,
        "unmapped": {
            "stream_version": event.version,
            "client": told.client,
            "actor": event.actor,
            "source": event.source,
            "trace_id": told.trace and told.trace[0],
            "span_id": told.trace and told.trace[1],
            "data": told.data,
        },
    }


def _required(told: Told, activity: Activity) -> dict[str, Any]:
    """What a class asks for even where there is none."""
    return (
        {"privileges": _privileges(told)}
        if activity.of in {EventClass.AUTHORIZE_SESSION, EventClass.USER_ACCESS}
        else {}
    )


def _milliseconds(event: RecordedEvent) -> int:
    return round(event.recorded_at.timestamp() * 1_000)


def _severity(told: Told) -> int:
    given = _SEVERITY_IDS.get(told.text("severity") or "")
    if given is not None:
        return given
    if told.event.type == "token.reuse_detected":
        return _HIGH
    return _LOW if told.succeeded is False else _INFORMATIONAL


def _status(told: Told, activity: Activity) -> tuple[int, str] | None:
    if activity.of is EventClass.DETECTION_FINDING:
        number = {"anomaly.answered": 2, "anomaly.extended": 2, "anomaly.acknowledged": 4}.get(told.event.type, 1)
        return number, FINDING_STATUSES[number]
    if told.succeeded is None:
        return None
    number = 1 if told.succeeded else 2
    return number, STATUSES[number]


def _privileges(told: Told) -> list[str]:
    role = told.text("role")
    return told.scopes if role is None else [role]


def _requested(told: Told) -> dict[str, Any]:
    """The sides of a request, for classes that have them where they are known."""
    return {
        "actor": actor_of(told) if told.actor[0] != "unknown" else {},
        "src_endpoint": endpoint_of(told) if told.address else {},
        "http_request": {"user_agent": told.text("user_agent")},
    }


def _account_change(told: Told, _: Activity) -> dict[str, Any]:
    return _requested(told) | {"user": user_of(told)}


def _authentication(told: Told, _: Activity) -> dict[str, Any]:
    number, name = _OPENID if told.event.type == "logout.notified" else _OAUTH
    of_session = told.event.type.startswith(("session.", "logout."))
    return _requested(told) | {
        "user": user_of(told),
        "service": {"name": told.client or "tallystick"},
        "session": session_of(told) if of_session else {},
        "is_mfa": "mfa" in told.texts("amr") if told.texts("amr") else None,
        "auth_protocol_id": number if told.client else None,
        "auth_protocol": name if told.client else None,
    }


def _authorize_session(told: Told, _: Activity) -> dict[str, Any]:
    return _requested(told) | {"user": user_of(told), "session": session_of(told)}


def _user_access(told: Told, _: Activity) -> dict[str, Any]:
    resources = [{"name": uri, "type": "resource"} for uri in told.texts("resources")]
    client = [{"name": told.client, "type": "client"}] if told.client else []
    return _requested(told) | {"user": user_of(told), "resources": [*resources, *client]}


def _entity_management(told: Told, activity: Activity) -> dict[str, Any]:
    event = told.event
    number = told.number("number")
    uid = f"{event.stream}.{number}" if number is not None else str(event.stream)
    name = told.text("uri") or told.text("name") or told.text("kid") or told.client
    return _requested(told) | {"entity": {"uid": uid, "name": name, "type": activity.entity}}


def _detection_finding(told: Told, _: Activity) -> dict[str, Any]:
    sources = [{"src_endpoint": {"ip": address}} for address in told.addresses]
    people = [{"user": user_of(told)}] if told.subject else []
    return {
        "finding_info": finding_of(told),
        "is_alert": told.event.type in {"anomaly.detected", "anomaly.extended", "token.reuse_detected"},
        "evidences": [present(each) for each in (*sources, *people)],
        "comment": told.text("note"),
    }


def _api_activity(told: Told, _: Activity) -> dict[str, Any]:
    method = (told.text("method") or "").upper()
    status = told.number("status") or None
    observed = told.event.type in {"usage.recorded", "token.source_observed"}
    route = told.text("route") or told.text("endpoint") or ("introspect" if observed else "audit")
    return {
        "actor": actor_of(told),
        "src_endpoint": endpoint_of(told),
        "trace": {"uid": told.trace and told.trace[0]},
        "api": {
            "operation": f"{method} {route}".strip(),
            "service": {"name": told.text("api") or "tallystick"},
            "response": {"code": status, "error": told.text("error")},
        },
        "http_request": {
            "user_agent": told.text("user_agent"),
            "http_method": method if method in _METHODS else None,
        },
        "http_response": {"code": status},
        "resources": [{"name": told.client, "type": "client"}] if told.client else [],
    }


def _base_event(_: Told, __: Activity) -> dict[str, Any]:
    return {}


_OF_CLASS: dict[EventClass, Callable[[Told, Activity], dict[str, Any]]] = {
    EventClass.BASE_EVENT: _base_event,
    EventClass.DETECTION_FINDING: _detection_finding,
    EventClass.ACCOUNT_CHANGE: _account_change,
    EventClass.AUTHENTICATION: _authentication,
    EventClass.AUTHORIZE_SESSION: _authorize_session,
    EventClass.ENTITY_MANAGEMENT: _entity_management,
    EventClass.USER_ACCESS: _user_access,
    EventClass.API_ACTIVITY: _api_activity,
}
