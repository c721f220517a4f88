"""What readiness and metrics tell of the webhooks, read from the database by whoever may."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, NamedTuple

_FIGURES = """
    SELECT substr(p.name, 9) AS name, coalesce(e.delivered, 0) AS delivered,
        (SELECT count(*) FROM webhook.pending w WHERE w.name = substr(p.name, 9)) AS pending,
        (SELECT count(*) FROM webhook.pending w WHERE w.name = substr(p.name, 9) AND w.attempts > 0) AS failing,
        (SELECT count(*) FROM webhook.dead_letters d WHERE d.name = substr(p.name, 9)) AS dead,
        extract(epoch FROM e.last_success)::float8 AS last_success
    FROM projection.progress p LEFT JOIN webhook.endpoints e ON e.name = substr(p.name, 9)
    WHERE p.name LIKE 'webhook:%' ORDER BY p.name
"""

Fetch = Callable[..., Awaitable[list[Any]]]


class Figures(NamedTuple):
    """How many events a webhook took, how many wait, how many of these failed before, how many were given up; when it
    took one last (since 1970).
    """

    name: str
    delivered: int
    pending: int
    failing: int
    dead: int
    last_success: float | None


async def webhook_figures(fetch: Fetch) -> list[Figures]:
    """The figures of every webhook, by name. `fetch` runs a query and returns its rows; raises what it raises."""
    return [Figures(**dict(row)) for row in await fetch(_FIGURES)]
