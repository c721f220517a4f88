"""The rules as one fold: cut anywhere, or divided, they find the same."""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import Any

import msgspec
import pytest

from benchmarks.mix import Mix
from consumers.anomalies.findings import Told
from consumers.anomalies.judge import Judge, Share, decode, encode
from consumers.anomalies.rule import all_rules
from consumers.anomalies.thresholds import Thresholds
from schema.envelope import Fact
from schema.events import AccessRejected, LoginFailed, TokenReuseDetected
from schema.streams import derived_stream
from tests.anomalies.engine.facts import at

TOUCHY = Thresholds(
    warm_up=1,
    secret_guesses=2,
    secret_guess_clients=2,
    unknown_clients=2,
    password_guesses=3,
    spray_accounts=3,
    slow_guesses=3,
    probed_scopes=2,
    grant_networks=2,
    shared_subjects=2,
)


def history(seed: int, length: int = 600) -> list[Fact]:
    """A mix of events with much that speaks for abuse, minutes apart."""
    return list(_history(random.Random(seed), Mix(seed), length))


def _history(draw: random.Random, mix: Mix, length: int) -> Iterator[Fact]:
    position, streams = 0, dict[Any, Any]()
    while position < length:
        request = mix.request()
        # Their ids are those of the run, and a finding may name one.
        stream = streams.setdefault(request.stream, derived_stream(1_700_000_000_000, str(len(streams))))
        events = list(request.events)
        if draw.random() < 0.5:
            events.append(_bad(draw))
        for version, event in enumerate(events, start=request.expected_version + 1):
            position += 1
            source = f"192.0.2.{draw.randrange(4)}" if draw.random() < 0.5 else request.context.source
            yield Fact(position, stream, version, event, at(position * 40), source)


def _bad(draw: random.Random) -> AccessRejected | LoginFailed | TokenReuseDetected:
    client = f"machine-{draw.randrange(3)}"
    reason = draw.choice(("bad_secret", "unknown_client", "scope_not_allowed", "token_revoked"))
    return draw.choice(
        (
            AccessRejected(endpoint="token", error="invalid_client", reason=reason, status=401, client_id=client),
            LoginFailed(reason="bad_password", method="pwd", subject=f"person-{draw.randrange(9)}"),
            TokenReuseDetected(client_id=client, kind="refresh_token"),
        )
    )


def judge(share: Share = Share()) -> Judge:  # noqa: B008 a tuple
    """A fresh one, with rules that speak soon."""
    return Judge(all_rules(TOUCHY), share=share)


def told(judging: Judge, facts: list[Fact]) -> list[Told]:
    """What it tells of them."""
    return [each for fact in facts for each in judging.judge(fact)]


@pytest.mark.parametrize("seed", range(5))
def test_a_history_that_is_cut_anywhere_tells_the_same(seed: int) -> None:
    """A judge restored from the bytes of another at any point goes on as if it had been there from the start."""
    facts = history(seed)
    whole = told(judge(), facts)
    draw, found, at_work = random.Random(seed), list[Told](), judge()
    for fact in facts:
        found += at_work.judge(fact)
        if draw.random() < 0.05:
            state = encode(at_work.state())
            at_work = judge()
            assert frozenset() == at_work.restore(decode(state), {rule.name: rule for rule in all_rules(TOUCHY)})

    assert len({each.event.rule for each in whole}) >= 4
    assert whole == found


@pytest.mark.parametrize("seed", range(5))
def test_four_partitions_tell_together_what_one_tells(seed: int) -> None:
    """Keys divided among four are judged as by one."""
    facts = history(seed)
    parts = [told(judge(Share(part, 4)), facts) for part in (1, 2, 3, 4)]

    assert sum(map(bool, parts)) >= 3
    assert sorted(told(judge(), facts)) == sorted(each for part in parts for each in part)


def test_the_same_history_tells_the_same() -> None:
    """No clock, no chance."""
    assert told(judge(), history(3)) == told(judge(), history(3))


def test_a_rule_whose_state_has_another_shape_begins_anew() -> None:
    """It is named, and it is the fresh one that judges from then on, as a rule without memory would."""
    facts, at_work = history(3), judge()
    state = judge().state()
    state.rules["client_secret_guessing"] = msgspec.Raw(msgspec.msgpack.encode([["client x", {"seen_at": "long ago"}]]))
    fresh = {rule.name: rule for rule in all_rules(TOUCHY)}

    assert at_work.restore(state, fresh) == {"client_secret_guessing"}
    assert told(at_work, facts) == told(judge(), facts)
    assert at_work.rules["client_secret_guessing"] is fresh["client_secret_guessing"]
    assert fresh["client_secret_guessing"].state() != []
