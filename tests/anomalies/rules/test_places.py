"""An IPv6 network is one place, of which somebody has every address; and what is made up drives nothing out."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from consumers.anomalies.rules import client_probing
from tests.anomalies.rules.history import History, judged, rules, stored

GUESSING = "client_secret_guessing"


def _guesses(times: int, *, known: tuple[str, ...] = ("a", "b", "c", "d", "e", "f")) -> History:
    """Each guess from a fresh address of one network."""
    history = History()
    for number in range(times):
        where = f"2001:db8:7:9::{number + 1:x}"
        history.rejected("bad_secret", where, client_id=known[number % len(known)]).wait(10)
    return history


def test_guesses_from_fresh_addresses_of_one_network_are_from_one_place() -> None:
    """Secrets of several clients, guessed from one IPv6 network that never uses an address twice, are one finding."""
    found = judged(rules()[GUESSING], _guesses(6).facts)

    assert {"source 2001:db8:7::/48"} == {signal.about for signal in found if signal.about.startswith("source")}


def test_sources_drive_no_client_out() -> None:
    """However many places are made up, what was learned of a client is kept, also by what was taken up again."""
    rule, again = rules(kept_keys=40)[GUESSING], rules(kept_keys=40)[GUESSING]
    judged(rule, History().token("billing", "192.0.2.1").facts)
    again.restore(stored(rule))
    crowd = History()
    for number in range(400):
        crowd.rejected("bad_secret", f"203.0.{number // 250}.{number % 250}", client_id="other")

    for one in (rule, again):
        judged(one, crowd.facts)
        assert "client billing" in dict(one.state())


def test_a_state_of_before_is_taken_up() -> None:
    """Clients and sources that were kept together each come to their own."""
    rule, again = rules()[GUESSING], rules()[GUESSING]
    judged(rule, _guesses(3).facts)
    again.restore(list(reversed(msgspec.convert(stored(rule), list[Any]))))

    assert sorted(dict(rule.state())) == sorted(dict(again.state()))
    assert all(not key.startswith("source ") for key in again._values)  # type: ignore[attr-defined]


class _Counting(dict[str, Any]):
    """Sites that tell how often one of them was looked at."""

    looks = 0

    def __getitem__(self, key: str) -> Any:
        self.looks += 1
        return super().__getitem__(key)


def test_a_new_site_costs_the_same_however_many_there_are(monkeypatch: pytest.MonkeyPatch) -> None:
    """The longest unseen goes, and is found without a look at the others."""
    monkeypatch.setattr(client_probing, "_SITES", 50)
    rule = rules()["client_probing"]
    names = rule.recall("unknown clients", 0.0)  # type: ignore[attr-defined]
    names.sites = _Counting()
    history = History()
    for number in (*range(50), 0, *range(50, 60)):
        history.rejected("unknown_client", f"192.0.2.{number}", claimed_client=f"name-{number}").wait(1)
    judged(rule, history.facts)

    assert [f"192.0.2.{number}" for number in (*range(11, 50), 0, *range(50, 60))] == list(names.sites)
    assert names.sites.looks == 0
