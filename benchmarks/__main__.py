"""`make bench`: Tallystick beside other authorization servers, and beside the limit, in one run.

Each whole stack (the service with its database and its NATS) runs on one core, the load (wrk) on the other. Each case
is run in turn, A B A B, so that a machine whose speed changes changes both; what counts is the ratio. A case that none
of the others has is measured alone. Every answer is looked at: one that is not the expected one fails the run;
afterwards `tallystick audit check` has to be clean.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from benchmarks.comparing import Compared, Options, alone, compare, told
from benchmarks.floor import Floor
from benchmarks.peers.catalogue import PEERS
from benchmarks.peers.peer import Peer, Unavailable
from benchmarks.product import Tallystick, python
from benchmarks.programs import can_load
from benchmarks.report import write_report

CORE = "0"
OTHERS: tuple[Peer, ...] = (Floor(), *PEERS)


def main() -> int:
    """Compare with all that are there, or those that are named."""
    given = _options()
    if not can_load():
        return 2
    options = Options.of(given, given.only)
    chosen = [peer for peer in OTHERS if not given.beside or peer.name in given.beside]
    compared: list[Compared] = []
    passed_over: dict[str, str] = {}
    for peer in chosen:
        try:
            peer.install()
            compared += _beside(peer, options)
        except Unavailable as unavailable:
            print(f"{peer.name} is passed over: {unavailable}", flush=True)
            passed_over[peer.name] = str(unavailable)
    compared += _alone({each.case for each in compared}, options)
    result = {
        "machine": describe_machine(),
        "options": options._asdict(),
        "peers": {peer.name: _about(peer) for peer in chosen if peer.name not in passed_over},
        "passed_over": passed_over,
        "compared": [each.as_json() for each in compared],
    }
    if given.json:
        given.json.write_text(json.dumps(result, indent=2))
    if given.write:
        write_report(result)
    return 1 if any(each.bad for each in compared) else 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="make bench", description=__doc__)
    names = [peer.name for peer in OTHERS]
    parser.add_argument("beside", nargs="*", choices=[[], *names], metavar="PEER", help=f"of {', '.join(names)}")
    parser.add_argument("--seconds", type=int, default=6, help="of each round (6)")
    parser.add_argument("--warm", type=int, default=10, help="seconds of each case before it counts (10)")
    parser.add_argument("--connections", type=int, default=64, help="at once (64)")
    parser.add_argument("--rounds", type=int, default=4, help="of each case, in turn (4)")
    parser.add_argument("--tokens", type=int, default=2_000, help="that are introspected in turn (2000)")
    uses = "what a round may use up: tokens to revoke, client assertions; it ends with the last (5000)"
    parser.add_argument("--uses", type=int, default=5_000, help=uses)
    parser.add_argument("--only", action="append", default=[], help="a case by a part of its name; may be repeated")
    parser.add_argument("--json", type=Path, help="write all that was measured there")
    parser.add_argument("--write", action="store_true", help="write table and picture of docs/performance.md")
    return parser.parse_args()


def _beside(peer: Peer, options: Options) -> list[Compared]:
    print(f"\n{peer.name} {peer.version()}: {peer.setting}", flush=True)
    ours = Tallystick()
    with _running(ours), _running(peer):
        return _printed(ours, compare(ours, peer, options))


def _alone(measured: set[str], options: Options) -> list[Compared]:
    print("\nalone: what none of them has", flush=True)
    ours = Tallystick()
    with _running(ours):
        return _printed(ours, alone(ours, measured, options))


def _printed(ours: Tallystick, each: Iterator[Compared]) -> list[Compared]:
    found = []
    for compared in each:
        print(told(compared), flush=True)
        found.append(compared)
    print(f"  audit check: {ours.audit()}", flush=True)
    return found


@contextmanager
def _running(subject: Tallystick | Peer) -> Iterator[None]:
    with tempfile.TemporaryDirectory(prefix="tallystick-bench-") as folder:
        subject.start(Path(folder), CORE)
        try:
            yield
        finally:
            subject.stop()


def _about(peer: Peer) -> dict[str, Any]:
    return {"version": peer.version(), "setting": peer.setting, "differs": list(peer.differs)}


def describe_machine() -> dict[str, Any]:
    """What it ran on."""
    model = next((line for line in Path("/proc/cpuinfo").read_text().splitlines() if "model name" in line), "")
    return {
        "cores": os.cpu_count(),
        "processor": model.partition(":")[2].strip(),
        "python": python(),
        "kernel": platform.release(),
    }


if __name__ == "__main__":
    sys.exit(main())
