"""Many small byte strings by stream id, at some thirty bytes each besides their own, and without an object for each.

A million of Python's objects would take many times as much, and be looked through by every full garbage collection.
"""

from __future__ import annotations

from collections.abc import Iterator
from struct import Struct
from uuid import UUID

_HEAD = Struct("<16sII")
_ID = 16
_A_BUCKET = 32
_MOST = 0xFFFF_FFFF


class PackedStreams:
    """Streams, each with its bytes and the moment (seconds) from which it is of no use. `about` how many are expected.

    They lie in buckets by their id; in each, those that were put there first come first.
    """

    def __init__(self, about: int) -> None:
        self._buckets: list[bytes | None] = [None] * (about // _A_BUCKET + 1)
        self._count = 0
        self._turn = 0

    def __len__(self) -> int:
        return self._count

    def put(self, stream: UUID, until: int, data: bytes) -> None:
        """Keep the bytes of a stream that is not there."""
        number = stream.int % len(self._buckets)
        record = _HEAD.pack(stream.bytes, min(until, _MOST), len(data)) + data
        bucket = self._buckets[number]
        self._buckets[number] = record if bucket is None else bucket + record  # exactly as long as it must be
        self._count += 1

    def take(self, stream: UUID) -> bytes | None:
        """Give the bytes of a stream, and keep them no more; None where it is not there."""
        number, name = stream.int % len(self._buckets), stream.bytes
        bucket = self._buckets[number]
        if bucket is None or name not in bucket:
            return None
        for begin, end, _ in _records(bucket):
            if bucket[begin : begin + _ID] == name:
                data = bucket[begin + _HEAD.size : end]
                self._remove(number, bucket, begin, end)
                return data
        return None

    def sweep(self, now: int) -> None:
        """Remove what is of no use any more from the bucket that was swept longest ago."""
        bucket = self._next()
        if bucket is None:
            return
        records = list(_records(bucket))
        left = [bucket[begin:end] for begin, end, until in records if until > now]
        if len(left) < len(records):
            self._buckets[self._turn] = b"".join(left) or None
            self._count -= len(records) - len(left)

    def drop_one(self) -> None:
        """Remove one of those that have been there longest. There must be one."""
        while (bucket := self._next()) is None:
            pass
        begin, end, _ = next(_records(bucket))
        self._remove(self._turn, bucket, begin, end)

    def _next(self) -> bytes | None:
        self._turn = (self._turn + 1) % len(self._buckets)
        return self._buckets[self._turn]

    def _remove(self, number: int, bucket: bytes, begin: int, end: int) -> None:
        self._buckets[number] = bucket[:begin] + bucket[end:] or None
        self._count -= 1


def _records(bucket: bytes) -> Iterator[tuple[int, int, int]]:
    """Where each record begins and ends, and until when it is of use."""
    begin = 0
    while begin < len(bucket):
        _, until, size = _HEAD.unpack_from(bucket, begin)
        end = begin + _HEAD.size + size
        yield begin, end, until
        begin = end
