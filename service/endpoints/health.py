"""Liveness, readiness with a reason for each part, and the Prometheus page."""

from __future__ import annotations

from typing import Literal

import msgspec
from litestar import Response, get
from litestar.handlers import HTTPRouteHandler
from prometheus_client import CONTENT_TYPE_LATEST

from consumers.webhooks.figures import webhook_figures
from service.endpoints.core import Core
from service.journal.port import JournalUnavailable
from service.journal.progress import SILENT, Kind, Progress, read_progress
from service.telemetry import metrics

Status = Literal["ready", "degraded", "unready"]

_ORDER: tuple[Status, ...] = ("ready", "degraded", "unready")


class Part(msgspec.Struct, frozen=True, kw_only=True):
    """One part of the service: how it is, and why."""

    status: Status
    reason: str


_MISSING: dict[Kind, Part] = {
    "projections": Part(status="degraded", reason="no projector has run yet (tallystick project)"),
    "anomalies": Part(status="degraded", reason="no consumer has run yet (tallystick consume)"),
    "webhooks": Part(status="ready", reason="none is registered"),
}


class Readiness(msgspec.Struct, frozen=True, kw_only=True):
    """The whole is as its worst part. Degraded still answers; unready does not."""

    status: Status
    parts: dict[str, Part]


def health_routes(core: Core) -> list[HTTPRouteHandler]:
    """The health and metrics endpoints."""

    @get("/health/live", sync_to_thread=False)
    def live() -> dict[str, str]:
        """This process answers."""
        return {"status": "alive"}

    @get("/health/ready")
    async def ready() -> Response[Readiness]:
        """Whether this worker can do its work, part by part: 200 when ready or degraded, 503 when not."""
        readiness = await _readiness(core)
        return Response(
            readiness,
            status_code=503 if readiness.status == "unready" else 200,
            headers={"cache-control": "no-store"},
        )

    @get("/metrics", sync_to_thread=True)
    def prometheus() -> Response[bytes]:
        """The metrics of all workers of this node, in Prometheus' text format."""
        return Response(metrics.exposition(), headers={"content-type": CONTENT_TYPE_LATEST})

    return [live, ready, prometheus]


async def readiness_now(core: Core) -> Readiness:
    """The same without asking Postgres anew whether it answers: whether the worker may answer by its lease."""
    return await _with_journal(core, _journal_by_lease(core))


async def _readiness(core: Core) -> Readiness:
    return await _with_journal(core, await _journal(core))


async def _with_journal(core: Core, journal: Part) -> Readiness:
    parts = {
        "journal": journal,
        "feed": _feed(core),
        "keys": await _keys(core),
        "relay": _relay(core),
        **await _beside(core),
    }
    worst = max((part.status for part in parts.values()), key=_ORDER.index)
    return Readiness(status=worst, parts=parts)


async def _journal(core: Core) -> Part:
    try:
        await core.follower.refresh()
    except JournalUnavailable as error:
        return Part(status="unready", reason=str(error))
    return _queue(core)


def _journal_by_lease(core: Core) -> Part:
    if core.follower.poison is None and not core.follower.fresh:
        return Part(status="unready", reason="the lease was not renewed in time")
    return _queue(core)


def _queue(core: Core) -> Part:
    depth, limit = core.journal.queue_depth, core.settings.commit_queue_limit
    if depth >= limit:
        return Part(status="unready", reason=f"the commit queue is full ({limit})")
    return Part(status="ready", reason=f"Postgres answers, head {core.follower.head}, {depth} appends waiting")


def _feed(core: Core) -> Part:
    if core.follower.poison is not None:
        return Part(status="unready", reason=core.follower.poison)
    return Part(status="ready", reason=f"folded to {core.state.position} of {core.follower.head}")


async def _keys(core: Core) -> Part:
    try:
        signer = await core.ring.signer()
    except Exception as error:  # noqa: BLE001 whatever keeps a key from signing is the reason to show
        return Part(status="unready", reason=str(error))
    return Part(status="ready", reason=f"key {signer.kid} signs")


def _relay(core: Core) -> Part:
    relay = core.follower.relay
    if relay.state != "running":
        return Part(status="degraded", reason=f"the relay is {relay.state}: {relay.reason}")
    if relay.silent > SILENT:
        return Part(status="degraded", reason=f"the relay has been silent for {relay.silent:.0f} s")
    return Part(status="ready", reason=f"published to {relay.position} of {core.follower.head}")


async def _beside(core: Core) -> dict[str, Part]:
    """What runs beside the workers. It answers no request of theirs: at worst it is degraded."""
    try:
        progress = await read_progress(core.journal)
        webhooks = await webhook_figures(core.journal.fetch)
    except JournalUnavailable as error:
        return dict.fromkeys(_MISSING, Part(status="degraded", reason=str(error)))
    given_up = [
        f"webhook:{each.name} gave up {each.dead:,} event{'s' * (each.dead > 1)}" for each in webhooks if each.dead
    ]
    return {
        kind: _together(
            [each for each in progress if each.kind == kind], missing, given_up if kind == "webhooks" else []
        )
        for kind, missing in _MISSING.items()
    }


def _together(progress: list[Progress], missing: Part, notes: list[str]) -> Part:
    """Several as one part, each named, those in trouble first. `notes` are no trouble of now: they change no status."""
    if not progress:
        return missing
    troubles = [each.trouble for each in progress if each.trouble is not None]
    well = ", ".join(f"{each.name} at {each.position}" for each in progress if each.trouble is None)
    told = (*troubles, *([well] if well else []), *notes)
    return Part(status="degraded" if troubles else "ready", reason="; ".join(told))
