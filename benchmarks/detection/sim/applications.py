"""What people's applications ask of the service: a sitting at a web application, a look at the phone, an evening."""

from __future__ import annotations

from collections.abc import Generator

from benchmarks.detection.sim.places import Caller
from benchmarks.detection.sim.schedule import HOUR, MINUTE, Process
from benchmarks.detection.sim.state import Session, Token
from benchmarks.detection.sim.world import App, Held, Person, World

_LOST = 0.004
_NOT_TRIED_AGAIN = 0.02
_ROAMS = 0.12

_Holding = Generator[float, None, Held | None]


def work_in(world: World, person: Person, app: App, caller: Caller) -> Process:
    """Sign in where needed, then work for a while; the back end refreshes the token as long as somebody clicks."""
    session = yield from signed_in(world, person, app, caller)
    if session is None:
        return
    random = world.random
    grant = world.sign_in.authorize(session, app.client_id, app.scopes, caller)
    yield random.uniform(0.3, 2.5)
    back_end = Caller(random.choice(app.hosts), app.agent)
    token = world.tokens.redeem(grant, app.secret, back_end)
    ends = world.schedule.now + random.uniform(5, 150) * MINUTE
    while token is not None and world.schedule.now < ends:
        app.token = token
        _look(world, app, token, Caller(random.choice(app.hosts), app.agent))
        yield (token.expires_at - token.issued_at) * random.uniform(0.9, 1.6)
        if token.refresh is None:
            break
        back_end = Caller(random.choice(app.hosts), app.agent)
        token = world.tokens.refresh(grant, token.refresh, app.secret, back_end)
    if token is not None and random.random() < 0.1:
        yield from _sign_out(world, app, session, token, caller.source)


def signed_in(world: World, person: Person, app: App, caller: Caller) -> Generator[float, None, Session | None]:
    """The session at a browser; where there is none, the person types name and password, now and then wrong."""
    known = person.sessions.get(caller.agent or "")
    if known is not None and not known.ended and known.expires_at > world.schedule.now:
        return known
    random, name = world.random, person.account.name
    for _ in range(6):
        right, code_right = random.random() > person.mistypes, random.random() > 0.03
        typed = name if random.random() > 0.01 else f"{name}x"
        session = world.sign_in.attempt(typed, caller, app.client_id, right=right, code_right=code_right)
        if session is not None:
            person.sessions[caller.agent or ""] = session
            person.signed_in_at = world.schedule.now
            return session
        yield random.uniform(4, 25)
    return None


def open_phone_app(world: World, person: Person, app: App, source: str) -> Process:
    """An app goes on with the tokens that it holds, or has the person sign in."""
    caller = Caller(source, f"{app.client_id}/5.1 ({person.phone})")
    held = person.held.get(app.client_id)
    if held is None:
        held = yield from _new_grant(world, person, app, caller)
    elif held.token.grant.revoked:
        held = yield from _find_out(world, person, app, held, caller)
    elif held.token.expires_at <= world.schedule.now:
        held = yield from refresh_held(world, person, app, held, caller)
    if held is None:
        return
    _look(world, app, held.token, caller)
    if world.random.random() < _ROAMS:
        yield world.random.uniform(0.5, 8) * MINUTE
        moved = world.places.phone(person.abroad or person.country, person.carrier)
        _look(world, app, held.token, Caller(moved, caller.agent))
    if world.random.random() < 0.003:
        world.tokens.revoke(held.token.grant, None, caller)


def refresh_held(world: World, person: Person, app: App, held: Held, caller: Caller) -> _Holding:
    """Refresh; where the answer is lost on the way the app asks again at once, or not before it is opened again."""
    grant, random = held.token.grant, world.random
    token = world.tokens.refresh(grant, held.refresh, app.secret, caller)
    if token is not None and random.random() < _LOST:
        if random.random() < _NOT_TRIED_AGAIN:
            return None
        yield random.uniform(0.5, 6)
        if random.random() < 0.2:
            caller = Caller(world.places.phone(person.abroad or person.country, person.carrier), caller.agent)
        token = world.tokens.refresh(grant, held.refresh, app.secret, caller)
    if token is None:
        person.held.pop(app.client_id, None)
        return None
    held = person.held[app.client_id] = Held(token, token.refresh)
    return held


def watch_television(world: World, person: Person, app: App, source: str) -> Process:
    """A television goes on with its tokens, or shows a code that the person enters at a browser (RFC 8628)."""
    caller, random = Caller(source, f"{app.client_id}/2.0 (TV)"), world.random
    held = person.held.get(app.client_id)
    if held is None or held.token.grant.revoked:
        held = yield from _connect_television(world, person, app, caller)
    ends = world.schedule.now + random.uniform(0.5, 3) * HOUR
    while held is not None and world.schedule.now < ends:
        if held.token.expires_at <= world.schedule.now:
            held = yield from refresh_held(world, person, app, held, caller)
        if held is not None:
            _look(world, app, held.token, caller)
            yield max(held.token.expires_at - world.schedule.now, 1) + random.uniform(1, 60)


def _find_out(world: World, person: Person, app: App, held: Held, caller: Caller) -> _Holding:
    """An app is not told that its grant has ended: it is refused, tries to refresh, and has the person sign in anew.

    Where the API asks nobody, the access token works until it expires.
    """
    if held.token.expires_at > world.schedule.now:
        if not app.uses:
            return held
        _look(world, app, held.token, caller)
        yield world.random.uniform(0.1, 1)
    world.tokens.refresh(held.token.grant, held.refresh, app.secret, caller)
    person.held.pop(app.client_id, None)
    return (yield from _new_grant(world, person, app, caller))


def _new_grant(world: World, person: Person, app: App, caller: Caller) -> _Holding:
    browser = Caller(caller.source, f"Mozilla/5.0 ({person.phone}) Mobile Safari/605.1")
    session = yield from signed_in(world, person, app, browser)
    if session is None:
        return None
    grant = world.sign_in.authorize(session, app.client_id, app.scopes, browser)
    yield world.random.uniform(0.5, 3)
    token = world.tokens.redeem(grant, app.secret, caller)
    if token is None:
        return None
    held = person.held[app.client_id] = Held(token, token.refresh)
    return held


def _connect_television(world: World, person: Person, app: App, caller: Caller) -> _Holding:
    grant = world.sign_in.ask_device(app.client_id, app.scopes, caller)
    yield world.random.uniform(20, 150)
    browser = Caller(caller.source, person.browsers[-1])
    session = yield from signed_in(world, person, app, browser)
    if session is None:
        return None
    world.sign_in.approve_device(session, grant, browser)
    yield world.random.uniform(1, 6)
    token = world.tokens.redeem(grant, app.secret, caller)
    if token is None:
        return None
    held = person.held[app.client_id] = Held(token, token.refresh)
    return held


def _look(world: World, app: App, token: Token, bearer: Caller) -> None:
    """The application shows its token to the API, which asks about it where it cannot verify it itself."""
    app.token = token
    if app.uses:
        world.introspection.ask(app.api, token, bearer)


def _sign_out(world: World, app: App, session: Session, token: Token, source: str) -> Process:
    """What was under way, or a tab left open, still shows the token a few times."""
    world.sign_in.end(session, "logout", source)
    for _ in range(world.random.choice((0, 0, 1, 2, 4))):
        yield world.random.uniform(0.1, 40)
        if app.uses and token.expires_at > world.schedule.now:
            world.introspection.ask(app.api, token)
