"""Draws what a Prometheus answers to the queries of some panels: the picture of docs/monitoring.md.

TALLYSTICK_SCREENSHOTS=docs/pictures make observability ARGS="-k every_query"
"""

from __future__ import annotations

from collections.abc import Callable
from html import escape
from pathlib import Path
from typing import Any, NamedTuple

from playwright.sync_api import sync_playwright

from tests.browsers.chromium import launch
from tests.observability.files import dashboards, panels
from tests.observability.prometheus import Prometheus, Series

SHOWN = {
    "Tallystick: overview": (
        *("Requests by endpoint", "Time to answer", "Events committed"),
        *("Tokens issued", "Refreshes", "Introspections"),
    ),
    "Tallystick: security": ("By reason", "Findings by severity", "Refused by rate limits"),
    "Tallystick: internals": ("Time of a commit", "Events behind", "Cache hits"),
}
_SECONDS, _WIDTH, _HEIGHT, _LEFT = 60, 304, 136, 50
_COLOURS = (
    "#73bf69",
    "#f2cc0c",
    "#5794f2",
    "#ff9830",
    "#f2495c",
    "#b877d9",
    "#8ab8ff",
    "#c8f2c2",
    "#ffcb7d",
    "#96d98d",
)
_PAGE = """<!doctype html><meta charset=utf-8><style>
body{{margin:0;padding:14px;background:#111217;color:#ccccdc;font:12px sans-serif;width:980px}}
h2{{font:600 14px sans-serif;margin:10px 2px 6px}} .row{{display:flex;flex-wrap:wrap;gap:8px}}
.panel{{background:#181b1f;border:1px solid #2c3235;border-radius:3px;padding:8px;width:302px}}
h3{{font:600 12px sans-serif;margin:0 0 4px}} text{{fill:#9a9ca6;font:10px sans-serif}}
.legend{{height:30px;overflow:hidden;line-height:15px}} .legend span{{white-space:nowrap;margin-right:9px}}
.legend i{{display:inline-block;width:10px;height:3px;margin-right:4px;vertical-align:middle}}
</style>{}"""


class Line(NamedTuple):
    """One line of a chart, by its name in the legend."""

    name: str
    values: list[tuple[float, float]]


def draw(prometheus: Prometheus, file: Path) -> None:
    """Write the picture, by Chromium."""
    by_title = {each["title"]: each for each in dashboards()}
    html = _PAGE.format("".join(_dashboard(prometheus, by_title[title]) for title in SHOWN))
    file.parent.mkdir(parents=True, exist_ok=True)
    with sync_playwright() as playwright:
        browser = launch(playwright)
        page = browser.new_page(viewport={"width": 1008, "height": 400})
        page.set_content(html)
        page.screenshot(path=file, full_page=True)
        browser.close()


def _dashboard(prometheus: Prometheus, dashboard: dict[str, Any]) -> str:
    by_title = {panel["title"]: panel for panel in panels(dashboard)}
    shown = [_panel(prometheus, by_title[title]) for title in SHOWN[dashboard["title"]]]
    return f"<h2>{escape(dashboard['title'])}</h2><div class=row>{''.join(shown)}</div>"


def _panel(prometheus: Prometheus, panel: dict[str, Any]) -> str:
    lines = [
        Line(_name(target["legendFormat"], series), series.values)
        for target in panel["targets"]
        for series in prometheus.lately(target["expr"], _SECONDS)
    ]
    lines.sort(key=lambda line: -line.values[-1][1])
    unit = _UNITS[panel["fieldConfig"]["defaults"]["unit"]]
    colours = dict(zip([line.name for line in lines], _COLOURS * 3, strict=False))
    legend = "".join(
        f"<span><i style='background:{colours[line.name]}'></i>{escape(line.name)} {unit(line.values[-1][1])}</span>"
        for line in lines
    )
    chart = _chart(lines, colours, unit, panel["fieldConfig"]["defaults"].get("max"))
    return f"<div class=panel><h3>{escape(panel['title'])}</h3>{chart}<div class=legend>{legend}</div></div>"


def _chart(lines: list[Line], colours: dict[str, str], unit: Callable[[float], str], most: float | None) -> str:
    top = most or max(value for line in lines for _, value in line.values) * 1.1 or 1.0
    last = max(at for line in lines for at, _ in line.values)

    def point(at: float, value: float) -> str:
        x = _LEFT + (_WIDTH - _LEFT - 4) * (1 - (last - at) / _SECONDS)
        return f"{x:.1f},{_HEIGHT - 17 - (_HEIGHT - 27) * value / top:.1f}"

    grid = "".join(
        f"<line x1={_LEFT} x2={_WIDTH} y1={y} y2={y} stroke='#2c3235'/><text x={_LEFT - 4} y={y + 3} "
        f"text-anchor=end>{unit(top * part)}</text>"
        for part in (0.0, 0.5, 1.0)
        for y in (_HEIGHT - 17 - (_HEIGHT - 27) * part,)
    )
    times = "".join(
        f"<text x={x} y={_HEIGHT - 3} text-anchor={anchor}>{text}</text>"
        for x, anchor, text in ((_LEFT, "start", "60 s ago"), (_WIDTH - 4, "end", "now"))
    )
    drawn = "".join(
        f"<polyline fill=none stroke='{colours[line.name]}' stroke-width=1.5 "
        f"points='{' '.join(point(at, value) for at, value in line.values)}'/>"
        for line in lines
    )
    return f"<svg width={_WIDTH} height={_HEIGHT}>{grid}{times}{drawn}</svg>"


def _name(legend: str, series: Series) -> str:
    for label, value in series.labels.items():
        legend = legend.replace(f"{{{{{label}}}}}", value)
    return legend


def _seconds(value: float) -> str:
    return f"{value * 1_000:.3g} ms" if value < 1 else f"{value:.3g} s"


_UNITS: dict[str, Callable[[float], str]] = {
    "s": _seconds,
    "reqps": lambda value: f"{value:.3g}/s",
    "ops": lambda value: f"{value:.3g}/s",
    "percentunit": lambda value: f"{value:.0%}",
    "short": lambda value: f"{value:.3g}",
    "bytes": lambda value: f"{value / 1_048_576:.0f} MiB",
}
