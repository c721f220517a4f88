from __future__ import annotations

from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest

from benchmarks import report


def measured(rate: float) -> dict[str, Any]:
    """One round."""
    return {"rate": rate, "p99_ms": 12.34}


RESULT: dict[str, Any] = {
    "machine": {"processor": "a <processor>", "cores": 2, "kernel": "6.1", "python": "3.13.5"},
    "options": {"connections": 64, "rounds": 3, "seconds": 6},
    "peers": {"node & co": {"version": "9.1", "setting": "in memory", "differs": ["nothing is durable"]}},
    "passed_over": {"other": "it cannot be had here"},
    "compared": [
        {
            "case": "/verify, hot",
            "peer": "node & co",
            "beside": "introspection, hot",
            "ours": [measured(9_000.0), measured(10_000.0), measured(11_000.0)],
            "theirs": [measured(4_500.0), measured(2_500.0), measured(5_500.0)],
            "ratios": [2.0, 4.0, 2.0],
        }
    ],
}


def test_a_case_is_a_row_with_its_ratio_and_its_spread() -> None:
    """Medians of both; which case of the peer it is beside, where that is another; what differs; who is missing."""
    text = report.table(RESULT)
    row = "| /verify, hot | node & co: introspection, hot | 10,000 | 4,500 | 2.00 (2.00 … 4.00) | 12.3 | 12.3 |"
    assert row in text.splitlines()
    assert "- **node & co** 9.1: in memory. It differs: nothing is durable." in text
    assert "- **other** was passed over: it cannot be had here" in text


def test_the_picture_has_a_bar_for_each() -> None:
    """It is well-formed whatever names there are, and the longest bar is the fastest."""
    drawn = ET.fromstring(report.picture(RESULT))  # noqa: S314 it is our own
    bars = drawn.findall("{http://www.w3.org/2000/svg}rect")[1:]
    ours, theirs = (int(bar.attrib["width"]) for bar in bars)
    assert ours > theirs > 0


def test_the_document_keeps_all_but_what_was_measured(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What stands between the marks is replaced, every time."""
    document, picture = tmp_path / "performance.md", tmp_path / "performance.svg"
    document.write_text("before\n<!-- measured: begin -->\nold\n<!-- measured: end -->\nafter\n")
    monkeypatch.setattr(report, "_DOCUMENT", document)
    monkeypatch.setattr(report, "_PICTURE", picture)
    for _ in range(2):
        report.write_report(RESULT)
        text = document.read_text()
        assert text.startswith("before\n")
        assert text.endswith("\nafter\n")
        assert "old" not in text
        assert text.count("/verify, hot") == 1
    assert picture.read_text().startswith("<svg")
