"""What `issuance_burst` keeps of grants, to tell a session that goes on from tokens that are more than usual."""

from __future__ import annotations

from consumers.anomalies.rules.bursts import IssuanceBurst
from consumers.anomalies.thresholds import Thresholds
from tests.anomalies.rules.history import History, grant_stream, judged


def test_the_latest_grants_of_a_client_are_kept() -> None:
    """However many there are; machines' own tokens have none that goes on."""
    history = History().token("app")
    for number in range(600):
        history.grant(number, "ann").wait(1)
    history.refresh(400, "ann")
    rule = IssuanceBurst(Thresholds())
    judged(rule, history.facts)

    ((_, client),) = rule.state()
    assert list(client.grants) == [grant_stream(number) for number in (*range(344, 400), *range(401, 600), 400)]
