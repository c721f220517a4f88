"""The fields of the Elastic Common Schema 9.4.0 that the export uses, and the values that categories may have.

Names, types and values are those that Elastic publishes (npm package `@elastic/ecs` 9.4.0, Apache License 2.0).
"""

from __future__ import annotations

VERSION = "9.4.0"

FIELDS: dict[str, tuple[str, bool]] = {
    "@timestamp": ("date", False),
    "ecs.version": ("keyword", False),
    "error.code": ("keyword", False),
    "event.action": ("keyword", False),
    "event.category": ("keyword", True),
    "event.dataset": ("keyword", False),
    "event.end": ("date", False),
    "event.id": ("keyword", False),
    "event.kind": ("keyword", False),
    "event.module": ("keyword", False),
    "event.outcome": ("keyword", False),
    "event.provider": ("keyword", False),
    "event.reason": ("keyword", False),
    "event.sequence": ("long", False),
    "event.severity": ("long", False),
    "event.start": ("date", False),
    "event.type": ("keyword", True),
    "http.request.method": ("keyword", False),
    "http.response.status_code": ("long", False),
    "message": ("match_only_text", False),
    "observer.product": ("keyword", False),
    "observer.vendor": ("keyword", False),
    "observer.version": ("keyword", False),
    "related.ip": ("ip", True),
    "related.user": ("keyword", True),
    "rule.name": ("keyword", False),
    "service.name": ("keyword", False),
    "service.type": ("keyword", False),
    "source.address": ("keyword", False),
    "source.ip": ("ip", False),
    "span.id": ("keyword", False),
    "threat.framework": ("keyword", False),
    "threat.technique.id": ("keyword", True),
    "threat.technique.subtechnique.id": ("keyword", True),
    "trace.id": ("keyword", False),
    "user.email": ("keyword", False),
    "user.id": ("keyword", False),
    "user.name": ("keyword", False),
    "user.target.email": ("keyword", False),
    "user.target.id": ("keyword", False),
    "user.target.name": ("keyword", False),
    "user.target.roles": ("keyword", True),
    "user_agent.original": ("keyword", False),
}
"""The type of each, and whether it is a list."""

KINDS = {"alert", "asset", "enrichment", "event", "metric", "state", "pipeline_error", "signal"}
OUTCOMES = {"failure", "success", "unknown"}
EXPECTED_TYPES = {
    "api": {"access", "admin", "allowed", "change", "creation", "deletion", "denied", "end", "info", "start", "user"},
    "authentication": {"start", "end", "info"},
    "configuration": {"access", "change", "creation", "deletion", "info"},
    "iam": {"admin", "change", "creation", "deletion", "group", "info", "user"},
    "intrusion_detection": {"allowed", "denied", "info"},
    "session": {"start", "end", "info"},
}
"""For each value of `event.category` that is used, the values of `event.type` that go with it."""
