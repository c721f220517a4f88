"""What a product does on a long journal beside one on an empty journal: in turn, on the same core."""

from __future__ import annotations

import json
import statistics
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

from benchmarks.large.asking import Asking
from benchmarks.load import LOAD_CORE, Measured, measure
from benchmarks.people import add_person
from benchmarks.stack import cpu_seconds, pin
from tests.product import Product

CORE = "0"
NAME = "zoe"
"""Of the account that `add_person` makes."""


class Load(NamedTuple):
    """How it is asked: `seconds` of each round, `connections` at once, so many `rounds`, and `tokens` in turn."""

    seconds: int
    connections: int
    rounds: int
    tokens: int


class Beside(NamedTuple):
    """One case on both journals, by round; `costs` are CPU seconds of each whole stack for an answer of all rounds."""

    case: str
    long: list[Measured]
    empty: list[Measured]
    costs: tuple[float, float]

    @property
    def ratios(self) -> list[float]:
        """Of the rates, by round."""
        return [long.rate / empty.rate for long, empty in zip(self.long, self.empty, strict=True)]

    @property
    def ratio(self) -> float:
        """The median one."""
        return statistics.median(self.ratios)

    def __str__(self) -> str:
        long, empty = (statistics.median(each.rate for each in side) for side in (self.long, self.empty))
        p99 = [statistics.median(each.p99_ms for each in side) for side in (self.long, self.empty)]
        return (
            f"{self.case:20} {long:7,.0f}/s beside {empty:7,.0f}/s   ratio {self.ratio:.2f} "
            f"({min(self.ratios):.2f}…{max(self.ratios):.2f})   p99 {p99[0]:.1f} / {p99[1]:.1f} ms   "
            f"CPU for an answer {self.costs[0] * 1e6:.0f} / {self.costs[1] * 1e6:.0f} µs"
        )


def compare(long: Product, empty: Product, load: Load) -> Iterator[Beside]:
    """Each case in turn, A B A B. Raises AssertionError for an answer that was not the expected one."""
    with ExitStack() as stack:
        sides = []
        for product in (long, empty):
            pin(product, CORE)
            if not has_person(product):
                add_person(product)
            folder = stack.enter_context(TemporaryDirectory(prefix="tallystick-bench-"))
            sides.append(Asking(product, Path(folder), load.tokens).makers())
        for name in sides[0]:
            measured: tuple[list[Measured], list[Measured]] = ([], [])
            spent = [0.0, 0.0]
            for counted in (False, *[True] * load.rounds):
                for side, makers in enumerate(sides):
                    case, before = makers[name](), cpu_of((long, empty)[side])
                    answered = measure(case, load.seconds, load.connections, LOAD_CORE)
                    spent[side] += counted * (cpu_of((long, empty)[side]) - before)
                    assert not answered.bad, f"{answered.bad} answers of {name} were not the expected ones"
                    measured[side].extend([answered] * counted)
            costs = [
                seconds / sum(each.rate * load.seconds for each in found)
                for seconds, found in zip(spent, measured, strict=True)
            ]
            yield Beside(name, *measured, (costs[0], costs[1]))


def cpu_of(product: Product) -> float:
    """CPU seconds that its whole stack spent so far."""
    return sum(cpu_seconds(product).values())


def has_person(product: Product) -> bool:
    """Whether an earlier run made the account."""
    accounts = json.loads(product.cli("account", "list", "--json").stdout)
    return any(account["name"] == NAME for account in accounts)
