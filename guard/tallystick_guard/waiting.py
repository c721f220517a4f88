"""Refusals that wait to be reported: so many and no more, those of known tokens before those of nobody."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from itertools import chain, islice
from typing import Any

Rejection = dict[str, Any]


class Waiting:
    """At most `most` refusals, oldest first.

    Whoever sends requests without a token, or with one that is none, can make any number of refusals. So of more than
    there is room for, the oldest of these are dropped first, and only then one of a token that is known. `dropped` is
    how many were.
    """

    def __init__(self, most: int) -> None:
        self.dropped = 0
        self._most = most
        self._known: deque[Rejection] = deque()
        self._anonymous: deque[Rejection] = deque()

    def __len__(self) -> int:
        return len(self._known) + len(self._anonymous)

    def put(self, rejection: Rejection) -> None:
        """Keep a refusal; one with a `token_id` is of a known token."""
        known = rejection.get("token_id") is not None
        if len(self) >= self._most:
            self.dropped += 1
            if not self._anonymous and not known:
                return
            (self._anonymous or self._known).popleft()
        (self._known if known else self._anonymous).append(rejection)

    def first(self, count: int) -> list[Rejection]:
        """The first so many, those of known tokens before the others; they stay."""
        return list(islice(chain(self._known, self._anonymous), count))

    def remove(self, rejections: Iterable[Rejection]) -> None:
        """Forget those of `first` that were sent; some may have been dropped meanwhile."""
        for rejection in rejections:
            for queue in (self._known, self._anonymous):
                if queue and queue[0] is rejection:
                    queue.popleft()
