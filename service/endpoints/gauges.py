"""What metrics tell of how things are now: looked at once a second by each worker, and kept in gauges.

What is in the database is the same for every worker and node, so of its gauges the highest of a node's workers counts.
"""

from __future__ import annotations

import math
import os
import time
from contextlib import suppress
from importlib.metadata import version
from itertools import product
from pathlib import Path
from typing import get_args

from cryptography import x509

from consumers.anomalies.rule import all_rules
from consumers.anomalies.rules.travel import ImpossibleTravel
from consumers.anomalies.thresholds import Thresholds
from consumers.webhooks.figures import Figures, webhook_figures
from schema.events import Response
from service.endpoints.core import Core
from service.endpoints.health import Status, readiness_now
from service.journal.port import JournalUnavailable
from service.journal.progress import RELAY, Lagging, read_lagging
from service.telemetry import metrics
from service.telemetry.tallied import write_tallies

_AS_NUMBER: dict[Status, float] = {"ready": 1.0, "degraded": 0.5, "unready": 0.0}
_NO_MORE = math.nan
"""The figure of something that is no more: it is below and above nothing, so no alert tells of it."""

_RULES = (*(rule.name for rule in all_rules(Thresholds())), ImpossibleTravel.name)
_SEVERE = frozenset(product(_RULES, ("high", "critical"), ("detected", "extended")))
"""Findings that an alert tells of, by the labels of their gauge."""

_STATM = Path("/proc/self/statm")
_FILES = Path("/dev/fd")
# The types are literal, so that the partial index of migration 0009 serves them.
_FOUND = """
    SELECT type, data->>'rule' AS rule, data->>'severity' AS severity, data->>'response' AS response,
        data->>'done' AS done, count(*) AS number, max(position) AS last
    FROM journal.events
    WHERE type IN ('anomaly.detected', 'anomaly.extended', 'anomaly.answered') AND position > $1
    GROUP BY 1, 2, 3, 4, 5
"""


class Gauges:
    """The gauges of one worker, and what it last said in those counters that are counted elsewhere."""

    def __init__(self, core: Core) -> None:
        self._core = core
        self._cpu = 0.0
        self._lookups: dict[tuple[str, str], int] = {}
        self._found: dict[tuple[str, str, str], int] = {}
        self._found_up_to = 0
        self._folds: set[str] = set()
        self._webhooks: set[str] = set()
        metrics.BUILD.labels(version("tallystick")).set(1)
        metrics.WORKERS.set(1)
        metrics.STARTED.set(time.time())
        self._answered = dict.fromkeys(product(get_args(Response), ("true", "false")), 0)

    async def note(self) -> None:
        """Look, and set every gauge to what is now. What the database does not tell in time stays as it was."""
        write_tallies()
        self._note_process()
        self._note_worker()
        self._note_certificate()
        await self._note_readiness()
        with suppress(JournalUnavailable):
            self._note_folds(await read_lagging(self._core.journal))
            self._note_webhooks(await webhook_figures(self._core.journal.fetch))
            await self._note_anomalies()

    def _note_process(self) -> None:
        cpu = time.process_time()
        metrics.CPU.inc(cpu - self._cpu)
        self._cpu = cpu
        with suppress(OSError):
            metrics.FILES.set(sum(1 for _ in _FILES.iterdir()))
            metrics.MEMORY.set(int(_STATM.read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE"))

    def _note_worker(self) -> None:
        core = self._core
        metrics.QUEUE.set(core.journal.queue_depth)
        metrics.QUEUE_LIMIT.set(core.settings.commit_queue_limit)
        metrics.POSITION.set(core.state.position)
        metrics.HEAD.set(core.follower.head)
        metrics.RELAYED.set(core.follower.relay.position)
        metrics.HALTED.set(core.follower.poison is not None)
        metrics.GRANTS.set(len(core.state.grants))
        metrics.SESSIONS.set(len(core.state.sessions))
        for cache, part in (("grants", core.grants), ("sessions", core.sessions), ("jwts", core.tokens)):
            self._add_lookups(cache, "hit", part.hits)
            self._add_lookups(cache, "miss", part.misses)

    def _note_certificate(self) -> None:
        file = self._core.settings.tls_certificate
        if file is not None:
            with suppress(OSError, ValueError):  # the log tells of one that cannot be used
                until = x509.load_pem_x509_certificate(file.read_bytes()).not_valid_after_utc
                metrics.CERTIFICATE.set(until.timestamp())

    def _add_lookups(self, cache: str, result: str, number: int) -> None:
        metrics.CACHE.labels(cache, result).inc(number - self._lookups.get((cache, result), 0))
        self._lookups[cache, result] = number

    async def _note_readiness(self) -> None:
        readiness = await readiness_now(self._core)
        for name, part in readiness.parts.items():
            metrics.READINESS.labels(name).set(_AS_NUMBER[part.status])
        metrics.RELAY_UP.set(readiness.parts["relay"].status == "ready")

    def _note_folds(self, lagging: list[Lagging]) -> None:
        folds = {each.name: lag for each, lag in lagging if each.kind != "webhooks"}
        metrics.RELAY_LAG.set(folds.pop(RELAY))
        for gone in self._folds - folds.keys():
            for gauge in (metrics.FOLD_POSITION, metrics.FOLD_UP, metrics.FOLD_LAG):
                gauge.labels(gone).set(_NO_MORE)
        self._folds = set(folds)
        for each, lag in lagging:
            if each.name in folds:
                metrics.FOLD_POSITION.labels(each.name).set(each.position)
                metrics.FOLD_UP.labels(each.name).set(each.trouble is None)
                metrics.FOLD_LAG.labels(each.name).set(lag)

    def _note_webhooks(self, figures: list[Figures]) -> None:
        here = {each.name for each in figures}
        for gone in self._webhooks - here:
            for gauge in (
                metrics.WEBHOOK_DELIVERED,
                metrics.WEBHOOK_WAITING,
                metrics.WEBHOOK_FAILING,
                metrics.WEBHOOK_DEAD,
            ):
                gauge.labels(gone).set(_NO_MORE)
        self._webhooks = here
        for each in figures:
            metrics.WEBHOOK_DELIVERED.labels(each.name).set(each.delivered)
            metrics.WEBHOOK_WAITING.labels(each.name).set(each.pending)
            metrics.WEBHOOK_FAILING.labels(each.name).set(each.failing)
            metrics.WEBHOOK_DEAD.labels(each.name).set(each.dead)

    async def _note_anomalies(self) -> None:
        """Add what is new in the journal, of which the whole is counted once, at the start.

        What is severe and has not been is 0, so that the first of its kind is seen as a growth; so is every answer.
        """
        for row in await self._core.journal.fetch(_FOUND, self._found_up_to):
            self._found_up_to = max(self._found_up_to, row["last"])
            if row["type"] == "anomaly.answered":
                self._answered[row["response"], row["done"]] += row["number"]
            else:
                key = (row["rule"], row["severity"], row["type"].removeprefix("anomaly."))
                self._found[key] = self._found.get(key, 0) + row["number"]
        for key in _SEVERE - self._found.keys():
            self._found[key] = 0
        for key, number in self._found.items():
            metrics.ANOMALIES.labels(*key).set(number)
        for answer, number in self._answered.items():
            metrics.ANOMALY_ANSWERS.labels(*answer).set(number)
