"""The journal of the simulated service: facts at dense positions, in order of time."""

from __future__ import annotations

import datetime as dt
from base64 import urlsafe_b64encode
from collections.abc import Iterator
from contextlib import contextmanager
from random import Random
from uuid import UUID

from benchmarks.detection.labels import Label
from benchmarks.detection.sim.schedule import Schedule
from schema.envelope import Fact
from schema.events import Event, TokenReuseDetected

_VERSION_7 = 0x7 << 76
_VARIANT = 0x2 << 62
_LOW_62_BITS = (1 << 62) - 1


class Ledger:
    """Where the simulated service writes. `position` is that of the last fact."""

    def __init__(self, schedule: Schedule, random: Random) -> None:
        self._schedule = schedule
        self._random = random
        self._versions: dict[UUID, int] = {}
        self._facts: list[Fact] = []
        self._watched: dict[UUID, Label] = {}
        self.position = 0

    def stream(self) -> UUID:
        """A fresh UUIDv7, as `schema.streams.new_stream` makes them."""
        noise = self._random.getrandbits(74)
        millis = int(self._schedule.now * 1_000)
        return UUID(int=(millis << 80) | _VERSION_7 | ((noise >> 62) << 64) | _VARIANT | (noise & _LOW_62_BITS))

    def digest(self) -> str:
        """A keyed digest of something that was never seen before."""
        return urlsafe_b64encode(self._random.randbytes(32)).rstrip(b"=").decode()

    def write(self, stream: UUID, event: Event, source: str | None = None) -> int:
        """One more event of a stream; its position."""
        version = self._versions.get(stream, 0) + 1
        self._versions[stream] = version
        self._append(stream, version, event, source)
        if stream in self._watched and isinstance(event, TokenReuseDetected):
            label = self._watched[stream]
            label.decided = True
            label.note(self.position, self._schedule.now)
        return self.position

    def alone(self, event: Event, source: str | None = None) -> int:
        """An event that is the only one of its stream; its position."""
        self._append(self.stream(), 1, event, source)
        return self.position

    def watch(self, stream: UUID, label: Label) -> None:
        """From now on what is noticed of a stolen grant belongs to the theft, whoever's request brings it to light."""
        self._watched[stream] = label

    @contextmanager
    def noting(self, label: Label) -> Iterator[None]:
        """What is written within is an attacker's doing."""
        before = self.position
        yield
        for position in range(before + 1, self.position + 1):
            label.note(position, self._schedule.now)

    def take(self) -> list[Fact]:
        """The facts since the last time."""
        taken, self._facts = self._facts, []
        return taken

    def _append(self, stream: UUID, version: int, event: Event, source: str | None) -> None:
        self.position += 1
        moment = dt.datetime.fromtimestamp(self._schedule.now, dt.UTC)
        self._facts.append(Fact(self.position, stream, version, event, moment, source))
