"""What is counted in memory and written down together is what the library would have counted one by one."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from itertools import count
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry, Histogram
from prometheus_client.parser import text_string_to_metric_families

from service.telemetry.tallied import TalliedCounter, TalliedHistogram, write_tallies

_names = count()
_BOUNDS = (0.5, 1.0, 2.5)
_ENDING = """
from service.telemetry.metrics import Metrics
from service.telemetry.tallied import write_tallies
metrics = Metrics()
for _ in range(3):
    metrics.answered("token", 200, 0.25)
    metrics.issued("client_credentials", "alpha")
write_tallies()
metrics.issued("client_credentials", "alpha")
"""
_SHOWING = "from service.telemetry.metrics import exposition; print(exposition().decode())"


@given(st.lists(st.lists(st.floats(0, 4) | st.sampled_from(_BOUNDS), max_size=8), max_size=4))
def test_a_histogram_is_that_of_the_library(turns: list[list[float]]) -> None:
    """Each in the same bucket, the same sum, whenever it is looked at."""
    registry, name = CollectorRegistry(), f"tried_{next(_names)}"
    ours = TalliedHistogram(name, "Tried.", ["kind"], buckets=_BOUNDS, registry=registry)
    theirs = Histogram(f"{name}_beside", "Tried.", ["kind"], buckets=_BOUNDS, registry=registry)
    for turn in turns:
        for amount in turn:
            ours.labels("one").observe(amount)
            theirs.labels("one").observe(amount)
        for bound in ("0.5", "1.0", "2.5", "+Inf"):
            labels = {"kind": "one", "le": bound}
            expected = registry.get_sample_value(f"{name}_beside_bucket", labels)
            assert registry.get_sample_value(f"{name}_bucket", labels) == expected
        sums = [registry.get_sample_value(f"{each}_sum", {"kind": "one"}) or 0.0 for each in (name, f"{name}_beside")]
        assert abs(sums[0] - sums[1]) < 1e-9


def test_nothing_is_lost_between_who_counts_and_who_writes() -> None:
    """Two threads write all the time while one counts, and each is interrupted as often as can be."""
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    registry = CollectorRegistry()
    counter = TalliedCounter("counted", "Tried.", registry=registry)
    stop = threading.Event()

    def write() -> None:
        while not stop.is_set():
            write_tallies()

    writers = [threading.Thread(target=write) for _ in range(2)]
    for writer in writers:
        writer.start()
    for _ in range(20_000):
        counter.inc()
    stop.set()
    for writer in writers:
        writer.join()
    sys.setswitchinterval(interval)
    assert registry.get_sample_value("counted_total") == 20_000


def test_what_a_worker_wrote_before_its_end_is_in_the_figures_of_the_node(tmp_path: Path) -> None:
    """What it counted after that is not: it is written together, not one by one."""
    env = os.environ | {"PROMETHEUS_MULTIPROC_DIR": str(tmp_path)}
    subprocess.run([sys.executable, "-c", _ENDING], env=env, check=True)
    shown = subprocess.run([sys.executable, "-c", _SHOWING], env=env, check=True, capture_output=True, text=True).stdout
    page = {
        (sample.name, sample.labels.get("le")): sample.value
        for family in text_string_to_metric_families(shown)
        for sample in family.samples
    }

    assert page["tallystick_tokens_issued_total", None] == 3
    assert page["tallystick_request_seconds_count", None] == 3
    assert page["tallystick_request_seconds_bucket", "0.1"] == 0
    assert page["tallystick_request_seconds_bucket", "0.25"] == 3
