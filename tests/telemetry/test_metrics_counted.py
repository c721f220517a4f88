"""What is counted of the events that a worker commits, of gateways, of APIs, and of what is looked for in memory."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from prometheus_client import REGISTRY

from service.endpoints.gauges import Gauges
from service.own_api.scopes import ACCESS_REPORT, OWN_API
from service.telemetry.metrics import Metrics
from tests.endpoints.granting import app, first_tokens, person, refresh
from tests.endpoints.world import USERS, World
from tests.guard.reporting import rejected

_OWN = "tallystick_"


class Growth:
    """How much samples have grown since it was made."""

    def __init__(self) -> None:
        self._before = _samples()

    def __call__(self, metric: str, **labels: str) -> float:
        """Of one sample."""
        key = (_OWN + metric, tuple(sorted(labels.items())))
        return _samples().get(key, 0.0) - self._before.get(key, 0.0)


def _samples() -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for metric in REGISTRY.collect()
        for sample in metric.samples
    }


async def test_refreshes_are_counted_by_what_became_of_the_token(fresh: World) -> None:
    """A rotation and its retry each count once, under the client, and as events."""
    party, zoe = await app(fresh), await person(fresh.core)
    tokens = await first_tokens(fresh, party, zoe)
    grew = Growth()
    for _ in range(2):
        assert (await refresh(fresh, party, tokens["refresh_token"])).status == 200

    assert grew("tokens_refreshed_total", client=party.client_id, use="rotated") == 1
    assert grew("tokens_refreshed_total", client=party.client_id, use="retry") == 1
    assert grew("events_committed_total", type="token.refreshed") == 2


async def test_reuse_is_counted_with_the_revocation_that_follows(fresh: World) -> None:
    """A refresh token that its successors ended: one reuse, one grant revoked for that reason, no refresh."""
    party, zoe = await app(fresh), await person(fresh.core)
    first = (await first_tokens(fresh, party, zoe))["refresh_token"]
    second = (await refresh(fresh, party, first)).body["refresh_token"]
    await refresh(fresh, party, second)
    grew = Growth()
    answer = await refresh(fresh, party, first)

    assert answer.error == (400, "invalid_grant", "refresh_token_reused")
    assert grew("token_reuses_total", kind="refresh_token", client=party.client_id) == 1
    assert grew("revocations_total", kind="grant", reason="refresh_token_reused") == 1
    assert grew("tokens_refreshed_total", client=party.client_id, use="rotated") == 0


async def test_revocations_are_counted_once(fresh: World) -> None:
    """A second revocation of the same token revokes nothing."""
    token = await fresh.issue(fresh.service)
    grew = Growth()
    for _ in range(2):
        await fresh.revoke(token)

    assert grew("revocations_total", kind="token", reason="client_request") == 1
    assert grew("events_committed_total", type="access.rejected") == 1


async def test_gateways_are_counted_where_they_may_let_pass(fresh: World) -> None:
    """A good token counts under its client; a bad one is a rejection and nothing else."""
    token = await fresh.issue(fresh.service)
    grew = Growth()
    for text in (token, token, "x.y.z"):
        await fresh.http.get("/verify", params={"audience": USERS}, headers={"authorization": f"Bearer {text}"})

    assert grew("verifications_total", client=fresh.service.client_id) == 2
    assert grew("rejections_total", endpoint="verify", reason="token_not_active", client="_") == 1


async def test_reports_of_apis_are_counted_once_each_with_what_they_dropped(fresh: World) -> None:
    """By API and reason; one that is told again does not count; what an API could not keep counts by its number."""
    party = await fresh.worker(resources=(OWN_API,), scopes=(ACCESS_REPORT,), introspects=(USERS,))
    token = await fresh.issue(party, scope=ACCESS_REPORT)
    one: dict[str, Any] = rejected(reason="scope_missing", status=403)
    headers = {"authorization": f"Bearer {token}", "content-type": "application/json"}
    grew = Growth()
    for dropped in (0, 40):
        body = json.dumps({"api": USERS, "rejections": [one], "dropped": dropped}).encode()
        answer = await fresh.http.post("/access/rejected", content=body, headers=headers)
        assert answer.status_code == 200, answer.text

    assert grew("api_rejections_total", api=USERS, reason="scope_missing") == 1
    assert grew("api_rejections_total", api=USERS, reason="reports_dropped") == 40


async def test_report_that_gets_no_event_of_its_own_counts(fresh: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of too many refusals one event tells; the figures have them all."""
    party = await fresh.worker(resources=(OWN_API,), scopes=(ACCESS_REPORT,), introspects=(USERS,))
    headers = {"authorization": f"Bearer {await fresh.issue(party, scope=ACCESS_REPORT)}"}
    monkeypatch.setattr(type(fresh.core.limits), "may_journal", lambda *_, **__: False)
    grew = Growth()
    body = {"api": USERS, "rejections": [rejected(reason="token_expired"), rejected(reason="token_expired")]}
    answer = await fresh.http.post("/access/rejected", json=body, headers=headers)

    assert answer.json() == {"taken": 2}
    assert grew("api_rejections_total", api=USERS, reason="token_expired") == 2
    assert grew("rejections_total", endpoint="api", reason="token_expired", client="_") == 2
    assert grew("events_committed_total", type="access.rejected") == 0


async def test_what_is_in_memory_is_a_hit(fresh: World) -> None:
    """A grant that this worker made is; a text that it never verified is not, and is from the second time on."""
    gauges = Gauges(fresh.core)
    await gauges.note()
    token = await fresh.issue(fresh.service)
    grew = Growth()
    for _ in range(3):
        assert (await fresh.introspect(token)).body["active"] is True
    hits, misses = fresh.core.tokens.hits, fresh.core.tokens.misses
    await gauges.note()

    assert (hits, misses) == (2, 1)
    assert fresh.core.grants.misses == 0
    assert grew("cache_lookups_total", cache="jwts", result="hit") >= 2
    assert grew("cache_lookups_total", cache="grants", result="hit") >= 3


async def test_size_of_a_commit_is_in_its_histogram(fresh: World) -> None:
    """Each commit is one observation of how many appends it took."""
    grew = Growth()
    await fresh.issue(fresh.service)

    assert grew("journal_commit_requests_count") == grew("journal_commits_total") >= 1
    assert grew("journal_commit_requests_sum") == grew("journal_committed_requests_total")


def test_rate_limits_are_counted_by_their_name() -> None:
    """Refusals by limit and endpoint, and those that one event tells of together."""
    metrics, grew = Metrics(), Growth()
    metrics.throttled("source", "token")
    metrics.throttled("source", "token", 4)
    metrics.summarised("source", 5)

    assert grew("throttled_total", limit="source", endpoint="token") == 5
    assert grew("refusals_summarised_total", limit="source") == 5


def test_what_tells_of_a_process_is_there() -> None:
    """The version that runs, and no more than one of it."""
    (build,) = [metric for metric in REGISTRY.collect() if metric.name == "tallystick_build_info"]
    (sample,) = build.samples
    assert (sample.value, bool(re.fullmatch(r"\d+\.\d+\.\d+\S*", sample.labels["version"]))) == (1, True)
