"""Attacks on people: guessing passwords in all the ways, and signing in as somebody from far away."""

from __future__ import annotations

from benchmarks.detection.attacks.raid import Raid
from benchmarks.detection.sim.places import COUNTRIES, HOME_COUNTRIES, Caller, hours_between
from benchmarks.detection.sim.schedule import DAY, HOUR, MINUTE, Process
from benchmarks.detection.sim.world import Person

_LOOKS = 500


def password_guessing(raid: Raid) -> Process:
    """One account: until it is throttled and beyond, or just under the limit for an hour or two."""
    victim = _person(raid)
    sources = raid.browsers(1 if raid.strong else 3, (victim.country,))
    number = raid.random.randrange(40, 80) if raid.strong else raid.random.randrange(30, 50)
    for _ in range(number):
        _try(raid, victim.account.name, raid.random.choice(sources))
        yield raid.random.uniform(3, 15) if raid.strong else raid.random.uniform(100, 160)


def slow_password_guessing(raid: Raid) -> Process:
    """One account, a few guesses an hour for two days, or one every two hours from changing homes for a week."""
    victim = _person(raid)
    ends = raid.world.schedule.now + (2 * DAY if raid.strong else raid.random.uniform(5, 7) * DAY)
    sources = raid.browsers(2 if raid.strong else 30, HOME_COUNTRIES)
    while raid.world.schedule.now < ends:
        _try(raid, victim.account.name, raid.random.choice(sources))
        raid.again(victim)
        yield raid.random.uniform(10, 18) * MINUTE if raid.strong else raid.random.uniform(1.2, 2.5) * HOUR


def password_spray(raid: Raid) -> Process:
    """One or two common passwords for every account: from one machine within the hour, or over a day from a few."""
    people = list(raid.world.people)
    raid.random.shuffle(people)
    sources = raid.browsers(1 if raid.strong else 8, HOME_COUNTRIES)
    for person in people[: raid.random.randrange(100, 180) if raid.strong else raid.random.randrange(80, 140)]:
        raid.label.subjects.add(person.account.subject)
        _try(raid, person.account.name, raid.random.choice(sources))
        yield raid.random.uniform(8, 40) if raid.strong else raid.random.uniform(8, 18) * MINUTE


def credential_stuffing(raid: Raid) -> Process:
    """Names and passwords of another site's leak, most of them nobody's here; some fit."""
    sources = raid.browsers(20 if raid.strong else 90, (*HOME_COUNTRIES, "BR", "IN"))
    number = raid.random.randrange(300, 600) if raid.strong else raid.random.randrange(160, 260)
    for index in range(number):
        person = raid.random.choice(raid.world.people) if raid.random.random() < 0.15 else None
        name = person.account.name if person else f"leaked{index}.{raid.label.number}.{raid.label.strength}"
        right = person is not None and not person.account.totp and raid.random.random() < 0.1
        _try(raid, name, raid.random.choice(sources), right=right)
        if person is not None:
            raid.label.subjects.add(person.account.subject)
        yield raid.random.uniform(2, 12) if raid.strong else raid.random.uniform(1, 3.5) * MINUTE


def impossible_travel(raid: Raid) -> Process:
    """Somebody signs in as a person who just did so at home: from another continent, within minutes or some hours."""
    world = raid.world

    def signed_in_just_now(person: Person) -> bool:
        here = person.abroad is None and person.vpn is None and not person.account.totp
        return here and 0 < world.schedule.now - person.signed_in_at < 15 * MINUTE

    for _ in range(_LOOKS):
        if any(map(signed_in_just_now, world.people)):
            break
        yield 5 * MINUTE
    victim = raid.pick(world.people, signed_in_just_now)
    raid.label.subjects.add(victim.account.subject)
    yield raid.random.uniform(5, 30) * MINUTE if raid.strong else raid.random.uniform(2, 4) * HOUR
    far = [country for country in COUNTRIES if hours_between(country, victim.country) > 7]
    agent = None if raid.strong else victim.browsers[0]
    caller = raid.nearby(raid.random.choice(far), agent)
    _try(raid, victim.account.name, caller, right=True)


def _person(raid: Raid) -> Person:
    victim = raid.pick(raid.world.people)
    raid.label.subjects.add(victim.account.subject)
    return victim


def _try(raid: Raid, name: str, caller: Caller, *, right: bool = False) -> None:
    apps = [app for app in raid.world.apps if app.kind == "web"]
    client_id = raid.random.choice(apps).client_id if raid.random.random() < 0.8 else None
    if client_id is not None:
        raid.label.clients.add(client_id)
    with raid.acting():
        raid.world.sign_in.attempt(name, caller, client_id, right=right)
