"""What `deploy/` and `docs/` have for whoever watches: dashboards, alert rules, and the names in their queries."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from ruamel.yaml import YAML

from tests.endpoints.test_metrics import documented

ROOT = Path(__file__).parents[2]
PROMETHEUS = ROOT / "deploy/prometheus"
DASHBOARDS, PROVISIONING = ROOT / "deploy/grafana/dashboards", ROOT / "deploy/grafana/provisioning"
_NAME = re.compile(r"\btallystick_[a-z_]+")
_SUFFIXES = ("_bucket", "_sum", "_count")


class Query(NamedTuple):
    """A query of a panel. `at_once` is one that is asked for now, and not for a span of time."""

    dashboard: str
    panel: str
    expr: str
    legend: str
    at_once: bool


class Alert(NamedTuple):
    """An alert rule."""

    name: str
    expr: str
    labels: dict[str, str]
    annotations: dict[str, str]


def read_yaml(path: Path) -> Any:
    """What a file of YAML holds."""
    return YAML(typ="safe", pure=True).load(path.read_text())


def dashboards() -> list[dict[str, Any]]:
    """All dashboards."""
    return [json.loads(path.read_text()) for path in sorted(DASHBOARDS.glob("*.json"))]


def panels(dashboard: dict[str, Any]) -> list[dict[str, Any]]:
    """The panels that show something."""
    return [panel for panel in dashboard["panels"] if panel["type"] != "row"]


def queries() -> Iterator[Query]:
    """Every query of every panel."""
    for dashboard in dashboards():
        for panel in panels(dashboard):
            for target in panel["targets"]:
                at_once = bool(target.get("instant"))
                yield Query(dashboard["title"], panel["title"], target["expr"], target["legendFormat"], at_once)


def alerts() -> list[Alert]:
    """Every alert rule."""
    return [
        Alert(rule["alert"], rule["expr"], rule["labels"], rule["annotations"])
        for group in read_yaml(PROMETHEUS / "alerts.yml")["groups"]
        for rule in group["rules"]
    ]


def unknown_names(expr: str) -> list[str]:
    """The metrics of a query that docs/metrics.md does not have."""
    known = set()
    for name, (kind, _) in documented().items():
        known |= {name + suffix for suffix in _SUFFIXES} if kind == "histogram" else {name}
    return [name for name in _NAME.findall(expr) if name not in known]
