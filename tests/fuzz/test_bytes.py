"""Bytes that are almost requests: each is answered or refused, and nothing breaks."""

from __future__ import annotations

import asyncio

import pytest

from tests.fuzz.mutations import Spoilt, spoilt
from tests.fuzz.plan import REQUESTS, SEED, report
from tests.fuzz.requests import good_requests
from tests.fuzz.sending import send_all
from tests.fuzz.target import Target

pytestmark = [pytest.mark.fuzz, pytest.mark.timeout(7_200)]

_CONNECTIONS = 32


def test_good_requests_are_answered(target: Target) -> None:
    """What is spoilt was a request: the fuzzer reaches behind the first check of each endpoint."""
    good = [Spoilt(1, [request]) for request in good_requests(target.credentials)]
    outcome = asyncio.run(send_all(target.url, iter(good), 1))
    assert outcome.faults == []
    assert (outcome.statuses[0], outcome.statuses[400] < len(good) / 2) == (0, True)
    assert outcome.statuses[200] > len(good) / 4


def test_spoilt_requests_break_nothing(target: Target) -> None:
    """No 5xx, no hang, no traceback; the workers live on, the journal is whole, no secret is told."""
    good = good_requests(target.credentials)
    numbers = (spoilt(SEED, number, good) for number in range(REQUESTS))
    outcome = asyncio.run(send_all(target.url, numbers, _CONNECTIONS))
    report(f"bytes: seed {SEED}, {REQUESTS} requests, answers {dict(sorted(outcome.statuses.items()))}")
    for fault in outcome.faults[:20]:
        report(fault)
    report(f"bytes: workers grew by {[grown >> 20 for grown in target.growth()]} MiB")
    assert outcome.faults + target.close_look() == []
