"""The table of rules in docs/anomalies.md says what the code does."""

from __future__ import annotations

import inspect
import re

import pytest

from consumers.anomalies.contract import Rule
from tests.anomalies.rules.history import rules, signals
from tests.anomalies.rules.stories import ATTACKS
from tests.docs.test_docs import ROOT

_ROW = re.compile(r"^\| `([a-z_]+)` \| (.+?) \| ([a-z, ]+) \| (T[0-9.]+) \| ([a-z, ]*?) ?\|$", re.MULTILINE)
_SEVERITY = re.compile(r'"(low|medium|high|critical)"')
ROWS = {row[0]: row[1:] for row in _ROW.findall((ROOT / "docs" / "anomalies.md").read_text())}


def _words(cell: str) -> set[str]:
    return set(filter(None, cell.split(", ")))


def _severities(rule: Rule) -> set[str]:
    """Those that the classes of a rule name."""
    own = [kind for kind in type(rule).__mro__ if kind.__module__.startswith("consumers.anomalies.rules.")]
    return {severity for kind in own for severity in _SEVERITY.findall(inspect.getsource(kind))}


def test_every_rule_has_a_row() -> None:
    """The rules of the document are those of the code, in its order, each with its technique."""
    assert [(name, rule.technique) for name, rule in rules().items()] == [(name, row[2]) for name, row in ROWS.items()]


@pytest.mark.parametrize("name", rules())
def test_a_rules_severities_are_its_own(name: str) -> None:
    """A row names the severities that the rule has."""
    assert _severities(rules()[name]) == _words(ROWS[name][1])


@pytest.mark.parametrize("name", rules())
def test_what_a_finding_names_is_what_its_row_says(name: str) -> None:
    """The clients, grants and subjects that a rule names in its attacks, which a response acts on."""
    found = [signal for story in ATTACKS[name] for signal in signals(name, story())]
    named = {"client": "client_id", "grant": "grant_id", "subject": "subject"}

    assert {word for word, field in named.items() if any(getattr(each, field) for each in found)} == _words(
        ROWS[name][3]
    )
