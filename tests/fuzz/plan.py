"""How much is fuzzed, and from which seed: `make fuzz REQUESTS=… EXAMPLES=… SEED=…`."""

from __future__ import annotations

import os
import sys
import time

REQUESTS = int(os.environ.get("FUZZ_REQUESTS") or 90_000)
"""Spoilt requests."""

EXAMPLES = int(os.environ.get("FUZZ_EXAMPLES") or 120)
"""Requests of each operation of the OpenAPI document, beside some forty that cover its corners."""

SEED = int(os.environ.get("FUZZ_SEED") or time.time())
"""A number that gives the same requests again."""


def report(line: str) -> None:
    """Tell what was done."""
    sys.stdout.write(f"\n{line}\n")
