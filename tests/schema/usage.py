"""Samples of the events about use, webhooks and anomalies: every field away from its default."""

from __future__ import annotations

from typing import Any

from schema import events

_SUBJECT = "0b6f1c1e-3f0e-4b7a-9b0e-6a4d6b6f2f11"
_TOKEN = "019b76da-a800-7000-8000-000000000001.1"
_FINDING: dict[str, Any] = {
    "rule": "password_spray",
    "severity": "high",
    "technique": "T1110.003",
    "about": "source 192.0.2.7",
    "summary": "192.0.2.7 tried 25 accounts within 10 minutes, two passwords each.",
    "first_at": 1_767_225_600,
    "last_at": 1_767_226_200,
    "count": 50,
    "evidence": (17, 18, 66),
    "sources": ("192.0.2.7",),
    "client_id": "billing-worker",
    "subject": _SUBJECT,
    "grant_id": "019b76da-a800-7000-8000-000000000001",
}

USAGE: tuple[events.Event, ...] = (
    events.AccessThrottled(
        limit="source",
        window_starts_at=1_767_225_600,
        window_seconds=60,
        count=48_211,
        network="192.0.2.7",
        client_id="billing-worker",
        account=_SUBJECT,
        requests=(
            events.ThrottledRequests(
                endpoint="token", error="too_many_requests", reason="too_many_requests", status=429, count=48_200
            ),
            events.ThrottledRequests(
                endpoint="token", error="invalid_client", reason="bad_secret", status=401, count=11
            ),
        ),
    ),
    events.UsageRecorded(
        client_id="billing-worker",
        minute=1_767_225_600,
        introspections=(
            events.IntrospectionCount(
                resource="https://payments.example.com",
                scope="read:payments",
                grant_type="client_credentials",
                introspector="payments-api",
                count=12,
                ages=(10, 2, 0, 0, 0, 0, 0),
            ),
        ),
    ),
    events.TokenSourceObserved(
        client_id="billing-worker",
        subject="billing-worker",
        token_id=_TOKEN,
        introspector="payments-api",
        source="192.0.2.7",
        issued_from="198.51.100.4",
        user_agent="curl/8.5.0",
    ),
    events.AuditRead(
        client_id="auditor",
        subject="auditor",
        via="page",
        after=41,
        last=43,
        count=2,
        filters={"type": "token.*"},
    ),
    events.WebhookRegistered(
        name="siem", url="https://siem.example.com/hook", types=("access.*",), clients=("billing-worker",), after=41
    ),
    events.WebhookUpdated(
        name="siem", url="https://siem.example.com/hook", types=("access.*",), clients=("billing-worker",)
    ),
    events.WebhookSecretRotated(name="siem", previous_expire_at=1_767_312_000),
    events.WebhookDisabled(name="siem", reason="the receiver answered 410 Gone"),
    events.WebhookEnabled(name="siem"),
    events.WebhookRemoved(name="siem"),
    events.AnomalyDetected(**_FINDING),
    events.AnomalyExtended(**_FINDING),
    events.AnomalyAnswered(
        rule="refresh_token_reuse",
        response="revoke_grant",
        target="019b76da-a800-7000-8000-000000000001",
        done=True,
        detail="revoked already",
        client_id="billing-worker",
    ),
    events.AnomalyAcknowledged(
        rule="password_spray", note="a penetration test", client_id="billing-worker", about="source 192.0.2.7"
    ),
)
