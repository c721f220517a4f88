"""What each event type is in the Open Cybersecurity Schema Framework: a class, and an activity of it.

The numbers and captions are those of OCSF 1.8.0; a test holds them against its published schema.
"""

from __future__ import annotations

from enum import IntEnum
from typing import NamedTuple

CATEGORY_NAMES = {0: "Uncategorized", 2: "Findings", 3: "Identity & Access Management", 6: "Application Activity"}


class EventClass(IntEnum):
    """Classes by their `class_uid`; thousands are the category."""

    BASE_EVENT = 0
    DETECTION_FINDING = 2004
    ACCOUNT_CHANGE = 3001
    AUTHENTICATION = 3002
    AUTHORIZE_SESSION = 3003
    ENTITY_MANAGEMENT = 3004
    USER_ACCESS = 3005
    API_ACTIVITY = 6003


CLASS_NAMES = {
    EventClass.BASE_EVENT: "Base Event",
    EventClass.DETECTION_FINDING: "Detection Finding",
    EventClass.ACCOUNT_CHANGE: "Account Change",
    EventClass.AUTHENTICATION: "Authentication",
    EventClass.AUTHORIZE_SESSION: "Authorize Session",
    EventClass.ENTITY_MANAGEMENT: "Entity Management",
    EventClass.USER_ACCESS: "User Access Management",
    EventClass.API_ACTIVITY: "API Activity",
}

OTHER = 99


class Activity(NamedTuple):
    """Class, `activity_id` and `activity_name`, and for what is managed its kind."""

    of: EventClass
    id: int
    name: str
    entity: str = ""


def _account(number: int, name: str) -> Activity:
    return Activity(EventClass.ACCOUNT_CHANGE, number, name)


def _authentication(number: int, name: str) -> Activity:
    return Activity(EventClass.AUTHENTICATION, number, name)


def _finding(number: int, name: str) -> Activity:
    return Activity(EventClass.DETECTION_FINDING, number, name)


def _api(number: int, name: str) -> Activity:
    return Activity(EventClass.API_ACTIVITY, number, name)


_MANAGED = {"Create": 1, "Update": 3, "Delete": 4, "Enable": 8, "Disable": 9, "Activate": 10, "Deactivate": 11}


def _entity(kind: str, name: str) -> Activity:
    return Activity(EventClass.ENTITY_MANAGEMENT, _MANAGED[name], name, kind)


_ASSIGN = Activity(EventClass.USER_ACCESS, 1, "Assign Privileges")
_REVOKE = Activity(EventClass.USER_ACCESS, 2, "Revoke Privileges")
_AUTHORIZE = Activity(EventClass.AUTHORIZE_SESSION, 1, "Assign Privileges")
_LOGON, _LOGOFF = _authentication(1, "Logon"), _authentication(2, "Logoff")
_FACTOR, _NO_FACTOR = _account(10, "MFA Factor Enable"), _account(11, "MFA Factor Disable")

ACTIVITIES: dict[str, Activity] = {
    "resource.registered": _entity("resource", "Create"),
    "resource.updated": _entity("resource", "Update"),
    "resource.removed": _entity("resource", "Delete"),
    "role.registered": _entity("role", "Create"),
    "role.updated": _entity("role", "Update"),
    "role.removed": _entity("role", "Delete"),
    "client.registered": _entity("client", "Create"),
    "client.updated": _entity("client", "Update"),
    "client.secret_rotated": _entity("client", "Update"),
    "client.disabled": _entity("client", "Disable"),
    "client.enabled": _entity("client", "Enable"),
    "client.removed": _entity("client", "Delete"),
    "account.registered": _account(1, "Create"),
    "account.password_set": _account(3, "Password Change"),
    "account.disabled": _account(5, "Disable"),
    "account.enabled": _account(2, "Enable"),
    "account.signed_out": _LOGOFF,
    "account.totp_enrolled": _FACTOR,
    "account.totp_removed": _NO_FACTOR,
    "account.passkey_added": _FACTOR,
    "account.passkey_removed": _NO_FACTOR,
    "account.recovery_codes_set": _FACTOR,
    "account.recovery_code_used": _account(OTHER, "Recovery Code Used"),
    "role.granted": _ASSIGN,
    "role.withdrawn": _REVOKE,
    "login.failed": _LOGON,
    "session.started": _LOGON,
    "session.renewed": _LOGON,
    "session.ended": _LOGOFF,
    "logout.notified": _authentication(OTHER, "Logout Notice"),
    "consent.granted": _ASSIGN,
    "consent.withdrawn": _REVOKE,
    "key.created": _entity("signing key", "Create"),
    "key.activated": _entity("signing key", "Activate"),
    "key.retired": _entity("signing key", "Deactivate"),
    "token.issued": _AUTHORIZE,
    "token.refreshed": _AUTHORIZE,
    "token.reuse_detected": _finding(1, "Create"),
    "token.revoked": _entity("access token", "Deactivate"),
    "grant.revoked": _entity("grant", "Deactivate"),
    "authorization.granted": _ASSIGN,
    "authorization.denied": _ASSIGN,
    "authorization.redeemed": _entity("grant", "Activate"),
    "device.requested": _entity("grant", "Create"),
    "device.approved": _ASSIGN,
    "device.denied": _ASSIGN,
    "device.redeemed": _entity("grant", "Activate"),
    "access.rejected": _api(OTHER, "Reject"),
    "access.throttled": _api(OTHER, "Throttle"),
    "usage.recorded": _api(OTHER, "Use"),
    "token.source_observed": _api(OTHER, "Observe"),
    "audit.read": _api(2, "Read"),
    "webhook.registered": _entity("webhook", "Create"),
    "webhook.updated": _entity("webhook", "Update"),
    "webhook.secret_rotated": _entity("webhook", "Update"),
    "webhook.disabled": _entity("webhook", "Disable"),
    "webhook.enabled": _entity("webhook", "Enable"),
    "webhook.removed": _entity("webhook", "Delete"),
    "anomaly.detected": _finding(1, "Create"),
    "anomaly.extended": _finding(2, "Update"),
    "anomaly.answered": _finding(2, "Update"),
    "anomaly.acknowledged": _finding(3, "Close"),
}

UNKNOWN = Activity(EventClass.BASE_EVENT, OTHER, "Other")
"""For a type of a later version: the event is exported all the same."""

SEVERITIES = {1: "Informational", 2: "Low", 3: "Medium", 4: "High", 5: "Critical"}
FINDING_STATUSES = {1: "New", 2: "In Progress", 4: "Resolved"}
STATUSES = {1: "Success", 2: "Failure"}
