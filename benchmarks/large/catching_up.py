"""How fast relay, projection and anomaly rules catch up with a journal; how long a rebuild and a check take."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from collections.abc import Set as AbstractSet
from typing import NamedTuple

from tests.product import Product

FOLLOWING = {"relay": "relay", "project": "usage", "consume": "anomalies-1"}
"""The roles that follow the journal, and by what name each says how far it is."""
_PAUSE = 1.0
_SAY_EVERY = 30.0


class Pace(NamedTuple):
    """How long something took for how many events."""

    what: str
    events: int
    seconds: float

    def __str__(self) -> str:
        rate = self.events / self.seconds
        return f"{self.what:20} {self.events:,} events in {self.seconds:,.1f} s: {rate:,.0f} a second"


def catch_up(product: Product, following: AbstractSet[str], say: Callable[[str], None]) -> list[Pace]:
    """Wait until all these have reached the head of the journal as it was at first; they run side by side."""
    while following - (begun := _positions(product)).keys():
        time.sleep(_PAUSE)
    head, began = max(begun.values()), time.monotonic()
    reached: dict[str, float] = {}
    said = began
    while following - reached.keys():
        time.sleep(_PAUSE)
        positions, now = _positions(product), time.monotonic()
        reached = {name: now - began for name in following if positions[name] >= head} | reached
        if now - said > _SAY_EVERY:
            said = now
            say(", ".join(f"{name} at {positions[name]:,}" for name in sorted(following - reached.keys())))
    return [
        Pace(f"{name} caught up", head - begun[name], seconds)
        for name, seconds in reached.items()
        if head > begun[name]
    ]


def rebuild(product: Product, events: int) -> Pace:
    """Of the usage figures, by the command. Raises CalledProcessError."""
    began = time.monotonic()
    product.cli("projections", "rebuild", "usage", timeout=None)
    return Pace("usage rebuilt", events, time.monotonic() - began)


def check(product: Product, events: int) -> tuple[Pace, str]:
    """Journal and stream compared whole, by the command, and what it says. Raises AssertionError where not clean."""
    began = time.monotonic()
    checked = product.cli("audit", "check", check=False, timeout=None)
    assert checked.returncode == 0, checked.stdout + checked.stderr
    return Pace("audit check", events, time.monotonic() - began), checked.stdout.strip()


def _positions(product: Product) -> dict[str, int]:
    """How far each is, the head of the journal among them."""
    lags = json.loads(product.cli("projections", "list", "--json").stdout)
    return {"journal": lags[0]["head"]} | {lag["name"]: lag["position"] for lag in lags}
