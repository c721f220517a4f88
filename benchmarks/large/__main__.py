"""`make bench-large`: what a journal of ten million events costs: start-up, rates, rebuild, check.

A home's journal is filled with a mix of events as a service of many clients and people has it, told over a day; then
`tallystick up` runs on it: the relay publishes all of it, projections and anomaly rules fold it. Then starts are
measured, and the rates of each case of `make bench`, beside those of a product with an empty journal, in turn on one
core (the load on the other); the usage figures are rebuilt; at the end `tallystick audit check` has to be clean.

A journal of ten million takes 20 GB of the disk and, on two cores, about an hour; with `--home` a filled home is
kept, and used again.
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from benchmarks.comparing import Options
from benchmarks.holding import held
from benchmarks.large.catching_up import FOLLOWING, Pace, catch_up, check, rebuild
from benchmarks.large.filling import Filling, fill
from benchmarks.large.rates import compare
from benchmarks.large.start_up import StartUp, measure_start_up
from benchmarks.programs import can_load
from tests.product import Product, running_product

STEPS = ("follow", "start", "rates", "rebuild", "check")
READY_SECONDS, LEAST_RATIO = 5.0, 0.9


def main() -> int:
    """Fill, and take the steps that are asked for; 1 where a figure misses its bar."""
    options = _options()
    if not can_load():
        return 2
    with ExitStack() as stack:
        home = options.home or stack.enter_context(_passing_home())
        began = time.monotonic()
        events = fill(home, Filling(options.events, options.hours, options.accounts, options.seed), _say)
        _say(f"filled: {events:,} events in {time.monotonic() - began:,.0f} s")
        long = Product(home)
        stack.callback(long.end)
        found = _measured(long.start(), events, options)
    if options.json:
        options.json.write_text(json.dumps(found, indent=2))
    missed = _missed(found)
    for miss in missed:
        _say(f"MISSED: {miss}")
    return 1 if missed else 0


def _measured(long: Product, events: int, options: argparse.Namespace) -> dict[str, Any]:
    found: dict[str, Any] = {"events": events, "paces": [], "starts": {}, "rates": []}
    wanted = options.only or STEPS

    def told(*paces: Pace) -> None:
        for pace in paces:
            _say(str(pace))
            found["paces"].append(pace._asdict())

    if "follow" in wanted:
        told(*catch_up(long, {name for role, name in FOLLOWING.items() if role not in options.hold}, _say))
    with running_product() as empty:
        if "start" in wanted:
            for name, product in (("empty", empty), ("long", long)):
                starts = measure_start_up(product, options.rounds)
                _say(_of_starts(name, starts))
                found["starts"][name] = starts._asdict()
        if "rates" in wanted:
            load = Options.of(options, options.case)
            with held(long, *options.hold), held(empty, *options.hold):
                for beside in compare(long, empty, load, restarts=not options.hold):
                    _say(str(beside))
                    found["rates"].append({"case": beside.case, "ratio": beside.ratio, "costs": beside.costs})
    if "rebuild" in wanted:
        told(rebuild(long, events))
    if "check" in wanted:
        pace, says = check(long, events)
        _say(says)
        told(pace)
    return found


def _missed(found: dict[str, Any]) -> list[str]:
    starts = [
        f"{what} on the {name} journal took {starts[what]:.1f} s"
        for name, starts in found["starts"].items()
        for what in ("whole", "worker")
        if starts[what] > READY_SECONDS
    ]
    return starts + [
        f"{rates['case']}: {rates['ratio']:.2f} of the empty journal's rate"
        for rates in found["rates"]
        if rates["ratio"] < LEAST_RATIO
    ]


def _of_starts(name: str, starts: StartUp) -> str:
    return (
        f"{name} journal: ready {starts.whole:.1f} s after `tallystick up` (at most {starts.whole_most:.1f}), "
        f"{starts.worker:.1f} s after its worker was killed (at most {starts.worker_most:.1f}; "
        f"{starts.worker_cpu:.1f} s of CPU)"
    )


@contextmanager
def _passing_home() -> Iterator[Path]:
    """A folder that another account can reach, for the time being."""
    folder = Path(tempfile.mkdtemp(prefix="tallystick-large-"))
    folder.chmod(0o711)
    try:
        yield folder / "home"
    finally:
        shutil.rmtree(folder)


def _say(line: str) -> None:
    print(f"{time.strftime('%H:%M:%S')} {line}", flush=True)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="make bench-large", description=__doc__)
    parser.add_argument("--events", type=int, default=10_000_000, help="in the journal (10000000)")
    parser.add_argument("--hours", type=float, default=24.0, help="that the journal tells of (24)")
    parser.add_argument("--accounts", type=int, default=20_000, help="of people (20000)")
    parser.add_argument("--seed", type=int, default=1, help="of the mix (1)")
    parser.add_argument("--home", type=Path, help="kept, and used again; another account must be able to reach it")
    parser.add_argument("--only", action="append", choices=STEPS, help="a step; may be repeated")
    parser.add_argument(
        "--hold",
        action="append",
        default=[],
        choices=FOLLOWING,
        help="a role not to wait for, and to hold still; without cold introspection, for which all is restarted",
    )
    parser.add_argument("--seconds", type=int, default=6, help="of each round (6)")
    parser.add_argument("--warm", type=int, default=10, help="seconds before the first round (10)")
    parser.add_argument("--tokens", type=int, default=2_000, help="that are asked about in turn (2000)")
    parser.add_argument("--connections", type=int, default=64, help="at once (64)")
    parser.add_argument("--rounds", type=int, default=4, help="of each case, and starts (4)")
    parser.add_argument("--uses", type=int, default=5_000, help="that a round of what is used up has at most (5000)")
    parser.add_argument(
        "--case", action="append", default=[], help="only cases with this in their name; may be repeated"
    )
    parser.add_argument("--json", type=Path, help="write all that was measured there")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
