"""The table and the picture of `docs/performance.md`, from what was measured."""

from __future__ import annotations

import statistics
from collections import defaultdict
from html import escape
from pathlib import Path
from typing import Any

_DOCUMENT = Path(__file__).parents[1] / "docs" / "performance.md"
_PICTURE = _DOCUMENT.parent / "pictures" / "performance.svg"
_BEGIN, _END = "<!-- measured: begin -->", "<!-- measured: end -->"
_BAR, _GAP, _WIDTH, _LABEL = 16, 10, 760, 330


def write_report(result: dict[str, Any]) -> None:
    """Put it between the marks of the document, and make the picture anew."""
    before, _, rest = _DOCUMENT.read_text().partition(_BEGIN)
    _, _, after = rest.partition(_END)
    _DOCUMENT.write_text(f"{before}{_BEGIN}\n{table(result)}\n{_END}{after}")
    _PICTURE.write_text(picture(result))


def table(result: dict[str, Any]) -> str:
    """Rates and ratios, a row for each case and peer, in Markdown."""
    machine, options = result["machine"], result["options"]
    where = f"{machine['processor']}, {machine['cores']} cores, Linux {machine['kernel']}, Python {machine['python']}"
    how = f"{options['connections']} connections, {options['rounds']} rounds of {options['seconds']} s in turn"
    lines = [
        f"{where}; {how}.",
        "",
        "| case | beside | Tallystick /s | peer /s | ratio (lowest … highest) | p99 ms | peer's p99 ms |",
        "|---|---|--:|--:|--:|--:|--:|",
    ]
    for each in result["compared"]:
        name, peer = each["case"], each["peer"]
        beside = peer if name == each["beside"] else f"{peer}: {each['beside']}"
        our, their = (_median(each[side], "rate") for side in ("ours", "theirs"))
        ratios = each["ratios"]
        spread = f"{statistics.median(ratios):.2f} ({min(ratios):.2f} … {max(ratios):.2f})"
        p99 = (f"{_median(each[side], 'p99_ms'):.1f}" for side in ("ours", "theirs"))
        lines.append(f"| {name} | {beside} | {our:,.0f} | {their:,.0f} | {spread} | {' | '.join(p99)} |")
    lines += ["", *(_about(name, about) for name, about in result["peers"].items())]
    lines += [f"- **{name}** was passed over: {why}" for name, why in result["passed_over"].items()]
    return "\n".join(lines)


def _about(name: str, about: dict[str, Any]) -> str:
    return f"- **{name}** {about['version']}: {about['setting']}. It differs: {'; '.join(about['differs'])}."


def picture(result: dict[str, Any]) -> str:
    """Median rates as bars, grouped by case; SVG."""
    groups: dict[str, dict[str, float]] = defaultdict(dict)
    for each in result["compared"]:
        bars = groups[each["case"]]
        bars.setdefault("Tallystick", 0.0)
        bars["Tallystick"] = max(bars["Tallystick"], _median(each["ours"], "rate"))
        bars[each["peer"]] = _median(each["theirs"], "rate")
    most = max((rate for bars in groups.values() for rate in bars.values()), default=1.0)
    parts, y = [], _GAP
    for case, bars in groups.items():
        parts.append(f'<text x="{_GAP}" y="{y + 12}" font-weight="bold">{escape(case)}</text>')
        for name, rate in bars.items():
            width = round(rate / most * (_WIDTH - _LABEL - 90))
            colour = "#1f6feb" if name == "Tallystick" else "#9aa4b2"
            parts.append(
                f'<text x="{_LABEL - 8}" y="{y + 12}" text-anchor="end">{escape(name)}</text>'
                f'<rect x="{_LABEL}" y="{y}" width="{width}" height="{_BAR - 3}" fill="{colour}"/>'
                f'<text x="{_LABEL + width + 6}" y="{y + 12}">{rate:,.0f}/s</text>'
            )
            y += _BAR
        y += _GAP
    size = f'width="{_WIDTH}" height="{y}" font-family="sans-serif" font-size="12"'
    frame = f'<svg xmlns="http://www.w3.org/2000/svg" {size}>'
    return f'{frame}<rect width="100%" height="100%" fill="#fff"/>{"".join(parts)}</svg>\n'


def _median(measured: list[dict[str, Any]], name: str) -> float:
    return statistics.median(float(each[name]) for each in measured)
