"""`make bench-detection`: the anomaly rules against simulated weeks of traffic with attacks in it.

Thresholds are tuned on some seeds (1 to 8) and measured on others (139 to 146), which `docs/detection.md` shows.
"""

from __future__ import annotations

import argparse
import multiprocessing
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from benchmarks.detection.baselines.compare import comparison
from benchmarks.detection.judge import Outcome, judge_seed
from benchmarks.detection.report import explained, kinds_of, rules_of, summary_of, write_between
from benchmarks.detection.score import score

TUNING = tuple(range(1, 9))
HELD_OUT = tuple(range(139, 147))

_COMPARED = 3
_DOCS = Path(__file__).parents[2] / "docs" / "detection.md"


def main(arguments: Sequence[str] | None = None) -> int:
    """Judge the seeds, print the tables, and write them into the documentation where asked to."""
    options = _options(arguments)
    seeds = _seeds(options.seeds)
    outcomes = _judged(seeds, options.processes, explain=options.explain)
    figures = score(outcomes)
    tables = {"summary": summary_of(figures), "rules": rules_of(figures), "attacks": kinds_of(figures)}
    if options.baselines:
        tables["baselines"] = comparison(TUNING[:_COMPARED], HELD_OUT[:_COMPARED])
    for text in tables.values():
        print(f"\n{text}")
    if options.write:
        for name, text in tables.items():
            write_between(_DOCS, name, text)
    return 0


def _judged(seeds: Sequence[int], processes: int, *, explain: bool) -> list[Outcome]:
    began, outcomes = time.monotonic(), []
    with multiprocessing.get_context("spawn").Pool(processes) as pool:
        for outcome in pool.imap(judge_seed, seeds):
            outcomes.append(outcome)
            spent = time.monotonic() - began
            print(
                f"seed {outcome.seed}: {outcome.events:,} events ({len(outcomes)}/{len(seeds)}, {spent:.0f} s)",
                file=sys.stderr,
            )
            if explain:
                print(explained(outcome), flush=True)
    return outcomes


def _seeds(text: str) -> list[int]:
    """Such as `1-3,7`."""
    seeds: list[int] = []
    for part in text.split(","):
        first, _, last = part.partition("-")
        seeds += range(int(first), int(last or first) + 1)
    return seeds


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="make bench-detection", description=__doc__)
    held_out = f"{HELD_OUT[0]}-{HELD_OUT[-1]}"
    parser.add_argument("--seeds", default=held_out, help=f"which, such as 1-3,7 (the held-out ones, {held_out})")
    parser.add_argument("--processes", type=int, default=2, help="how many seeds at once (2)")
    parser.add_argument("--explain", action="store_true", help="print what was missed and what was false")
    parser.add_argument(
        "--baselines", action="store_true", help="compare the burst rules' counter with river's detectors"
    )
    parser.add_argument("--write", action="store_true", help="write the tables into docs/detection.md")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    sys.exit(main())
