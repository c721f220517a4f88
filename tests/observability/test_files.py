"""Dashboards and alert rules name what there is, and say what they show."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from tests.observability.files import (
    PROMETHEUS,
    PROVISIONING,
    ROOT,
    alerts,
    dashboards,
    panels,
    queries,
    read_yaml,
    unknown_names,
)

_HEADING = re.compile(r"^#+ (.+)$", re.MULTILINE)
_VARIABLE = re.compile(r"\$\{?(\w+)\}?")
_KNOWN_VARIABLES = {"instance", "__rate_interval", "__range"}
DASHBOARDS = dashboards()


def test_every_metric_in_a_query_is_documented() -> None:
    """No panel and no alert asks for a name that docs/metrics.md does not have."""
    asked = [*((query.panel, query.expr) for query in queries()), *((alert.name, alert.expr) for alert in alerts())]
    assert {name: unknown for name, expr in asked if (unknown := unknown_names(expr))} == {}


@pytest.mark.parametrize("dashboard", DASHBOARDS, ids=lambda each: str(each["uid"]))
def test_every_panel_says_what_it_shows(dashboard: dict[str, Any]) -> None:
    """A title that no other has, a description, a unit, the chosen data source, and queries of chosen nodes alone."""
    shown = panels(dashboard)
    titles = [panel["title"] for panel in shown]
    assert len(set(titles)) == len(titles)
    for panel in shown:
        assert panel["description"].endswith("."), panel["title"]
        assert panel["fieldConfig"]["defaults"]["unit"], panel["title"]
        assert panel["datasource"] == {"type": "prometheus", "uid": "${datasource}"}
        for target in panel["targets"]:
            assert target["datasource"] == panel["datasource"]
            assert set(_VARIABLE.findall(target["expr"])) <= _KNOWN_VARIABLES
            assert 'instance=~"$instance"' in target["expr"] or "ALERTS" in target["expr"], target["expr"]


@pytest.mark.parametrize("dashboard", DASHBOARDS, ids=lambda each: str(each["uid"]))
def test_panels_have_places_and_numbers_of_their_own(dashboard: dict[str, Any]) -> None:
    """None lies over another or beyond the 24 columns, and no two have one id."""
    every = dashboard["panels"]
    assert len({panel["id"] for panel in every}) == len(every)
    taken: set[tuple[int, int]] = set()
    for panel in every:
        place = panel["gridPos"]
        cells = {
            (x, y)
            for x in range(place["x"], place["x"] + place["w"])
            for y in range(place["y"], place["y"] + place["h"])
        }
        assert max(x for x, _ in cells) < 24
        assert not cells & taken, panel["title"]
        taken |= cells


def test_every_alert_tells_what_to_do() -> None:
    """A severity, a summary, a description, and a section of docs/monitoring.md of its own."""
    sections = {heading.lower() for heading in _HEADING.findall((ROOT / "docs/monitoring.md").read_text())}
    for alert in alerts():
        assert alert.labels["severity"] in {"warning", "critical"}
        assert alert.annotations.keys() == {"summary", "description", "runbook"}
        assert alert.annotations["runbook"] == f"docs/monitoring.md#{alert.name.lower()}"
        assert alert.name.lower() in sections
    told = {heading for heading in sections if heading.startswith("tallystick")}
    assert told == {alert.name.lower() for alert in alerts()}


def test_containers_are_given_files_that_are_there() -> None:
    """What compose.yaml mounts into Prometheus and Grafana exists, and lies where they look for it."""
    services = read_yaml(ROOT / "compose.yaml")["services"]
    mounts: dict[str, Path] = {}
    for name in ("prometheus", "grafana"):
        assert services[name]["profiles"] == ["monitoring"]
        for volume in services[name]["volumes"]:
            here, _, there = volume.removesuffix(":ro").partition(":")
            mounts[there] = ROOT / here
    here = {there: path for there, path in mounts.items() if there != "/prometheus"}
    assert [path for path in here.values() if not path.exists()] == []

    assert f"--config.file={_at(mounts, PROMETHEUS / 'prometheus.yml')}" in services["prometheus"]["command"]
    (provider,) = read_yaml(PROVISIONING / "dashboards/tallystick.yml")["providers"]
    assert mounts[provider["options"]["path"]] == ROOT / "deploy/grafana/dashboards"
    assert mounts["/etc/grafana/provisioning"] == PROVISIONING
    (source,) = read_yaml(PROVISIONING / "datasources/prometheus.yml")["datasources"]
    interval = read_yaml(PROMETHEUS / "prometheus.yml")["global"]["scrape_interval"]
    assert (source["url"], source["jsonData"]["timeInterval"]) == ("http://prometheus:9090", interval)


def _at(mounts: dict[str, Path], file: Path) -> str:
    (there,) = [there for there, path in mounts.items() if path == file]
    return there


def test_every_alert_is_seen_to_fire_and_not_to() -> None:
    """deploy/prometheus/alerts_test.yml has both for each rule; `make observability` runs it."""
    text = (PROMETHEUS / "alerts_test.yml").read_text()
    for alert in alerts():
        firing = re.findall(
            rf'ALERTS{{alertname="{alert.name}", alertstate="firing"}}\n\s+eval_time: \S+\n\s+exp_samples:(.*)', text
        )
        assert "" in firing, f"{alert.name} is never seen to fire"
        assert " []" in firing, f"{alert.name} is never seen not to fire"
