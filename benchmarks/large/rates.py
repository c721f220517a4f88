"""What a product does on a long journal beside one on an empty journal: in turn, on the same core."""

from __future__ import annotations

import statistics
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

from benchmarks.comparing import Options, Side, sides_of
from benchmarks.load import LOAD_CORE, Measured, measure
from benchmarks.peers.checking import check
from benchmarks.peers.peer import INTROSPECTION_COLD
from benchmarks.product import Tallystick
from benchmarks.stack import cpu_seconds
from tests.product import Product

CORE = "0"


class Beside(NamedTuple):
    """One case on both journals, by round; `costs` are CPU microseconds of each whole stack for an answer, by role."""

    case: str
    long: list[Measured]
    empty: list[Measured]
    costs: tuple[dict[str, float], dict[str, float]]

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
        sums = [sum(roles.values()) for roles in self.costs]
        return (
            f"{self.case:26} {long:7,.0f}/s beside {empty:7,.0f}/s   ratio {self.ratio:.2f} "
            f"({min(self.ratios):.2f}…{max(self.ratios):.2f})   p99 {p99[0]:.1f} / {p99[1]:.1f} ms   "
            f"CPU for an answer {sums[0]:.0f} / {sums[1]:.0f} µs: {self.costs[0]} / {self.costs[1]}"
        )


def compare(long: Product, empty: Product, options: Options, *, restarts: bool) -> Iterator[Beside]:
    """Each case in turn, A B A B; without `restarts` not those that need one. Raises AssertionError for an answer that
    was not the expected one.
    """
    with ExitStack() as stack:
        asked = []
        for product in (long, empty):
            folder = stack.enter_context(TemporaryDirectory(prefix="tallystick-bench-"))
            asked.append(each := Tallystick())
            each.ask(product, Path(folder), CORE)
        sides = [sides_of(each, options) for each in asked]
        for name in sides[0]:
            if options.wants(name) and (restarts or name != INTROSPECTION_COLD):
                yield _beside(name, asked, sides, options)


def _beside(name: str, asked: list[Tallystick], sides: list[dict[str, Side]], options: Options) -> Beside:
    measured: tuple[list[Measured], list[Measured]] = ([], [])
    spent: tuple[Counter[str], Counter[str]] = (Counter(), Counter())
    for subject, side in zip(asked, sides, strict=True):
        case = side[name].make()
        check(case, subject.keys())
        measure(case, options.warm, options.connections, LOAD_CORE)
    for _ in range(options.rounds):
        for subject, side, found, cpu in zip(asked, sides, measured, spent, strict=True):
            case = side[name].make()
            before = cpu_seconds(subject.product)
            answered = measure(case, options.seconds, options.connections, LOAD_CORE)
            assert not answered.bad, f"{answered.bad} answers of {name} were not the expected ones"
            found.append(answered)
            cpu.update({role: now - before.get(role, 0.0) for role, now in cpu_seconds(subject.product).items()})
    long, empty = (_for_an_answer(*each) for each in zip(spent, measured, strict=True))
    return Beside(name, *measured, (long, empty))


def _for_an_answer(spent: Counter[str], measured: list[Measured]) -> dict[str, float]:
    answers = sum(each.answers for each in measured)
    return {role: round(seconds / answers * 1e6, 1) for role, seconds in sorted(spent.items()) if seconds > 0}
