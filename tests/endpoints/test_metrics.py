from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from prometheus_client import Metric
from prometheus_client.metrics import MetricWrapperBase
from prometheus_client.parser import text_string_to_metric_families

from schema.events import EVENT_TYPES
from service.grants import SUPPORTED_GRANTS
from service.telemetry import metrics
from tests.endpoints.reasons import ROOT, documented_reasons
from tests.endpoints.world import INTROSPECT, REVOKE, TOKEN, World, basic

pytestmark = pytest.mark.asyncio(loop_scope="session")

GRANT = {"grant_type": "client_credentials"}
_OWN = "tallystick_"
_LOOKED_AT = tuple(_OWN + name for name in ("fold_", "readiness", "anomal", "webhook_", "cache_", "build_"))


def families(text: str) -> Iterator[Metric]:
    """Our own metrics of a page."""
    return (family for family in text_string_to_metric_families(text) if family.name.startswith(_OWN))


_REVOKED_FOR = {
    "client_request",
    "consent_withdrawn",
    "session_ended",
    "taken_back_meanwhile",
    "operator",
    "test",  # of tests in the same process
}
_KNOWN = {
    "endpoint": "[a-z_]{1,32}",
    "status": r"[2-5]\d\d",
    "active": "true|false",
    "delivered": "true|false",
    "done": "true|false",
    "method": "pwd|otp|recovery|passkey",
    "outcome": "passed|failed|throttled",
    "client": "[A-Za-z0-9_-]{1,64}",
    "name": "[a-z0-9-]{1,64}",
    "kind": "token|grant|refresh_token|authorization_code|device_code",
    "use": "rotated|kept|retry",
    "cache": "grants|sessions|jwts",
    "result": "hit|miss",
    "part": "journal|feed|keys|relay|projections|anomalies|webhooks",
    "rule": "[a-z_]{1,32}",
    "severity": "low|medium|high|critical",
    "told": "detected|extended",
    "response": "revoke_grant|disable_client|require_sign_in",
    "api": r"https://\S+",
    "limit": "[a-z_]{1,32}",
    "version": r"\d+\.\d+\.\d+\S*",
}


async def scrape(world: World) -> httpx.Response:
    """The page."""
    response = await world.http.get("/metrics")
    assert response.status_code == 200
    return response


async def series(world: World) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    """Every sample by its name and labels."""
    text = (await scrape(world)).text
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in families(text)
        for sample in family.samples
    }


async def test_page_is_prometheus_text(world: World) -> None:
    """Prometheus' own parser reads the page, and it says once what it is."""
    response = await scrape(world)
    assert len(response.headers.get_list("content-type")) == 1
    assert response.headers["content-type"].startswith("text/plain; version=")
    assert {"tallystick_journal_head", "tallystick_tokens_issued"} <= {each.name for each in families(response.text)}


async def test_each_step_is_counted(world: World) -> None:
    """An issuance, an introspection of either kind, a revocation and a refusal each count once, under the client."""
    party, api = await world.worker(), await world.introspector("https://users.example.com")
    before = await series(world)
    token = await world.issue(party)
    await world.introspect(token, api)
    await world.revoke(token, party)
    await world.introspect(token, api)
    await world.call(TOKEN, GRANT | {"scope": "nothing"}, headers=party.basic)
    after = await series(world)

    def grew(name: str, **labels: str) -> float:
        key = (_OWN + name, tuple(sorted(labels.items())))
        return after[key] - before.get(key, 0.0)

    client = party.client_id
    assert grew("tokens_issued_total", grant_type="client_credentials", client=client) == 1
    assert grew("tokens_revoked_total", client=client) == 1
    assert grew("introspections_total", active="true", client=api.client_id) == 1
    assert grew("introspections_total", active="false", client=api.client_id) == 1
    assert grew("rejections_total", endpoint="introspect", reason="token_revoked", client=api.client_id) == 1
    assert grew("rejections_total", endpoint="token", reason="scope_not_allowed", client=client) == 1
    assert grew("request_seconds_count", endpoint="introspect", status="200") == 2
    assert grew("request_seconds_count", endpoint="token", status="400") == 1


async def test_callers_cannot_make_series(world: World) -> None:
    """A thousand made-up client ids, tokens, paths and agents add nothing to what one of them adds."""

    async def knock(name: str) -> None:
        headers = {"user-agent": name}
        await world.http.post(TOKEN, data=GRANT, headers=basic(name, name) | headers)
        await world.http.post(TOKEN, data={"client_id": name, "grant_type": name}, headers=headers)
        await world.http.post(REVOKE, data={"token": name}, headers=world.service.basic)
        await world.http.post(INTROSPECT, data={"token": name, "token_type_hint": name}, headers=world.api.basic)

    async def callers() -> set[str]:
        # What is looked at once a second has series of its own, whoever calls.
        return {f"{name}{labels}" for name, labels in await series(world) if not name.startswith(_LOOKED_AT)}

    await knock("first")
    before = await callers()
    for number in range(250):
        await knock(f"made-up-{number}")
    assert before == await callers()


async def test_labels_have_known_values(world: World) -> None:
    """Every label value is an endpoint, a reason, a status, a grant type, a way to sign in, or a registered client."""
    for name, labels in await series(world):
        for label, value in labels:
            assert _is_known(label, value), (name, label, value)


def _is_known(label: str, value: str) -> bool:
    match label:
        case "reason":
            return value in documented_reasons() or value in _REVOKED_FOR
        case "type":
            return value in EVENT_TYPES
        case "grant_type":
            return value in SUPPORTED_GRANTS
        case "le":
            return True
    return re.fullmatch(_KNOWN[label], value) is not None


def coded() -> dict[str, tuple[str, tuple[str, ...]]]:
    """Name, type and labels of every metric in the code."""
    own = [each for each in vars(metrics).values() if isinstance(each, MetricWrapperBase)]
    return {
        each._name + ("_total" if each._type == "counter" else ""): (str(each._type), tuple(each._labelnames))
        for each in own
    }


def documented() -> dict[str, tuple[str, tuple[str, ...]]]:
    """The table of docs/metrics.md."""
    rows = {}
    for line in Path(ROOT / "docs/metrics.md").read_text().splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if len(cells) == 4 and cells[0].startswith("`"):
            labels = tuple(cells[2].replace("`", "").split(", ")) if cells[2] else ()
            rows[cells[0].strip("`")] = (cells[1], labels)
            assert cells[3].endswith(".")
    return rows


async def test_metrics_are_documented() -> None:
    """docs/metrics.md has exactly the metrics of the code, with type and labels, and each is on the page."""
    assert coded() == documented()
    page = {family.name: family.type for family in families(metrics.exposition().decode())}
    assert {name.removesuffix("_total"): kind for name, (kind, _) in coded().items()} == page
