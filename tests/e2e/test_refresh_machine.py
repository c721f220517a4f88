"""A search for two live generations: refreshes, retries, waits, revocations and introspections at two workers."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from contextlib import AsyncExitStack
from typing import Any, TypeVar

import hypothesis
import msgspec
import pytest
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from service.grants import clock
from service.settings import Settings
from tests.e2e.refreshing import Ledger, Pair, ledger_of, open_pair
from tests.endpoints.granting import Later, active, app, first_tokens, person, proof, refresh, revoke
from tests.endpoints.world import TOKEN

T = TypeVar("T")
REASONS = {"reuse": "refresh_token_reused", "revoked": "grant_revoked"}
workers = st.integers(0, 1)


class Refreshes(RuleBasedStateMachine):
    """One grant of one app. `known` are all the refresh tokens that it ever had; whoever has one may use it."""

    runner: asyncio.Runner
    pair: Pair
    later: Later
    tokens = Bundle("tokens")

    def __init__(self) -> None:
        super().__init__()
        self.later.seconds = 0
        self.access: list[str] = []
        self.known: list[str] = []
        self.ledger = Ledger(self.pair.one.core.settings)

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Let the workers run for as long as some work takes."""
        return self.runner.run(work)

    @initialize(target=tokens)
    def begin(self) -> str:
        """A person allows an app something."""
        one = self.pair.one
        self.party, self.who = self.run(app(one)), self.run(person(one.core))
        first = self.run(first_tokens(one, self.party, self.who))
        self.grant_id = first["grant_id"]
        return self._took(first)

    @rule(target=tokens, token=tokens, worker=workers)
    def use(self, token: str, worker: int) -> str:
        """Anybody uses any token at any worker: what comes of it is what the rules say, with its event."""
        due = self.ledger.due(self._digest(token), self.later.now())
        answer = self.run(refresh(self.pair[worker], self.party, token))
        if due in REASONS:
            assert (400, "invalid_grant", REASONS[due]) == answer.error
            return token
        assert (200, due == "retry") == (answer.status, answer.event.get("retry", False))
        return self._took(answer.body)

    @rule(target=tokens, token=tokens, count=st.integers(2, 5))
    def use_at_once(self, token: str, count: int) -> str:
        """The same at both workers at the same moment: there are as many events as there were answers."""
        before = self.run(self._events())
        answers = self.run(self._at_once(token, count))
        given = [body for status, body in answers if status == 200]
        assert len(answers) - len(given) == sum(body.get("error") == "invalid_grant" for _, body in answers)
        assert len(given) == self.run(self._events()) - before
        for body in given:
            token = self._took(body)
        return token

    @rule(token=tokens, worker=workers)
    @precondition(lambda self: not self.ledger.revoked)
    def revoke(self, token: str, worker: int) -> None:
        """The app ends the grant by any token that it ever had."""
        answer = self.run(revoke(self.pair[worker], self.party, token))
        assert [event.type for event in answer.events] == ["grant.revoked"]

    @rule(seconds=st.sampled_from((4, 11)))
    def wait(self, seconds: int) -> None:
        """Time passes, within a grace window or beyond."""
        self.later(seconds)

    @invariant()
    def one_line_or_none(self) -> None:
        """The grant's events are those that the rules allow, in their order, so that one generation lives at most; and
        each worker calls its access tokens active until it is revoked, and none after that.
        """
        self.ledger = self.run(ledger_of(self.pair.one, self.grant_id))
        assert {self._digest(token) for token in self.known} == self.ledger.known
        for world in self.pair:
            said = {self.run(active(world, token)) for token in self.access[-3:]}
            assert {not self.ledger.revoked} == said

    def _took(self, body: dict[str, Any]) -> str:
        self.access.append(body["access_token"])
        token: str = body["refresh_token"]
        self.known.append(token)
        return token

    def _digest(self, token: str) -> str:
        return self.pair.one.core.digester.digest(token)

    async def _events(self) -> int:
        recorded = await self.pair.one.core.journal.read_stream(self.grant_id)
        return sum(event.type == "token.refreshed" for event in recorded)

    async def _at_once(self, token: str, count: int) -> list[tuple[int, Any]]:
        headers, named = proof(self.party)
        form = {"grant_type": "refresh_token", "refresh_token": token} | named
        asked = (self.pair[number % 2].http.post(TOKEN, data=form, headers=headers) for number in range(count))
        return [(answer.status_code, answer.json()) for answer in await asyncio.gather(*asked)]


def test_no_sequence_leaves_two_generations(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever is used, lost, stolen, waited for and revoked, at whichever worker."""
    later = Later()
    monkeypatch.setattr(clock, "now", later.now)
    with asyncio.Runner() as runner:
        workers_open = AsyncExitStack()
        pair = runner.run(workers_open.enter_async_context(open_pair(_for_the_search(settings))))
        try:
            Refreshes.runner, Refreshes.pair, Refreshes.later = runner, pair, later
            run_state_machine_as_test(
                Refreshes,
                settings=hypothesis.settings(max_examples=15, stateful_step_count=12, deadline=None),
            )
        finally:
            runner.run(workers_open.aclose())


def _for_the_search(settings: Settings) -> Settings:
    return msgspec.structs.replace(settings, refresh_grace=10, refresh_grace_retries=2)
