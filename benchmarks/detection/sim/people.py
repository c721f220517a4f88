"""People through their days: at home, in the office, abroad; at a desk, with a phone, before a television."""

from __future__ import annotations

import heapq
from collections.abc import Callable
from itertools import count

from benchmarks.detection.sim.applications import open_phone_app, watch_television, work_in
from benchmarks.detection.sim.places import COUNTRIES, Caller, hours_between
from benchmarks.detection.sim.schedule import DAY, HOUR, Process
from benchmarks.detection.sim.world import Person, World

_Act = Callable[[], None]
_Plan = list[tuple[float, int, _Act]]


def live(world: World, person: Person) -> Process:
    """One person, day after day."""
    while True:
        midnight = world.schedule.start + int(world.schedule.day) * DAY
        plan = _plan(world, person, midnight)
        while plan:
            at, _, act = heapq.heappop(plan)
            if at >= world.schedule.now:
                yield at - world.schedule.now
                act()
        yield midnight + DAY - world.schedule.now + world.random.uniform(0, 60)
        yield from _travel(world, person)


def _plan(world: World, person: Person, midnight: float) -> _Plan:
    """What somebody does today, with times in UTC."""
    random, order = world.random, count()
    plan: _Plan = []
    local = midnight - person.zone * HOUR

    def add(hour: float, act: _Act) -> None:
        at = local + hour * HOUR
        heapq.heappush(plan, (at if at >= midnight else at + DAY, next(order), act))

    works = world.is_working_day() and person.office is not None and random.random() < 0.88
    in_office = works and random.random() < 0.65 and person.abroad is None
    if works:
        _add_work(world, person, add, in_office=in_office)
    elif random.random() < 0.15:
        add(random.uniform(9, 22), lambda: _at_desk(world, person, at_work=False))
    for _ in range(_times(world, 4.0)):
        hour = random.triangular(6.5, 23.5, 19)
        away = 8 < hour < 18 and in_office
        add(hour, lambda away=away: _with_phone(world, person, in_office=away))  # type: ignore[misc]
    if person.tv and random.random() < 0.5 and person.abroad is None:
        add(random.triangular(18, 23, 20), lambda: _before_television(world, person))
    return plan


def _add_work(world: World, person: Person, add: Callable[[float, _Act], None], *, in_office: bool) -> None:
    random = world.random
    begins = random.gauss(8.8, 0.7)
    for hour in (begins, random.gauss(11, 0.5), random.gauss(14, 0.7)):
        if hour == begins or random.random() < 0.6:
            add(min(max(hour, 5.5), 20.0), lambda: _at_desk(world, person, at_work=in_office))


def _at_desk(world: World, person: Person, *, at_work: bool) -> None:
    if not person.web:
        return
    browser = person.browsers[0] if at_work else person.browsers[-1]
    if at_work and person.office is not None:
        source = person.office.address(1)
    elif person.vpn is not None and world.random.random() < 0.7:
        source = person.vpn.address(3)
    else:
        source = _here(person)
    app = world.random.choice(person.web)
    world.schedule.begin(work_in(world, person, app, Caller(source, browser)))


def _with_phone(world: World, person: Person, *, in_office: bool) -> None:
    if not person.mobile:
        return
    app = world.random.choice(person.mobile)
    world.schedule.begin(open_phone_app(world, person, app, phone_source(world, person, in_office=in_office)))


def phone_source(world: World, person: Person, *, in_office: bool = False) -> str:
    """The address of somebody's phone now: by the phone company, or the WLAN where they are."""
    if world.random.random() < 0.45:
        return world.places.phone(person.abroad or person.country, person.carrier)
    if in_office and person.office is not None:
        return person.office.address(1)
    return _here(person)


def _before_television(world: World, person: Person) -> None:
    world.schedule.begin(watch_television(world, person, person.tv[0], person.home))


def _here(person: Person) -> str:
    return person.at_hotel.address(5 + int(person.account.name[6:]) % 200) if person.at_hotel else person.home


def _travel(world: World, person: Person) -> Process:
    """Now and then somebody leaves for a country, or comes home, and is offline on the way; homes get new addresses."""
    random = world.random
    if random.random() < 0.04:
        person.home = world.places.through_a_home(person.country)
    if person.abroad is not None:
        if random.random() < 0.3:
            yield hours_between(person.abroad, person.country) * HOUR * random.uniform(1.1, 1.6)
            person.abroad = person.at_hotel = None
    elif random.random() < 0.008:
        goal = random.choice([country for country in COUNTRIES if country != person.country])
        yield hours_between(goal, person.country) * HOUR * random.uniform(1.1, 1.6)
        person.abroad, person.at_hotel = goal, world.places.network(goal)


def _times(world: World, mean: float) -> int:
    return min(12, max(0, round(world.random.gauss(mean, mean / 2))))
