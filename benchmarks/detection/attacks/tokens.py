"""Attacks with stolen tokens: reuse, replay, use after revocation, use from elsewhere, by many, of many."""

from __future__ import annotations

from benchmarks.detection.attacks.raid import NoVictim, Raid
from benchmarks.detection.sim.applications import open_phone_app, refresh_held
from benchmarks.detection.sim.people import phone_source
from benchmarks.detection.sim.places import COUNTRIES, HOME_COUNTRIES, Caller
from benchmarks.detection.sim.schedule import DAY, HOUR, MINUTE, Process
from benchmarks.detection.sim.state import Api, Token
from benchmarks.detection.sim.world import App, Held, Machine, Person


def refresh_token_reuse(raid: Raid) -> Process:
    """Strong: the thief uses the stolen token first, and goes on until the owner comes with the old one.

    Subtle: the thief is late, and tries the old one once, from nearby, looking like the owner's phone.
    """
    person, app, held = raid.phone()
    grant, stolen = held.token.grant, held.refresh
    raid.world.ledger.watch(grant.stream, raid.label)
    if raid.strong:
        caller = raid.rented()
        while not grant.revoked:
            with raid.acting():
                token = raid.world.tokens.refresh(grant, stolen, app.secret, caller)
            stolen = token.refresh if token else stolen
            yield raid.random.uniform(0.8, 1.2) * HOUR
        return
    while not grant.revoked and stolen in (*grant.digests, grant.previous):
        yield 20 * MINUTE
    caller = raid.nearby(person.abroad or person.country, _agent(person, app))
    with raid.acting():
        raid.world.tokens.refresh(grant, stolen, app.secret, caller)


def refresh_token_replay(raid: Raid) -> Process:
    """Something on the owner's phone sends each refresh token away, and it is used again within seconds."""
    world = raid.world
    person, app, held = raid.phone(lambda held: held.token.expires_at <= world.schedule.now)
    world.ledger.watch(held.token.grant.stream, raid.label)
    opened = Caller(phone_source(world, person), _agent(person, app))
    used, grant = held.refresh, held.token.grant
    world.schedule.begin(_owner(raid, person, app, held, opened))
    yield raid.random.uniform(1.5, 5)
    caller = raid.caller(person.abroad or person.country, opened.agent)
    for _ in range(raid.random.randrange(2, 5) if raid.strong else 1):
        with raid.acting():
            world.tokens.refresh(grant, used, app.secret, caller)
        yield raid.random.uniform(0.3, 1.5)


def use_after_revocation(raid: Raid) -> Process:
    """The owner signs out; the thief's copies come on, many of them at once, or a few with patience."""
    world = raid.world
    person, app, held = raid.phone(lambda held: held.token.expires_at > world.schedule.now + 25 * MINUTE)
    if not app.uses:
        raise NoVictim
    token, grant = held.token, held.token.grant
    world.tokens.revoke(grant, None, Caller(phone_source(world, person), _agent(person, app)))
    person.held.pop(app.client_id, None)
    caller = raid.caller(person.country, _agent(person, app))
    gap = (20.0, 60.0) if raid.strong else (3 * MINUTE, 7 * MINUTE)
    for _ in range(raid.random.randrange(20, 40) if raid.strong else raid.random.randrange(4, 7)):
        yield raid.random.uniform(*gap)
        if token.expires_at > world.schedule.now:
            with raid.acting():
                world.introspection.ask(app.api, token, caller)
    for _ in range(raid.random.randrange(5, 15) if raid.strong else 2):
        yield raid.random.uniform(1, 10) * (MINUTE if raid.strong else HOUR)
        with raid.acting():
            world.tokens.refresh(grant, held.refresh, app.secret, caller)


def token_elsewhere(raid: Raid) -> Process:
    """Tokens of a service, which runs in its own networks, are used from another one."""
    victim = raid.machine(lambda machine: machine.uses >= 0.1 * raid.world.size.busy and machine.api.tells)
    caller = raid.caller(raid.country(victim), victim.agent)
    for _ in range(raid.random.randrange(3, 8) if raid.strong else 1):
        yield from _show(raid, victim, caller)
        yield raid.random.uniform(5, 30) * MINUTE


def token_many_sources(raid: Raid) -> Process:
    """One token is given to many: all use it within minutes, or each within its hour."""
    world = raid.world
    person, app, held = raid.phone(lambda held: held.token.expires_at > world.schedule.now + 25 * MINUTE)
    if not app.uses or not app.api.tells:
        raise NoVictim
    number = raid.random.randrange(20, 50) if raid.strong else raid.random.randrange(8, 13)
    pause = (held.token.expires_at - world.schedule.now - MINUTE) / number
    for _ in range(number):
        country = raid.random.choice(COUNTRIES if raid.strong else (*HOME_COUNTRIES, person.country))
        with raid.acting():
            world.introspection.ask(app.api, held.token, raid.nearby(country, _agent(person, app)))
        yield raid.random.uniform(0.2, 0.5) * MINUTE if raid.strong else pause * raid.random.uniform(0.8, 1.1)


def many_subjects_one_source(raid: Raid) -> Process:
    """A store of tokens was stolen; those that are good are tried from one place, as they come or a few an hour."""
    world, caller = raid.world, raid.caller(raid.random.choice(HOME_COUNTRIES), "okhttp/4.12.0")
    apps = [app for app in world.apps if app.kind == "mobile" and app.uses and app.api.tells]
    if not apps:
        raise NoVictim
    wanted = raid.random.randrange(30, 50) if raid.strong else raid.random.randrange(10, 16)
    gives_up, done = world.schedule.now + 2 * DAY, set[str]()
    while len(done) < wanted and world.schedule.now < gives_up:
        app = raid.random.choice(apps)
        for token in _good_tokens(raid, app, done)[: 12 if raid.strong else 1]:
            with raid.acting():
                world.introspection.ask(app.api, token, caller)
            done.add(token.grant.subject)
            raid.label.subjects.add(token.grant.subject)
            raid.label.grants.add(token.grant.id)
            raid.label.clients.add(app.client_id)
            yield raid.random.uniform(0.5, 5)
        yield raid.random.uniform(2, 12) * MINUTE if raid.strong else raid.random.uniform(0.3, 1.2) * HOUR


def _owner(raid: Raid, person: Person, app: App, held: Held, opened: Caller) -> Process:
    """The owner opens the app, which refreshes; then looks around in it."""
    yield from refresh_held(raid.world, person, app, held, opened)
    yield from open_phone_app(raid.world, person, app, opened.source)


def _show(raid: Raid, victim: Machine, caller: Caller) -> Process:
    """Show a living token of the victim to its API, as soon as there is one."""
    while victim.token is None or victim.token.expires_at <= raid.world.schedule.now + 1:
        yield MINUTE
    raid.label.grants.add(victim.token.grant.id)
    api: Api = victim.api
    with raid.acting():
        raid.world.introspection.ask(api, victim.token, caller)


def _good_tokens(raid: Raid, app: App, done: set[str]) -> list[Token]:
    now = raid.world.schedule.now
    held = [person.held[app.client_id].token for person in raid.world.people if app.client_id in person.held]
    good = [
        each for each in held if each.expires_at > now and not each.grant.revoked and each.grant.subject not in done
    ]
    raid.random.shuffle(good)
    return good


def _agent(person: Person, app: App) -> str:
    return f"{app.client_id}/5.1 ({person.phone})"
