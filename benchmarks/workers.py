"""`make bench-workers`: what two workers on two cores do beside one on one core.

The whole stack with one worker is pinned to one core and the load (wrk) to another; the one with two workers has two
cores. Where the machine has no third one for the load, it takes its part of these two, so that the ratio of the rates
is too low: it is told with wrk's share, and beside it the ratio for the same CPU time, which is twice (or as many times
as there are workers) that of the CPU time which an answer takes the whole stack. On a machine with three cores or more
`--cores 0,1 --load-core 2` tells it outright.
"""

from __future__ import annotations

import argparse
import resource
import statistics
import sys
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

from benchmarks.comparing import Options, sides_of
from benchmarks.comparing import Side as Asked
from benchmarks.load import measure
from benchmarks.product import Tallystick
from benchmarks.programs import can_load
from benchmarks.stack import cpu_seconds
from tests.product import Product, running_product


class Side(NamedTuple):
    """A product, the cores of the load, and what it is asked, by case."""

    product: Product
    load_cores: str
    asked: dict[str, Asked]


class Run(NamedTuple):
    """Answers a second, CPU seconds of the whole stack for one, and the cores that wrk took."""

    rate: float
    cost: float
    load: float


def main() -> int:
    """Compare them in turn, case by case."""
    options = _options()
    if not can_load():
        return 2
    one_core, _, _ = options.cores.partition(",")
    with ExitStack() as stack:
        apart = options.load_core or "1"
        load = Options.of(options, options.only)
        sides = [
            _side(stack, 1, one_core, apart, load),
            _side(stack, options.workers, options.cores, options.load_core or options.cores, load),
        ]
        for name in filter(load.wants, sides[0].asked):
            runs: tuple[list[Run], list[Run]] = ([], [])
            for side in sides:
                measure(side.asked[name].make(), options.warm, options.connections, side.load_cores)
            for _ in range(options.rounds):
                for found, side in zip(runs, sides, strict=True):
                    found.append(_run(side, name, options))
            print(told(name, options.workers, *runs), flush=True)
    return 0


def told(name: str, workers: int, one: list[Run], more: list[Run]) -> str:
    """A line of a case: the ratio of the rates by round, and the one for the same CPU time."""
    ratios = [many.rate / single.rate for single, many in zip(one, more, strict=True)]
    costs = [workers * single.cost / many.cost for single, many in zip(one, more, strict=True)]
    rates = [statistics.median(run.rate for run in runs) for runs in (one, more)]
    cpu = [statistics.median(run.cost for run in runs) * 1e6 for runs in (one, more)]
    return (
        f"{name:20} {rates[0]:7,.0f}/s by one worker, {rates[1]:7,.0f}/s by {workers}: "
        f"ratio {statistics.median(ratios):.2f} ({min(ratios):.2f}…{max(ratios):.2f}), "
        f"wrk took {statistics.median(run.load for run in more):.2f} cores; "
        f"CPU of the stack for an answer {cpu[0]:.0f} and {cpu[1]:.0f} µs: "
        f"for the same CPU time {statistics.median(costs):.2f} ({min(costs):.2f}…{max(costs):.2f})"
    )


def _side(stack: ExitStack, workers: int, cores: str, load_cores: str, load: Options) -> Side:
    product = stack.enter_context(running_product(workers=workers))
    folder = Path(stack.enter_context(TemporaryDirectory(prefix="tallystick-bench-")))
    subject = Tallystick()
    subject.ask(product, folder, cores)
    return Side(product, load_cores, sides_of(subject, load))


def _run(side: Side, name: str, options: argparse.Namespace) -> Run:
    case = side.asked[name].make()
    before, wrk = cpu_seconds(side.product), _children_seconds()
    measured = measure(case, options.seconds, options.connections, side.load_cores)
    spent = sum(cpu_seconds(side.product).values()) - sum(before.values())
    seconds = measured.answers / measured.rate
    load = (_children_seconds() - wrk) / seconds
    assert not measured.bad, measured
    return Run(measured.rate, spent / measured.answers, load)


def _children_seconds() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="make bench-workers", description=__doc__)
    parser.add_argument("--workers", type=int, default=2, help="beside one (2)")
    parser.add_argument("--cores", default="0,1", help="of the stack with more workers; one has the first (0,1)")
    parser.add_argument("--load-core", help="of wrk, where it has one for itself; else it shares those of the stack")
    parser.add_argument(
        "--only", action="append", default=[], help="only cases with this in their name; may be repeated"
    )
    parser.add_argument("--seconds", type=int, default=6, help="of each round (6)")
    parser.add_argument("--warm", type=int, default=6, help="seconds before the first round (6)")
    parser.add_argument("--connections", type=int, default=64, help="at once (64)")
    parser.add_argument("--rounds", type=int, default=4, help="of each case, in turn (4)")
    parser.add_argument("--uses", type=int, default=5_000, help="that a round of what is used up has at most (5000)")
    parser.add_argument("--tokens", type=int, default=2_000, help="that are introspected in turn (2000)")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
