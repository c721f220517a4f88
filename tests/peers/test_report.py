from __future__ import annotations

from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest

from benchmarks import report


def measured(rate: float) -> dict[str, Any]:
    """One round."""
    return {"rate": rate, "p50_ms": 1.25, "p99_ms": 12.34}


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
            "half": False,
        },
        {
            "case": "issuance",
            "peer": "node & co",
            "beside": "issuance",
            "ours": [measured(500.0)],
            "theirs": [measured(250.0)],
            "ratios": [2.0],
            "half": True,
        },
        {
            "case": "introspection, cold",
            "peer": "",
            "beside": "",
            "ours": [measured(700.0)],
            "theirs": [],
            "ratios": [],
            "half": False,
        },
    ],
}


def test_a_case_is_a_row_with_its_ratio_and_its_spread() -> None:
    """Medians of both; which case of the peer it is beside, where that is another; what differs; who is missing."""
    text = report.table(RESULT)
    row = "| /verify, hot | node & co: introspection, hot | 10,000 | 4,500 | 2.00 (2.00 … 4.00) | 12.3 | 12.3 |"
    assert row in text.splitlines()
    assert "- **node & co** 9.1: in memory. It differs: nothing is durable." in text
    assert "- **other** was passed over: it cannot be had here" in text


def test_a_case_that_no_peer_has_is_a_row_of_its_own() -> None:
    """With what it did, and nothing beside it."""
    assert "| introspection, cold | alone | 700 | | | 12.3 | |" in report.table(RESULT).splitlines()


def test_half_load_is_told_apart() -> None:
    """With what was asked of each side, and its times; the row is not among those of full load."""
    full, _, half = report.table(RESULT).partition("At half load:")
    assert "| issuance | node & co | 500 | 250 | 1.2 | 12.3 | 1.2 | 12.3 |" in half.splitlines()
    assert "issuance" not in full


def test_the_picture_has_a_bar_for_each() -> None:
    """It is well-formed whatever names there are, and the longest bar is the fastest; half load is not in it."""
    drawn = ET.fromstring(report.picture(RESULT))  # noqa: S314 it is our own
    bars = drawn.findall("{http://www.w3.org/2000/svg}rect")[1:]
    ours, theirs, alone = (int(bar.attrib["width"]) for bar in bars)
    assert ours > theirs > alone > 0


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
        assert "\nold\n" not in text
        assert text.count("/verify, hot") == 1
    assert picture.read_text().startswith("<svg")
