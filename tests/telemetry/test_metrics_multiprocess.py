"""One page for all workers of a node: what is summed, and what is the same for each."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from prometheus_client.parser import text_string_to_metric_families

_WORKER = """
from service.telemetry import metrics
metrics.WORKERS.set(1)
metrics.ANOMALIES.labels("reuse", "high", "detected").set({found})
metrics.HEAD.set({head})
metrics.POSITION.set({head})
metrics.READINESS.labels("journal").set({ready})
metrics.QUEUE_LIMIT.set(4096)
metrics.CPU.inc(1.5)
metrics.Metrics().throttled("source", "token", 3)
metrics.committed({head}, 0.002)
print(metrics.exposition().decode())
"""


def run(folder: Path, program: str) -> str:
    """What a process of the node that shares the folder prints."""
    env = os.environ | {"PROMETHEUS_MULTIPROC_DIR": str(folder)}
    done = subprocess.run([sys.executable, "-c", program], env=env, check=True, capture_output=True, text=True)
    return done.stdout


def test_workers_count_together_and_what_is_in_the_database_counts_once(tmp_path: Path) -> None:
    """Counters and what each worker has are summed; of a figure that all share the furthest counts, of how each is the
    worst.
    """
    run(tmp_path, _WORKER.format(found=4, head=20, ready=1.0))
    answered = run(tmp_path, _WORKER.format(found=5, head=30, ready=0.0))
    page = {
        sample.name: sample.value for family in text_string_to_metric_families(answered) for sample in family.samples
    }

    told = {
        "tallystick_workers": 2,
        "tallystick_journal_queue_limit": 8192,
        "tallystick_cpu_seconds_total": 3,
        "tallystick_throttled_total": 6,
        "tallystick_journal_commit_requests_count": 2,
        "tallystick_journal_commit_requests_sum": 50,
        "tallystick_anomalies": 5,
        "tallystick_journal_head": 30,
        "tallystick_feed_position": 20,
        "tallystick_readiness": 0,
    }
    assert {name: page[name] for name in told} == told
