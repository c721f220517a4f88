from __future__ import annotations

import json

import msgspec
import pytest

from service.doctor.finding import Check, Group, Unseen, listed, spell
from service.doctor.gather import GROUPS
from tests.doctor.cases import CASES
from tests.doctor.healthy import Case


@pytest.mark.parametrize("case", CASES.values(), ids=CASES.keys())
def test_a_fault_is_found_and_nothing_else(case: Case) -> None:
    """Each row's facts give the findings that it names, with their severity; all else is well."""
    seen = case.seen()

    assert {(finding.id, finding.severity) for finding in seen} == case.found
    assert case.says in "\n".join(finding.found for finding in seen)


@pytest.mark.parametrize("case", CASES.values(), ids=CASES.keys())
def test_every_check_is_told_of_each_time(case: Case) -> None:
    """Whatever is found, each check of the group has a finding, the worst are first, and no place is left unfilled."""
    findings = case.group.findings(case.facts)
    order = ["fail", "warn", "unknown", "info", "ok"]

    assert {finding.id for finding in findings} == {check.id for check in case.group.checks}
    assert [order.index(each.severity) for each in findings] == sorted(order.index(each.severity) for each in findings)
    assert {finding.group for finding in findings} == {case.group.name}
    assert not [finding for finding in findings if "{" in finding.mend + finding.found]


def test_every_severity_of_every_check_has_a_row() -> None:
    """No check is without a fault that shows it, in each severity that it is told to have."""
    shown = {found for case in CASES.values() for found in case.found}
    told = {(check.id, severity) for group in GROUPS for check in group.checks for severity in check.severities}

    assert told - shown == set()


def test_checks_are_told_apart_and_say_why_and_how() -> None:
    """Ids are unique and readable, and each check has a sentence for each of its parts."""
    checks = [check for group in GROUPS for check in group.checks]

    assert len({check.id for check in checks}) == len(checks)
    assert len({group.name for group in GROUPS}) == len(GROUPS)
    for check in checks:
        assert check.id.replace("-", "").isalnum()
        assert check.id == check.id.lower()
        assert check.good
        assert check.why.endswith(".")
        assert check.mend


CHECK = Check("a-b", ("warn", "fail"), "good", "Why.", "set {name} of {client}")


def test_a_check_may_not_find_what_it_is_not_told_to() -> None:
    """A severity that the documents do not name cannot be given."""
    with pytest.raises(ValueError, match="a-b is not told to be info"):
        CHECK.found("bad", severity="info")


def test_a_finding_fills_in_how_to_mend_it() -> None:
    """Names take their places, whatever characters they have; elsewhere the place is told in capitals."""
    assert CHECK.found("bad", client="x", name="{client}").mend == "set {client} of x"
    assert CHECK.found("bad", client="web", name="y").mend == "set y of web"
    assert CHECK.well.mend == "set NAME of CLIENT"
    assert CHECK.unseen("dark", "look").mend == "look"


def test_without_facts_nothing_is_called_well() -> None:
    """What could not be seen is unknown, but for the check that says so."""
    other = CHECK._replace(id="c")
    group = Group("g", (CHECK, other), lambda _: (), missing=other)

    found = group.findings(Unseen("dark"))

    assert [(each.id, each.severity, each.found) for each in found] == [
        ("c", "warn", "dark"),
        ("a-b", "unknown", "dark"),
    ]


def test_a_finding_is_json() -> None:
    """Programs get an object of plain fields."""
    assert json.loads(msgspec.json.encode(CHECK.found("bad", "web", client="web", name="x"))) == {
        "id": "a-b",
        "group": "",
        "severity": "warn",
        "found": "bad",
        "why": "Why.",
        "mend": "set x of web",
        "subjects": ["web"],
    }


def test_words() -> None:
    """Long lists are cut with their number told, and times are in a unit that people read."""
    assert listed("hgfedcba") == "a, b, c, d, e and 3 more"
    assert [spell(each) for each in (90, 600, 7_200, 172_800, 2_592_000)] == [
        "90 s",
        "10 min",
        "2 h",
        "2 days",
        "30 days",
    ]
