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
    """Rates and ratios, a row for each case and peer, then times at half load; in Markdown."""
    machine, options = result["machine"], result["options"]
    where = f"{machine['processor']}, {machine['cores']} cores, Linux {machine['kernel']}, Python {machine['python']}"
    how = f"{options['connections']} connections, {options['rounds']} rounds of {options['seconds']} s in turn"
    lines = [
        f"{where}; {how}.",
        "",
        "| case | beside | Tallystick /s | peer /s | ratio (lowest … highest) | p99 ms | peer's p99 ms |",
        "|---|---|--:|--:|--:|--:|--:|",
        *(_at_full_load(each) for each in result["compared"] if not each["half"]),
    ]
    half = [_at_half_load(each) for each in result["compared"] if each["half"]]
    if half:
        lines += [
            "",
            "At half load:",
            "",
            "| case | beside | Tallystick /s | peer /s | p50 ms | p99 ms | peer's p50 ms | peer's p99 ms |",
            "|---|---|--:|--:|--:|--:|--:|--:|",
            *half,
        ]
    lines += ["", *(_about(name, about) for name, about in result["peers"].items())]
    lines += [f"- **{name}** was passed over: {why}" for name, why in result["passed_over"].items()]
    return "\n".join(lines)


def _at_full_load(each: dict[str, Any]) -> str:
    ours, theirs, ratios = each["ours"], each["theirs"], each["ratios"]
    first = f"| {each['case']} | {_beside(each)} | {_median(ours, 'rate'):,.0f} |"
    if not theirs:
        return f"{first} | | {_median(ours, 'p99_ms'):.1f} | |"
    spread = f"{statistics.median(ratios):.2f} ({min(ratios):.2f} … {max(ratios):.2f})"
    p99 = (f"{_median(side, 'p99_ms'):.1f}" for side in (ours, theirs))
    return f"{first} {_median(theirs, 'rate'):,.0f} | {spread} | {' | '.join(p99)} |"


def _at_half_load(each: dict[str, Any]) -> str:
    ours, theirs = each["ours"], each["theirs"]
    rates = [f"{_median(side, 'rate'):,.0f}" if side else "" for side in (ours, theirs)]
    times = [f"{_median(side, at):.1f}" if side else "" for side in (ours, theirs) for at in ("p50_ms", "p99_ms")]
    return f"| {each['case']} | {_beside(each)} | {' | '.join([*rates, *times])} |"


def _beside(each: dict[str, Any]) -> str:
    """Which peer, and what it was asked where that is another case."""
    if not each["peer"]:
        return "alone"
    return str(each["peer"] if each["case"] == each["beside"] else f"{each['peer']}: {each['beside']}")


def _about(name: str, about: dict[str, Any]) -> str:
    return f"- **{name}** {about['version']}: {about['setting']}. It differs: {'; '.join(about['differs'])}."


def picture(result: dict[str, Any]) -> str:
    """Median rates at full load as bars, grouped by case; SVG."""
    groups: dict[str, dict[str, float]] = defaultdict(dict)
    for each in (each for each in result["compared"] if not each["half"]):
        bars = groups[each["case"]]
        bars.setdefault("Tallystick", 0.0)
        bars["Tallystick"] = max(bars["Tallystick"], _median(each["ours"], "rate"))
        if each["theirs"]:
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
