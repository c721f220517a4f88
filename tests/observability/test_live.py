"""A Tallystick under load, a real Prometheus that scrapes it, and what dashboards and alerts get of it."""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.interop.issuing import Issuing
from tests.observability.driver import Driver, driving
from tests.observability.files import Query, alerts, queries
from tests.observability.picture import draw
from tests.observability.prometheus import Prometheus, watching
from tests.product import Product, running_product
from tests.visitor import PASSWORD

pytestmark = [pytest.mark.observability, pytest.mark.timeout(1_200)]

ACCESS = Path(__file__).with_name("access.yaml")
SETTINGS = {
    "TALLYSTICK_WEBHOOK_PRIVATE_TARGETS": "true",
    # The load comes from this machine; what floods says that it came through a proxy, from elsewhere.
    "TALLYSTICK_TRUSTED_PROXIES": "127.0.0.1",
    "TALLYSTICK_SOURCE_RATE": "1",
    "TALLYSTICK_SOURCE_BURST": "10",
    "TALLYSTICK_REFUSAL_RATE": "0.1",
    "TALLYSTICK_REFUSAL_BURST": "5",
    "TALLYSTICK_LOGIN_FAILURES_PER_SOURCE": "100000",
}
SPAN = 60
"""Seconds that are looked back."""
PATIENCE = 420.0
"""Seconds; a figure that is not there by then does not come."""

NEEDS_MORE = {
    "Certificate": "this node speaks plain HTTP",
    "Logout notices": "nobody signs out of a session here",
}
"""Panels that may have nothing to show here, each with the reason. The query is asked for all the same."""


class Watched(NamedTuple):
    """What runs together."""

    product: Product
    prometheus: Prometheus
    driver: Driver


@pytest.fixture(scope="module")
def watched() -> Iterator[Watched]:
    """All of it, for the whole file: two workers, a webhook that nobody takes, and a load until the end."""
    with (
        tempfile.TemporaryDirectory(prefix="tallystick-prometheus-") as folder,
        running_product(workers=2, access=ACCESS, env=SETTINGS) as product,
        watching(Path(folder), product.url) as prometheus,
    ):
        product.cli("account", "add", "zoe", "--password-stdin", stdin=PASSWORD)
        product.cli("webhook", "add", "siem", "http://127.0.0.1:9/", "--type", "token.reuse_detected")
        with driving(Issuing(product)) as driver:
            yield Watched(product, prometheus, driver)
        assert driver.wrong == []


def until(condition: Callable[[], object], what: Callable[[], object]) -> None:
    """Wait until something holds; `what` tells what is there instead when it never does."""
    last = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < last, what()
        time.sleep(0.5)


def without_figures(prometheus: Prometheus, asked: Iterable[Query]) -> list[Query]:
    """The queries that have nothing to show, of some. Each is asked, and must be answered."""
    return [query for query in asked if not answered(prometheus, query)]


def answered(prometheus: Prometheus, query: Query) -> bool:
    """Whether a query's answer has a figure."""
    return bool(prometheus.now(query.expr) if query.at_once else prometheus.lately(query.expr, SPAN))


def test_every_query_of_every_panel_has_figures(watched: Watched) -> None:
    """Asked as Grafana asks, with its variables replaced; then the picture, where one is wanted."""
    missing = without_figures(watched.prometheus, queries())
    assert NEEDS_MORE.keys() <= {query.panel for query in missing}

    def only_those_that_need_more() -> bool:
        missing[:] = without_figures(watched.prometheus, missing)
        return {query.panel for query in missing} <= NEEDS_MORE.keys()

    until(only_those_that_need_more, lambda: [f"{query.panel}: {query.expr}" for query in missing])
    pictures = os.environ.get("TALLYSTICK_SCREENSHOTS")
    if pictures:
        draw(watched.prometheus, Path(pictures) / "monitoring.png")


def test_figures_are_those_of_both_workers(watched: Watched) -> None:
    """Workers count together, and what they all see in the database counts once."""
    prometheus = watched.prometheus
    until(lambda: prometheus.now("tallystick_workers"), lambda: "no page")
    assert [series.values[0][1] for series in prometheus.now("tallystick_workers")] == [2]
    (memory,) = prometheus.now("tallystick_resident_memory_bytes")
    assert memory.values[0][1] > 2 * 30_000_000
    assert all(series.values[0][1] == 1 for series in prometheus.now("tallystick_readiness{part!='webhooks'}"))


def test_every_rule_is_evaluated_and_the_load_sets_some_off(watched: Watched) -> None:
    """No rule fails; what is done here sets off the one for reuse, and nothing says that the node is down."""
    prometheus = watched.prometheus

    def rules() -> dict[str, tuple[str, str]]:
        groups = prometheus.asked("rules")["groups"]
        return {
            rule["name"]: (rule["health"], rule.get("lastError", "")) for group in groups for rule in group["rules"]
        }

    names = {alert.name for alert in alerts()}
    until(lambda: rules() == dict.fromkeys(names, ("ok", "")), rules)
    until(lambda: "TallystickTokenReuse" in prometheus.firing(), prometheus.firing)
    assert not {"TallystickDown", "TallystickGone", "TallystickNotReady"} & prometheus.firing()
