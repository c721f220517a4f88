from __future__ import annotations

import os
from pathlib import Path

import pytest

from benchmarks.floor import Floor
from benchmarks.load import Case, Mixed
from benchmarks.peers.checking import check
from benchmarks.peers.peer import INTROSPECTION_COLD, Round
from benchmarks.product import Tallystick
from benchmarks.programs import lacks

pytestmark = pytest.mark.skipif(lacks("wrk", "taskset") is not None, reason=lacks("wrk", "taskset") or "")


@pytest.mark.parametrize("subject", [Tallystick(), Floor()], ids=["tallystick", "floor"])
def test_each_case_is_answered_as_it_should_be(subject: Tallystick | Floor, tmp_path: Path) -> None:
    """Those of the product, and those of the limit, which has all but the one of a restart."""
    subject.start(tmp_path, ",".join(map(str, os.sched_getaffinity(0))))
    try:
        cases: dict[str, Case | Mixed] = {case.name: case for case in subject.cases(2)}
        cases |= {name: make(Round(10, 2)) for name, make in subject.fresh().items()}
        assert len(cases) == (13 if isinstance(subject, Tallystick) else 12)
        assert (INTROSPECTION_COLD in cases) == isinstance(subject, Tallystick)
        for case in cases.values():
            check(case, subject.keys())
        if isinstance(subject, Tallystick):
            subject.audit()
    finally:
        subject.stop()
