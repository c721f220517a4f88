"""A small world, which is judged within seconds."""

from __future__ import annotations

from benchmarks.detection.sim.world import Size

SEED = 13
SMALL = Size(
    days=24,
    learning=13,
    people=40,
    offices=2,
    apis=3,
    services=2,
    jobs=3,
    crons=3,
    partners=2,
    ci=1,
    sleepers=3,
    web=3,
    mobile=3,
    tv=1,
    instances=1,
    busy=0.2,
)
DAYS = SMALL._replace(days=4, learning=1)
