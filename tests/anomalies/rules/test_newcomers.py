"""When a newcomer becomes the client's own, and when it is new again."""

from __future__ import annotations

import pytest

from tests.anomalies.rules.history import ABROAD, HOUR, MINUTE, History, signals
from tests.anomalies.rules.stories import CURL, settled


def _goes_on(history: History, days: int) -> History:
    """The client goes on as before."""
    return history.every(HOUR / 4, days * 96, history.token)


def _spoken_of(name: str, history: History, since: int) -> bool:
    """Whether a rule speaks of events after a position."""
    return any(max(signal.evidence) > since for signal in signals(name, history))


@pytest.mark.parametrize("pause", [1, 4, 12])
def test_a_tool_that_was_spoken_of_is_spoken_of_when_it_comes_again(pause: int) -> None:
    """However many days a thief leaves between the first time and the second, the tool never became the client's."""
    history = _goes_on(settled().token(user_agent=CURL), pause)
    before = len(history.facts)
    history.token(user_agent=CURL).wait(MINUTE).token(user_agent=CURL)

    assert _spoken_of("new_user_agent", history, before)


def test_a_network_that_was_spoken_of_is_judged_anew_when_it_comes_again() -> None:
    """The software is the client's own; the client goes on, so that it is no move."""
    history = _goes_on(settled().token(source=ABROAD), 9)
    before = len(history.facts)
    history = _goes_on(history.token(source=ABROAD), 1)

    assert _spoken_of("new_network", history, before)


def test_what_stays_becomes_the_clients_own() -> None:
    """Software that is used each day is known after three days, though a finding spoke of it."""
    history = settled()
    for _ in range(5):
        history = _goes_on(history.token(user_agent=CURL), 1)
    before = len(history.facts)
    history = _goes_on(history.token(user_agent=CURL), 9).token(user_agent=CURL)

    assert _spoken_of("new_user_agent", history, 0)
    assert not _spoken_of("new_user_agent", history, before)
