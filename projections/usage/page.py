"""What some facts add to the usage figures, in memory: all of it adds up, in any order."""

from __future__ import annotations

from collections import Counter, defaultdict
from functools import lru_cache
from typing import NamedTuple, TypeAlias
from uuid import UUID

from schema.envelope import NO_CLIENT, Fact
from schema.events import AGE_BOUNDS

HOUR = 3_600
DAY = 86_400
MORE = 2_147_483_647
"""Stands for the age or time that is more than every bound."""
BOUNDS = (*AGE_BOUNDS, MORE)

_MINUTE = 60

Series: TypeAlias = tuple[str, str, str, str, str, str, str, str, int]
"""What is counted, in the words of `usage_data.series`: what, client, resource, scope, grant type, via, error, reason,
and seconds."""
Place: TypeAlias = tuple[str, str]
"""A client, and the API; '' where none is known."""
Seen: TypeAlias = defaultdict[tuple[int, Place, str], int]
"""By the first second of a day, a place, and who or what was seen there: a bit for each hour of the day."""


class Chain:
    """What is added to a grant with refresh tokens; `place` and times are there where it begins here."""

    __slots__ = ("expires", "place", "refreshes", "retries", "reused", "revoked", "rotations", "started")

    def __init__(self) -> None:
        self.place: Place | None = None
        self.started = 0
        self.expires: int | None = None
        self.rotations = self.refreshes = self.retries = 0
        self.reused = False
        self.revoked: str | None = None


class Ended(NamedTuple):
    """A revocation: of a token by its `number`, of a whole grant without one. What was revoked is to be looked up."""

    stream: UUID
    version: int
    number: int | None
    second: int
    client: str
    reason: str


class Page:
    """The sums of some facts.

    `counts` has the first second of a minute, `ages` that of a day, client, API and grant type: how many introspections
    there were up to each of BOUNDS.
    """

    def __init__(self) -> None:
        self.counts: Counter[tuple[int, Series]] = Counter()
        self.ages: defaultdict[tuple[int, str, str, str], list[int]] = defaultdict(_no_ages)
        self.subjects: Seen = defaultdict(int)
        self.sources: Seen = defaultdict(int)
        self.chains: defaultdict[UUID, Chain] = defaultdict(Chain)
        self.ended: list[Ended] = []
        self.access: list[Fact] = []

    def count(
        self,
        second: int,
        what: str,
        client: str | None,
        *,
        resource: str = "",
        scope: str = "",
        grant_type: str = "",
        via: str = "",
        error: str = "",
        reason: str = "",
        seconds: int = 0,
        times: int = 1,
    ) -> None:
        """So many times more at that second."""
        words = (what, client or NO_CLIENT, resource, scope, grant_type, via, error, reason, seconds)
        self.counts[second - second % _MINUTE, words] += times


@lru_cache(maxsize=65_536)
def sorted_scope(scope: str) -> str:
    """The same scopes, sorted: their order says nothing (RFC 6749 section 3.3)."""
    return " ".join(sorted(scope.split()))


def _no_ages() -> list[int]:
    return [0] * len(BOUNDS)
