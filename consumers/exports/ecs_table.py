"""What each event type is in the categories of the Elastic Common Schema (ECS categorization fields)."""

from __future__ import annotations

from typing import NamedTuple


class Category(NamedTuple):
    """The values of `event.kind`, `event.category` and `event.type`."""

    kind: str
    category: tuple[str, ...]
    type: tuple[str, ...]


def _event(category: str, *types: str) -> Category:
    return Category("event", tuple(category.split()), types)


def _alert(category: str, *types: str) -> Category:
    return Category("alert", tuple(category.split()), types)


_ACCOUNT_CHANGED = _event("iam", "user", "change")
_RIGHTS_CHANGED = _event("iam", "user", "change")
_MADE, _CHANGED, _GONE = (_event("configuration", what) for what in ("creation", "change", "deletion"))
_FINDING = _alert("intrusion_detection", "info")

CATEGORIES: dict[str, Category] = {
    "resource.registered": _MADE,
    "resource.updated": _CHANGED,
    "resource.removed": _GONE,
    "role.registered": _event("iam", "group", "creation"),
    "role.updated": _event("iam", "group", "change"),
    "role.removed": _event("iam", "group", "deletion"),
    "client.registered": _event("iam", "admin", "creation"),
    "client.updated": _event("iam", "admin", "change"),
    "client.secret_rotated": _event("iam", "admin", "change"),
    "client.disabled": _event("iam", "admin", "change"),
    "client.enabled": _event("iam", "admin", "change"),
    "client.removed": _event("iam", "admin", "deletion"),
    "account.registered": _event("iam", "user", "creation"),
    "account.password_set": _ACCOUNT_CHANGED,
    "account.disabled": _ACCOUNT_CHANGED,
    "account.enabled": _ACCOUNT_CHANGED,
    "account.signed_out": _event("authentication session", "end"),
    "account.totp_enrolled": _ACCOUNT_CHANGED,
    "account.totp_removed": _ACCOUNT_CHANGED,
    "account.passkey_added": _ACCOUNT_CHANGED,
    "account.passkey_removed": _ACCOUNT_CHANGED,
    "account.recovery_codes_set": _ACCOUNT_CHANGED,
    "account.recovery_code_used": _event("authentication", "info"),
    "role.granted": _RIGHTS_CHANGED,
    "role.withdrawn": _RIGHTS_CHANGED,
    "login.failed": _event("authentication", "start"),
    "session.started": _event("authentication session", "start"),
    "session.renewed": _event("authentication", "start"),
    "session.ended": _event("authentication session", "end"),
    "logout.notified": _event("session", "info"),
    "consent.granted": _RIGHTS_CHANGED,
    "consent.withdrawn": _RIGHTS_CHANGED,
    "key.created": _MADE,
    "key.activated": _CHANGED,
    "key.retired": _GONE,
    "token.issued": _event("authentication session", "start"),
    "token.refreshed": _event("authentication session", "info"),
    "token.reuse_detected": _alert("authentication intrusion_detection", "info"),
    "token.revoked": _event("session", "end"),
    "grant.revoked": _event("session", "end"),
    "authorization.granted": _RIGHTS_CHANGED,
    "authorization.denied": _event("iam", "user", "info"),
    "authorization.redeemed": _event("session", "info"),
    "device.requested": _event("authentication", "info"),
    "device.approved": _RIGHTS_CHANGED,
    "device.denied": _event("iam", "user", "info"),
    "device.redeemed": _event("session", "info"),
    "access.rejected": _event("api", "access", "denied"),
    "access.throttled": _event("api", "access", "denied"),
    "usage.recorded": Category("metric", ("api",), ("info",)),
    "token.source_observed": _event("session", "info"),
    "audit.read": _event("api", "access"),
    "webhook.registered": _MADE,
    "webhook.updated": _CHANGED,
    "webhook.secret_rotated": _CHANGED,
    "webhook.disabled": _CHANGED,
    "webhook.enabled": _CHANGED,
    "webhook.removed": _GONE,
    "anomaly.detected": _FINDING,
    "anomaly.extended": _FINDING,
    "anomaly.answered": _event("intrusion_detection", "info"),
    "anomaly.acknowledged": _event("intrusion_detection", "info"),
}

UNKNOWN = Category("event", (), ())
"""For a type of a later version: the event is exported all the same."""

CLIENT_UNPROVEN = Category("event", ("api", "authentication"), ("access", "denied", "start"))
"""For `access.rejected` whose error is `invalid_client`: somebody did not prove to be a client."""
