"""`make bench`: Tallystick beside other authorization servers, and beside the limit, in one run.

Each whole stack (the service with its database and its NATS) runs on one core, the load (wrk) on the other. Each case
is run in turn, A B A B, so that a machine whose speed changes changes both; what counts is the ratio. Every answer is
looked at: one that is not the expected one fails the run; afterwards `tallystick audit check` has to be clean.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from benchmarks.floor import Floor
from benchmarks.load import Case, Measured, measure
from benchmarks.peers.catalogue import PEERS
from benchmarks.peers.checking import check
from benchmarks.peers.peer import INTROSPECTION, ROTATION_JWT, ROTATION_OPAQUE, VERIFY, Peer, Unavailable
from benchmarks.product import Tallystick
from benchmarks.programs import can_load
from benchmarks.report import write_report
from benchmarks.stack import cpu_seconds

CORE, LOAD_CORE = "0", "1"
OTHERS: tuple[Peer, ...] = (Floor(), *PEERS)
BESIDE = {VERIFY: INTROSPECTION, ROTATION_JWT: ROTATION_OPAQUE}
"""What a peer is asked beside a case of ours that it does not have."""


class Compared(NamedTuple):
    """One case beside a peer's: what both did in each round, in turn, and CPU seconds by role of ours for a second."""

    peer: str
    case: str
    beside: str
    ours: list[Measured]
    theirs: list[Measured]
    cpu: dict[str, float]

    @property
    def ratios(self) -> list[float]:
        """Of the rates, by round."""
        return [our.rate / their.rate for our, their in zip(self.ours, self.theirs, strict=True)]


def main() -> int:
    """Compare with all that are there, or those that are named."""
    options = _options()
    if not can_load():
        return 2
    chosen = [peer for peer in OTHERS if not options.beside or peer.name in options.beside]
    compared: list[Compared] = []
    passed_over: dict[str, str] = {}
    for peer in chosen:
        try:
            peer.install()
            compared += _compare(peer, options)
        except Unavailable as unavailable:
            print(f"{peer.name} is passed over: {unavailable}", flush=True)
            passed_over[peer.name] = str(unavailable)
    result = {
        "machine": describe_machine(),
        "options": {name: getattr(options, name) for name in ("seconds", "connections", "rounds", "tokens")},
        "peers": {peer.name: _about(peer) for peer in chosen if peer.name not in passed_over},
        "passed_over": passed_over,
        "compared": [_as_json(each) for each in compared],
    }
    if options.json:
        options.json.write_text(json.dumps(result, indent=2))
    if options.write:
        write_report(result)
    return 1 if any(measured.bad for each in compared for measured in (*each.ours, *each.theirs)) else 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="make bench", description=__doc__)
    names = [peer.name for peer in OTHERS]
    parser.add_argument("beside", nargs="*", choices=[[], *names], metavar="PEER", help=f"of {', '.join(names)}")
    parser.add_argument("--seconds", type=int, default=6, help="of each round (6)")
    parser.add_argument("--warm", type=int, default=10, help="seconds of each case before it counts (10)")
    parser.add_argument("--connections", type=int, default=64, help="at once (64)")
    parser.add_argument("--rounds", type=int, default=4, help="of each case, in turn (4)")
    parser.add_argument("--tokens", type=int, default=2_000, help="that are introspected in turn (2000)")
    parser.add_argument("--only", action="append", default=[], help="a case by a part of its name; may be repeated")
    parser.add_argument("--json", type=Path, help="write all that was measured there")
    parser.add_argument("--write", action="store_true", help="write table and picture of docs/performance.md")
    return parser.parse_args()


def _compare(peer: Peer, options: argparse.Namespace) -> list[Compared]:
    print(f"\n{peer.name} {peer.version()}: {peer.setting}", flush=True)
    with ExitStack() as stack:
        ours = Tallystick()
        stack.enter_context(_running(ours))
        stack.enter_context(_running(peer))
        theirs = {case.name: case for case in peer.cases(options.tokens)}
        found = [_turns(ours, case, theirs, peer, options) for case in ours.cases(options.tokens)]
        found.append(_rotation(ours, peer, options))
        print(f"  audit check: {ours.audit()}", flush=True)
    return [each for each in found if each is not None]


@contextmanager
def _running(subject: Tallystick | Peer) -> Iterator[None]:
    with tempfile.TemporaryDirectory(prefix="tallystick-bench-") as folder:
        subject.start(Path(folder), CORE)
        try:
            yield
        finally:
            subject.stop()


def _wanted(case: str, options: argparse.Namespace) -> bool:
    return not options.only or any(part in case for part in options.only)


def _turns(
    ours: Tallystick, case: Case, theirs: dict[str, Case], peer: Peer, options: argparse.Namespace
) -> Compared | None:
    other = theirs.get(case.name) or theirs.get(BESIDE.get(case.name, ""))
    if other is None or not _wanted(case.name, options):
        return None
    check(other, peer.keys())
    for each in (case, other):
        measure(each, options.warm, options.connections, LOAD_CORE)
    before = cpu_seconds(ours.product)
    our: list[Measured] = []
    their: list[Measured] = []
    for _ in range(options.rounds):
        our.append(measure(case, options.seconds, options.connections, LOAD_CORE))
        their.append(measure(other, options.seconds, options.connections, LOAD_CORE))
    return _told(Compared(peer.name, case.name, other.name, our, their, _spent(ours, before, options)))


def _rotation(ours: Tallystick, peer: Peer, options: argparse.Namespace) -> Compared | None:
    """A run uses its tokens up: each round has its own."""
    if not _wanted(ROTATION_JWT, options):
        return None
    before = cpu_seconds(ours.product)
    our: list[Measured] = []
    their: list[Measured] = []
    name = ROTATION_JWT
    for _ in range(options.rounds):
        sides: tuple[tuple[Tallystick | Peer, list[Measured]], ...] = ((ours, our), (peer, their))
        for subject, measured in sides:
            case = subject.rotation(options.connections * 2)
            if subject is peer:
                check(case, peer.keys())
                name = case.name
            measured.append(measure(case, options.seconds, options.connections, LOAD_CORE))
    return _told(Compared(peer.name, ROTATION_JWT, name, our, their, _spent(ours, before, options)))


def _spent(ours: Tallystick, before: dict[str, float], options: argparse.Namespace) -> dict[str, float]:
    seconds, spent = options.seconds * options.rounds, cpu_seconds(ours.product)
    return {role: round((spent[role] - before.get(role, 0.0)) / seconds, 3) for role in sorted(spent)}


def _told(compared: Compared) -> Compared:
    ratios = compared.ratios
    our, their = (statistics.median(each.rate for each in side) for side in (compared.ours, compared.theirs))
    p99 = tuple(statistics.median(each.p99_ms for each in side) for side in (compared.ours, compared.theirs))
    bad = sum(each.bad for each in (*compared.ours, *compared.theirs))
    print(
        f"  {compared.case:26} {our:7.0f}/s beside {their:7.0f}/s   ratio {statistics.median(ratios):5.2f} "
        f"({min(ratios):.2f}…{max(ratios):.2f})   p99 {p99[0]:.1f} / {p99[1]:.1f} ms   bad {bad}   {compared.cpu}",
        flush=True,
    )
    return compared


def _about(peer: Peer) -> dict[str, Any]:
    return {"version": peer.version(), "setting": peer.setting, "differs": list(peer.differs)}


def _as_json(compared: Compared) -> dict[str, Any]:
    sides = {side: [each._asdict() for each in getattr(compared, side)] for side in ("ours", "theirs")}
    return {**compared._asdict(), **sides, "ratios": compared.ratios}


def describe_machine() -> dict[str, Any]:
    """What it ran on."""
    model = next((line for line in Path("/proc/cpuinfo").read_text().splitlines() if "model name" in line), "")
    return {
        "cores": os.cpu_count(),
        "processor": model.partition(":")[2].strip(),
        "python": f"{platform.python_version()} ({' '.join(platform.python_compiler().split())})",
        "kernel": platform.release(),
    }


if __name__ == "__main__":
    sys.exit(main())
