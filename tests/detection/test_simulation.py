from __future__ import annotations

from collections import Counter, deque
from uuid import UUID

import pytest

from benchmarks.detection.sim.applications import open_phone_app
from benchmarks.detection.sim.cast import populate
from benchmarks.detection.sim.world import Held, World
from benchmarks.detection.simulate import Simulation
from projections.grants import Grant
from schema import events
from schema.envelope import Fact
from tests.detection.small import DAYS, SEED


@pytest.fixture(scope="module")
def simulation() -> tuple[Simulation, list[Fact]]:
    """A few days, gone through."""
    simulation = Simulation(SEED, DAYS)
    return simulation, list(simulation.facts())


def test_the_same_seed_gives_the_same_facts(simulation: tuple[Simulation, list[Fact]]) -> None:
    """A figure can be had again by anybody."""
    assert simulation[1] == list(Simulation(SEED, DAYS).facts())


def test_another_seed_gives_others(simulation: tuple[Simulation, list[Fact]]) -> None:
    """Held-out seeds are not the tuning ones in disguise."""
    assert simulation[1][:50] != list(Simulation(SEED + 1, DAYS).facts())[:50]


def test_positions_are_dense_and_time_goes_on(simulation: tuple[Simulation, list[Fact]]) -> None:
    """What rules are fed is a journal (promise 2)."""
    facts = simulation[1]
    assert list(range(1, len(facts) + 1)) == [fact.position for fact in facts]
    assert facts == sorted(facts, key=lambda fact: fact.recorded_at)


def test_versions_of_each_stream_are_dense(simulation: tuple[Simulation, list[Fact]]) -> None:
    """No stream has a gap or a repeat."""
    seen = Counter[UUID]()
    for fact in simulation[1]:
        seen[fact.stream] += 1
        assert seen[fact.stream] == fact.version


def test_events_survive_the_journal(simulation: tuple[Simulation, list[Fact]]) -> None:
    """Every event is one that the schema encodes and decodes, with a status and a reason where it is a refusal."""
    for fact in simulation[1]:
        assert fact.event == events.decode(fact.event.TYPE, events.encode(fact.event))


def test_reasons_are_those_of_the_docs(simulation: tuple[Simulation, list[Fact]], reasons: frozenset[str]) -> None:
    """A refusal is one that the service could have written."""
    said = {fact.event.reason for fact in simulation[1] if isinstance(fact.event, events.AccessRejected)}
    assert set() == said - reasons


def test_a_refresh_uses_a_token_that_the_grant_has(simulation: tuple[Simulation, list[Fact]]) -> None:
    """The service's own fold knows every refresh token that the simulated service took, and none of a dead grant."""
    grants: dict[UUID, Grant] = {}
    for fact in simulation[1]:
        if isinstance(fact.event, events.TokenRefreshed):
            grant = grants[fact.stream]
            assert grant.refresh is not None
            known = (*grant.refresh.digests, *([grant.refresh.previous] if fact.event.retry else []))
            assert fact.event.used_digest in known
            assert not grant.revoked
        if isinstance(fact.event, events.TokenIssued | events.AuthorizationGranted | events.DeviceRequested):
            grants.setdefault(fact.stream, Grant())
        if fact.stream in grants:
            grants[fact.stream].apply(fact)


def test_labels_name_events_that_exist(simulation: tuple[Simulation, list[Fact]]) -> None:
    """An attack's positions are in order, of its time, and nothing else's."""
    ran, facts = simulation
    for label in ran.labels:
        assert label.positions == sorted(set(label.positions))
        assert all(1 <= position <= len(facts) for position in label.positions)
        for position, at in zip(label.positions, label.times, strict=True):
            assert facts[position - 1].recorded_at.timestamp() == pytest.approx(at, abs=0.001)


def test_without_attacks_nobody_is_labelled() -> None:
    """The innocent world can be had alone."""
    simulation = Simulation(SEED, DAYS._replace(days=1), attacks=False)
    assert list(simulation.facts())
    assert simulation.labels == []


def test_an_app_finds_out_by_a_refusal_that_its_grant_has_ended() -> None:
    """It comes once with what it has, and then its person signs in anew."""
    world = World(SEED, DAYS)
    populate(world)
    person = next(person for person in world.people if person.mobile)
    app = person.mobile[0]

    def opened() -> Held:
        deque(open_phone_app(world, person, app, "192.0.2.7"), maxlen=0)
        return person.held[app.client_id]

    first = opened()
    world.tokens.end(first.token.grant, "operator", None)
    world.schedule.now = first.token.expires_at + 1
    world.ledger.take()
    second = opened()
    refused = [fact.event.reason for fact in world.ledger.take() if isinstance(fact.event, events.AccessRejected)]

    assert refused == ["grant_revoked"]
    assert first.token.grant is not second.token.grant
