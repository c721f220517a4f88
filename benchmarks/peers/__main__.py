"""`python -m benchmarks.peers [NAME …]`: start each peer, look at an answer of each case, and print its rates."""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.load import LOAD_CORE, Case, Mixed, measure
from benchmarks.peers.catalogue import PEERS
from benchmarks.peers.checking import check
from benchmarks.peers.peer import Peer, Round, Unavailable
from benchmarks.programs import can_load

_NAMES = {peer.name: peer for peer in PEERS}


def main() -> int:
    """Non-zero where a peer gave a bad answer; a peer that cannot be had here is told and passed over."""
    options = _options()
    chosen = [_NAMES[name] for name in options.names] or list(PEERS)
    if not options.install and not can_load():
        return 2
    bad = 0
    for peer in chosen:
        try:
            peer.install()
            print(f"{peer.name} {peer.version()}", flush=True)
            bad += 0 if options.install else _run(peer, options)
        except Unavailable as unavailable:
            print(f"{peer.name} is passed over: {unavailable}", flush=True)
    return 1 if bad else 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.peers", description=__doc__)
    parser.add_argument("names", nargs="*", choices=[[], *_NAMES], metavar="NAME", help=", ".join(_NAMES))
    parser.add_argument("--install", action="store_true", help="fetch them, and do no more")
    parser.add_argument("--seconds", type=int, default=3, help="of each case (3)")
    parser.add_argument(
        "--warm", type=int, default=5, help="seconds of each case before it counts, unless it uses things up (5)"
    )
    parser.add_argument("--connections", type=int, default=64, help="at once (64)")
    parser.add_argument("--tokens", type=int, default=2_000, help="that are introspected in turn, or used up (2000)")
    return parser.parse_args()


def _run(peer: Peer, options: argparse.Namespace) -> int:
    """Every case once, on one core, with the load on another. Returns how many answers were bad."""
    with tempfile.TemporaryDirectory(prefix="tallystick-peer-") as folder:
        peer.start(Path(folder), "0")
        try:
            print(f"  {peer.setting}")
            to_use = Round(options.tokens, options.connections)
            bad = sum(_measure(peer, case, options) for case in peer.cases(options.tokens))
            return bad + sum(_measure(peer, make(to_use), options, warm=False) for make in peer.fresh().values())
        finally:
            peer.stop()


def _measure(peer: Peer, case: Case | Mixed, options: argparse.Namespace, *, warm: bool = True) -> int:
    check(case, peer.keys())
    if options.warm and warm:
        measure(case, options.warm, options.connections, LOAD_CORE)
    before, began = _spent(peer), time.monotonic()
    measured = measure(case, options.seconds, options.connections, LOAD_CORE)
    cores = (_spent(peer) - before) / (time.monotonic() - began)
    print(
        f"  {measured.case:26} {measured.rate:8.0f}/s   p50 {measured.p50_ms:7.2f} ms   "
        f"p99 {measured.p99_ms:7.2f} ms   bad {measured.bad}   "
        f"cores {cores:.2f}",
        flush=True,
    )
    return measured.bad


def _spent(peer: Peer) -> float:
    """CPU seconds so far."""
    return sum(sum(process.cpu_times()[:2]) for process in peer.processes())


if __name__ == "__main__":
    sys.exit(main())
