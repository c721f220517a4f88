from __future__ import annotations

from uuid import UUID

import pytest

from benchmarks.detection.attacks.plan import ATTACKS
from benchmarks.detection.countries import write_table
from benchmarks.detection.judge import Outcome
from benchmarks.detection.labels import Label
from benchmarks.detection.match import Found, begun, first_said, match
from benchmarks.detection.report import write_between
from benchmarks.detection.rightly import OWN, rightly
from benchmarks.detection.score import score
from consumers.anomalies.countries import Countries
from consumers.anomalies.findings import Told
from consumers.anomalies.rule import all_rules
from consumers.anomalies.thresholds import Thresholds
from schema.events import AnomalyDetected
from tests.detection.small import SMALL

CLIENT = "billing-worker"


def label(kind: str = "client_secret_guessing", *, first: int = 100, client: str = CLIENT) -> Label:
    """An attack of ten events, a second each."""
    made = Label(kind, "strong", 1)
    made.clients.add(client)
    made.sources.add("192.0.2.7")
    made.subjects.add("s1")
    made.grants.add("g1")
    for index in range(10):
        made.note(first + index, 1_000.0 + index)
    return made


def found(rule: str, about: str, *evidence: int, at: float = 1_005.0) -> Found:
    """A finding told once, at a moment."""
    event = AnomalyDetected(
        rule=rule,
        severity="high",
        technique="T1110",
        about=about,
        summary="It happened.",
        first_at=int(at),
        last_at=int(at),
        count=1,
        evidence=evidence,
        client_id=about.removeprefix("client ") if about.startswith("client ") else None,
    )
    told = Told(UUID(int=1), 1, event, evidence[-1])
    made = begun(told)
    made.grow(told, at)
    return made


def test_a_finding_with_evidence_of_the_attack_is_true() -> None:
    """Whatever it says that it is about."""
    attack = label()
    matched = match([found("client_secret_guessing", f"client {CLIENT}", 105)], [attack])
    assert ([attack], []) == (matched.true[0][1], matched.false)


@pytest.mark.parametrize("about", ["source 192.0.2.7", "source 192.0.2.0/24"])
def test_a_finding_about_the_attacker_at_that_time_is_true(about: str) -> None:
    """Though its evidence was not the attacker's own event; but the attack is not found by that."""
    attack = label()
    matched = match([found("client_secret_guessing", about, 7)], [attack])
    assert matched.false == []
    assert matched.of(attack) == []


@pytest.mark.parametrize(
    "false",
    [
        found("new_scope", f"client {CLIENT}", 105),
        found("client_secret_guessing", f"client {CLIENT}", 50),
        found("client_secret_guessing", "source 198.51.100.9", 50),
        found("client_secret_guessing", "source 192.0.2.7", 50, at=90_000.0),
        found("client_secret_guessing", "sign-in", 50),
    ],
    ids=["another rule", "another event of the client", "another source", "long after", "no single thing"],
)
def test_other_findings_are_false(false: Found) -> None:
    """A rule that has no business there, other events of the client, another source, another time."""
    assert [false] == match([false], [label()]).false


def test_two_findings_of_one_attack_are_both_true() -> None:
    """A duplicate is no false alarm, and the attack counts once."""
    attack = label()
    both = [found("client_secret_guessing", f"client {CLIENT}", 104), found("slow_guessing", "source 192.0.2.7", 109)]
    matched = match(both, [attack])
    assert both == matched.of(attack)
    outcome = Outcome(1, SMALL, 1_000, 10, [attack, label(first=500)], matched, 1.0, 1.0)
    scored = score([outcome])
    assert str(scored.kinds["client_secret_guessing"].recall["strong"]) == "0.50 (1/2)"
    assert scored.precision == 1.0


def test_false_findings_are_counted_by_client_and_month() -> None:
    """The worst client is named, and those are counted that have more than one."""
    false = [*[found("new_scope", "client x", 1)] * 3, *[found("new_scope", "client y", 1)] * 2]
    one = found("new_scope", "client z", 1)
    outcome = Outcome(1, SMALL._replace(days=45), 1_000, 10, [], match([*false, one], []), 1.0, 1.0)
    scored = score([outcome])
    assert pytest.approx(6 / (10 * 45 / 30)) == scored.false_by_client_month
    assert scored.worst == (2.0, "x, seed 1")
    assert str(scored.often) == "0.20 (2/10)"


def test_an_attack_is_found_when_a_finding_first_rests_on_it() -> None:
    """A finding that was there before has to grow by the attack's events."""
    attack, grown = label(), found("client_secret_guessing", f"client {CLIENT}", 50, at=900.0)
    later = found("client_secret_guessing", f"client {CLIENT}", 50, 103)
    grown.said.append(later.said[0])
    grown.evidence.add(103)
    said = first_said([grown], attack)
    assert said is not None
    assert (said.position, said.at) == (103, 1_005.0)


def test_each_kind_of_attack_has_a_rule_of_its_own(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Every attack that is simulated is one that some rule is made for, and every rule has an attack."""
    table = tmp_path_factory.mktemp("table") / "countries.mmdb"
    write_table(table)
    rules = {rule.name for rule in all_rules(Thresholds(), Countries(table))}
    assert ATTACKS.keys() == OWN.keys()
    assert rules == set(OWN.values())
    assert all(rightly(kind) <= rules for kind in OWN)


def test_a_table_is_written_between_its_markers(tmp_path_factory: pytest.TempPathFactory) -> None:
    """What stands around it stays; a page without them is refused."""
    page = tmp_path_factory.mktemp("docs") / "page.md"
    page.write_text("a\n<!-- rules -->\nold\n<!-- /rules -->\nb\n")
    write_between(page, "rules", "new")
    assert page.read_text() == "a\n<!-- rules -->\n\nnew\n\n<!-- /rules -->\nb\n"
    with pytest.raises(ValueError, match="no markers"):
        write_between(page, "attacks", "new")
