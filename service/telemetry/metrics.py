"""Metrics: counted with prometheus_client (summed over the workers of one node), shown at `/metrics`, sent by OTLP
when configured.

Label values are bounded: an endpoint, a reason or a status is one of ours, a client is a registered one or `_`.
Every name is documented in `docs/metrics.md`; a test holds the two equal. `commits.py` counts what was committed,
`service/endpoints/gauges.py` sets the gauges.
"""

from __future__ import annotations

import logging
import os
import time
from typing import Final

from prometheus_client import (
    REGISTRY,
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    disable_created_metrics,
    generate_latest,
    multiprocess,
    values,
)

from service.telemetry.tallied import TalliedCounter, TalliedHistogram, write_tallies

log = logging.getLogger(__name__)

_REQUESTS: Final = (1, 2, 5, 10, 20, 50, 100, 200, 500)
_SECONDS: Final = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5)

_process = [os.getpid()]
os.register_at_fork(after_in_child=lambda: _process.__setitem__(0, os.getpid()))
if "PROMETHEUS_MULTIPROC_DIR" in os.environ:  # the library would ask the system for the process id at every count
    values.ValueClass = values.MultiProcessValue(lambda: _process[0])  # type: ignore[no-untyped-call]

disable_created_metrics()  # type: ignore[no-untyped-call]  # the library leaves it out

ISSUED = TalliedCounter("tallystick_tokens_issued", "Tokens issued.", ["grant_type", "client"])
REVOKED = Counter("tallystick_tokens_revoked", "Tokens revoked.", ["client"])
REJECTED = TalliedCounter("tallystick_rejections", "Requests refused.", ["endpoint", "reason", "client"])
REFRESHED = Counter("tallystick_tokens_refreshed", "Access tokens issued for a refresh token.", ["client", "use"])
REUSED = Counter("tallystick_token_reuses", "Used codes and refresh tokens that came again.", ["kind", "client"])
REVOCATIONS = Counter("tallystick_revocations", "Tokens and grants revoked, by the workers.", ["kind", "reason"])
VERIFIED = TalliedCounter("tallystick_verifications", "Requests of gateways that may pass.", ["client"])
API_REJECTED = Counter("tallystick_api_rejections", "Accesses that APIs refused and reported.", ["api", "reason"])
THROTTLED = TalliedCounter("tallystick_throttled", "Requests refused by a rate limit.", ["limit", "endpoint"])
SUMMARISED = Counter(
    "tallystick_refusals_summarised", "Refusals that an event tells of together with others.", ["limit"]
)
INTROSPECTED = TalliedCounter("tallystick_introspections", "Introspections answered.", ["active", "client"])
NOTIFIED = Counter("tallystick_logout_notices", "Clients told of a logout, or not.", ["delivered", "client"])
DEVICE_WAITS = Counter("tallystick_device_waits", "Devices told that nobody has decided yet.", ["client"])
SIGN_INS = Counter("tallystick_sign_ins", "Steps of signing in.", ["method", "outcome"])
DURATION = TalliedHistogram("tallystick_request_seconds", "Time to answer.", ["endpoint", "status"], buckets=_SECONDS)
COMMITS = Counter("tallystick_journal_commits", "Group commits.")
COMMITTED = Counter("tallystick_journal_committed_requests", "Appends that were part of a group commit.")
EVENTS = TalliedCounter("tallystick_events_committed", "Events that the workers committed.", ["type"])
COMMIT_REQUESTS = Histogram(
    "tallystick_journal_commit_requests", "Appends that one group commit took.", buckets=_REQUESTS
)
COMMIT_SECONDS = Histogram("tallystick_journal_commit_seconds", "Time of a group commit.", buckets=_SECONDS)
QUEUE = Gauge("tallystick_journal_queue", "Appends that wait or are in flight.", multiprocess_mode="livesum")
QUEUE_LIMIT = Gauge(
    "tallystick_journal_queue_limit", "How many appends may wait, all workers.", multiprocess_mode="livesum"
)
POSITION = Gauge("tallystick_feed_position", "Last position folded by the slowest worker.", multiprocess_mode="livemin")
HEAD = Gauge("tallystick_journal_head", "Last position of the journal.", multiprocess_mode="livemax")
RELAYED = Gauge("tallystick_relay_position", "Last position published to NATS.", multiprocess_mode="livemax")
HALTED = Gauge("tallystick_feed_halted", "Workers whose feed halted on poison.", multiprocess_mode="livesum")
RELAY_UP = Gauge("tallystick_relay_running", "1 while the relay runs as it should.", multiprocess_mode="livemax")
RELAY_LAG = Gauge(
    "tallystick_relay_lag_seconds", "Age of the oldest event that is not published.", multiprocess_mode="livemax"
)
FOLD_POSITION = Gauge(
    "tallystick_fold_position",
    "Last position that a projection or consumer has done.",
    ["name"],
    multiprocess_mode="livemax",
)
FOLD_UP = Gauge(
    "tallystick_fold_running",
    "1 while a projection or consumer runs as it should.",
    ["name"],
    multiprocess_mode="livemax",
)
FOLD_LAG = Gauge(
    "tallystick_fold_lag_seconds",
    "Age of the oldest event that a projection or consumer has not done.",
    ["name"],
    multiprocess_mode="livemax",
)
READINESS = Gauge(
    "tallystick_readiness",
    "1 where a part is ready, 0.5 where it is degraded, 0 where it is not ready; of the worst worker.",
    ["part"],
    multiprocess_mode="livemin",
)
ANOMALIES = Gauge(
    "tallystick_anomalies",
    "Events of findings in the journal: begun (detected), grown or worse (extended).",
    ["rule", "severity", "told"],
    multiprocess_mode="livemax",
)
ANOMALY_ANSWERS = Gauge(
    "tallystick_anomaly_answers",
    "What policy did about findings, in the journal.",
    ["response", "done"],
    multiprocess_mode="livemax",
)
WEBHOOK_DELIVERED = Gauge(
    "tallystick_webhook_delivered", "Events that a webhook took.", ["name"], multiprocess_mode="livemax"
)
WEBHOOK_WAITING = Gauge(
    "tallystick_webhook_waiting", "Events that a webhook has yet to take.", ["name"], multiprocess_mode="livemax"
)
WEBHOOK_FAILING = Gauge(
    "tallystick_webhook_failing",
    "Events among those that wait that a webhook refused before.",
    ["name"],
    multiprocess_mode="livemax",
)
WEBHOOK_DEAD = Gauge(
    "tallystick_webhook_dead_letters", "Events that were given up.", ["name"], multiprocess_mode="livemax"
)
CACHE = Counter("tallystick_cache_lookups", "What was looked for in memory.", ["cache", "result"])
AUDIT_STREAMS = Gauge(
    "tallystick_audit_streams", "Streams of the audit log that are open, all workers.", multiprocess_mode="livesum"
)
CONNECTIONS = Gauge("tallystick_connections", "Connections that are open, all workers.", multiprocess_mode="livesum")
CUT = Counter("tallystick_connections_cut", "Connections ended for what their peer did, or did not do.", ["reason"])
GRANTS = Gauge("tallystick_grants_cached", "Grants held in memory, all workers.", multiprocess_mode="livesum")
SESSIONS = Gauge("tallystick_sessions_cached", "Sessions held in memory, all workers.", multiprocess_mode="livesum")
CERTIFICATE = Gauge(
    "tallystick_certificate_expiry_time_seconds",
    "When the certificate ends, since 1970; 0 where there is none.",
    multiprocess_mode="livemax",
)
BUILD = Gauge("tallystick_build_info", "1, with the version that runs.", ["version"], multiprocess_mode="livemax")
WORKERS = Gauge("tallystick_workers", "Worker processes that live.", multiprocess_mode="livesum")
STARTED = Gauge(
    "tallystick_worker_start_time_seconds",
    "When the worker began that began last, since 1970.",
    multiprocess_mode="livemax",
)
MEMORY = Gauge("tallystick_resident_memory_bytes", "Memory of all workers.", multiprocess_mode="livesum")
FILES = Gauge("tallystick_open_files", "Open files of the worker that has most.", multiprocess_mode="livemax")
CPU = Counter("tallystick_cpu_seconds", "Processor time of all workers.")


class Metrics:
    """What the endpoints count."""

    def __init__(self) -> None:
        self._durations: dict[tuple[str, int], Histogram] = {}
        self._issued: dict[tuple[str, str], Counter] = {}
        self._introspected: dict[tuple[str, bool], Counter] = {}
        self._rejected: dict[tuple[str, str, str], Counter] = {}
        self._verified: dict[str, Counter] = {}
        self._throttled: dict[tuple[str, str], Counter] = {}
        self._told_unavailable = 0.0

    def issued(self, grant_type: str, client: str) -> None:
        """A token was issued."""
        child = self._issued.get((grant_type, client))
        if child is None:
            child = self._issued[grant_type, client] = ISSUED.labels(grant_type, client)
        child.inc()

    def introspected(self, client: str, *, active: bool) -> None:
        """An introspection was answered."""
        child = self._introspected.get((client, active))
        if child is None:
            child = self._introspected[client, active] = INTROSPECTED.labels(str(active).lower(), client)
        child.inc()

    def revoked(self, client: str) -> None:
        """A token was revoked."""
        REVOKED.labels(client).inc()

    def logout_notified(self, client: str, *, delivered: bool) -> None:
        """A client was told that a session ended, or could not be told."""
        NOTIFIED.labels(str(delivered).lower(), client).inc()

    def device_waits(self, client: str) -> None:
        """A device was told that nobody has decided yet."""
        DEVICE_WAITS.labels(client).inc()

    def signed_in(self, method: str, outcome: str) -> None:
        """A step of signing in: `passed`, `failed` or `throttled`."""
        SIGN_INS.labels(method, outcome).inc()

    def rejected(self, endpoint: str, reason: str, client: str) -> None:
        """A request was refused. `client` is a registered one or `_`."""
        child = self._rejected.get((endpoint, reason, client))
        if child is None:
            child = self._rejected[endpoint, reason, client] = REJECTED.labels(endpoint, reason, client)
        child.inc()

    def verified(self, client: str) -> None:
        """A gateway was told that a request may pass; `client` is that of its token."""
        child = self._verified.get(client)
        if child is None:
            child = self._verified[client] = VERIFIED.labels(client)
        child.inc()

    def api_rejected(self, api: str, reason: str, count: int = 1) -> None:
        """An API reported accesses that it refused. `api` is one that the reporting client introspects."""
        API_REJECTED.labels(api, reason).inc(count)

    def throttled(self, limit: str, endpoint: str, count: int = 1) -> None:
        """A rate limit refused requests. `limit` is its name."""
        child = self._throttled.get((limit, endpoint))
        if child is None:
            child = self._throttled[limit, endpoint] = THROTTLED.labels(limit, endpoint)
        child.inc(count)

    def summarised(self, limit: str, count: int) -> None:
        """Refusals by a rate limit were told of in one event: how many."""
        SUMMARISED.labels(limit).inc(count)

    def unavailable(self, endpoint: str, error: Exception) -> None:
        """A request is answered 503: logged once a second, however many there are."""
        now = time.monotonic()
        if now - self._told_unavailable >= 1.0:
            self._told_unavailable = now
            log.warning("%s answers 503: %s", endpoint, error)

    def answered(self, endpoint: str, status: int, seconds: float) -> None:
        """A request was answered."""
        child = self._durations.get((endpoint, status))
        if child is None:
            child = self._durations[endpoint, status] = DURATION.labels(endpoint, str(status))
        child.observe(seconds)


def committed(requests: int, seconds: float) -> None:
    """A group commit was made."""
    COMMITS.inc()
    COMMITTED.inc(requests)
    COMMIT_REQUESTS.observe(requests)
    COMMIT_SECONDS.observe(seconds)


def exposition() -> bytes:
    """The Prometheus text of this node: of all its workers where they share `PROMETHEUS_MULTIPROC_DIR`, else of this
    process.
    """
    write_tallies()
    if "PROMETHEUS_MULTIPROC_DIR" not in os.environ:
        return generate_latest(REGISTRY)
    registry = CollectorRegistry()
    multiprocess.MultiProcessCollector(registry)  # type: ignore[no-untyped-call]  # the library leaves it out
    return generate_latest(registry)
