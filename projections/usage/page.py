"""What one page of facts adds to the usage figures, gathered in memory: all of it adds up, in any order.

The path of an event is short, for there are many: one look-up by its type, a few counts in dicts. Hours and days are
made of the minutes when the page is written.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable
from functools import lru_cache
from typing import Any, NamedTuple, TypeAlias
from uuid import UUID

from schema import events
from schema.envelope import NO_CLIENT, Fact

HOUR = 3_600
DAY = 86_400
MORE = 2_147_483_647
"""Stands for the age or time that is more than every bound."""

_MINUTE = 60
_AGE_BOUNDS = (*events.AGE_BOUNDS, MORE)
_INACTIVE = ("introspect", "inactive_token")
_THROTTLED = frozenset({"slow_down", "too_many_attempts"})
_REFRESHED = "refresh_token"
_SHOWN_SOURCE = 64  # an address is shorter

Series: TypeAlias = tuple[str, str, str, str, str, str, str, str, int]
"""What is counted, in the words of `usage_data.series`: what, client, resource, scope, grant type, via, error, reason,
and seconds."""
Place: TypeAlias = tuple[str, str]
"""A client, and the API; '' where none is known."""
Seen: TypeAlias = defaultdict[tuple[int, Place, str], int]
"""By the first second of a day, a place, and who or what was seen there: a bit for each hour of the day."""


class Chain:
    """What a page adds to a grant with refresh tokens; `place` and times are there where it begins in this page."""

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
    """The sums of some facts: `counts` by the first second of a minute, `ages` by that of a day."""

    def __init__(self) -> None:
        self.counts: defaultdict[tuple[int, Series], int] = defaultdict(int)
        self.ages: defaultdict[tuple[int, Series], int] = defaultdict(int)
        self.subjects: Seen = defaultdict(int)
        self.sources: Seen = defaultdict(int)
        self.chains: defaultdict[UUID, Chain] = defaultdict(Chain)
        self.ended: list[Ended] = []
        self.access: list[Fact] = []

    def add(self, facts: Iterable[Fact]) -> None:
        """Count these facts too."""
        find = _COUNTED.get
        for fact in facts:
            event = fact[3]
            count = find(type(event))
            if count is not None:
                count(self, fact, event, int(fact[4].timestamp()))

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
        """So often at that second."""
        words = (what, client or NO_CLIENT, resource, scope, grant_type, via, error, reason, seconds)
        self.counts[second - second % _MINUTE, words] += times

    def _token(self, fact: Fact, token: _AnyToken, second: int, what: str, grant_type: str) -> Place:
        client, resource = place = token.client_id, token.audience
        lifetime = token.expires_at - token.issued_at
        words = (what, client, resource, sorted_scope(token.scope), grant_type, "", "", "", lifetime)
        self.counts[second - second % _MINUTE, words] += 1
        of_day = second % DAY
        day, hour = second - of_day, 1 << of_day // HOUR
        self.subjects[day, place, token.subject] |= hour
        source = fact[5]
        if source is not None:
            self.sources[day, place, source[:_SHOWN_SOURCE]] |= hour
        return place

    def _issued(self, fact: Fact, issued: events.TokenIssued, second: int) -> None:
        place = self._token(fact, issued, second, "issued", issued.grant_type)
        if issued.refresh_digest is not None:
            chain = self.chains[fact.stream]
            chain.place, chain.started, chain.expires = place, second, issued.refresh_expires_at

    def _refreshed(self, fact: Fact, refreshed: events.TokenRefreshed, second: int) -> None:
        self._token(fact, refreshed, second, "retried" if refreshed.retry else "refreshed", _REFRESHED)
        chain = self.chains[fact.stream]
        chain.rotations = max(chain.rotations, refreshed.generation)
        chain.retries += refreshed.retry
        chain.refreshes += not refreshed.retry

    def _reused(self, fact: Fact, reused: events.TokenReuseDetected, second: int) -> None:
        self.count(second, "reused", reused.client_id, via=reused.kind)
        if reused.kind == _REFRESHED:
            self.chains[fact.stream].reused = True

    def _token_revoked(self, fact: Fact, revoked: events.TokenRevoked, second: int) -> None:
        self.ended.append(Ended(fact.stream, fact.version, revoked.number, second, revoked.client_id, revoked.reason))

    def _grant_revoked(self, fact: Fact, revoked: events.GrantRevoked, second: int) -> None:
        self.ended.append(Ended(fact.stream, fact.version, None, second, revoked.client_id, revoked.reason))
        chain = self.chains[fact.stream]
        if chain.revoked is None:
            chain.revoked = revoked.reason

    def _rejected(self, fact: Fact, rejected: events.AccessRejected, second: int) -> None:
        endpoint, error = rejected.endpoint, rejected.error
        what = "throttled" if error in _THROTTLED else "inactive" if (endpoint, error) == _INACTIVE else "rejected"
        self.count(second, what, rejected.client_id, via=endpoint, error=error, reason=rejected.reason)
        if fact.source is not None:
            place, of_day = (rejected.client_id or NO_CLIENT, ""), second % DAY
            self.sources[second - of_day, place, fact.source[:_SHOWN_SOURCE]] |= 1 << of_day // HOUR

    def _introspected(self, _: Fact, recorded: events.UsageRecorded, second: int) -> None:
        client, at = recorded.client_id, min(recorded.minute, second)
        minute, day = at - at % _MINUTE, at - at % DAY
        for kind in recorded.introspections:
            resource, grant_type = kind.resource, kind.grant_type
            scope = sorted_scope(kind.scope)
            words = ("active", client, resource, scope, grant_type, kind.introspector, "", "", 0)
            self.counts[minute, words] += kind.count
            for bound, times in zip(_AGE_BOUNDS, kind.ages, strict=False):
                if times:
                    self.ages[day, ("age", client, resource, "", grant_type, "", "", "", bound)] += times

    def _signed_in(self, _: Fact, session: events.SessionStarted | events.SessionRenewed, second: int) -> None:
        self.count(second, "signed_in", session.client_id, via=" ".join(sorted(session.amr)))

    def _sign_in_failed(self, _: Fact, failed: events.LoginFailed, second: int) -> None:
        self.count(second, "sign_in_failed", failed.client_id, via=failed.method, reason=failed.reason)

    def _changes_access(self, fact: Fact, _: events.Event, __: int) -> None:
        self.access.append(fact)


@lru_cache(maxsize=65_536)
def sorted_scope(scope: str) -> str:
    """The same scopes, sorted: their order says nothing (RFC 6749 section 3.3)."""
    return " ".join(sorted(scope.split()))


_AnyToken: TypeAlias = events.TokenIssued | events.TokenRefreshed
_Count = Callable[[Page, Fact, Any, int], None]

_COUNTED: dict[type[events.Event], _Count] = {
    events.TokenIssued: Page._issued,
    events.TokenRefreshed: Page._refreshed,
    events.TokenReuseDetected: Page._reused,
    events.TokenRevoked: Page._token_revoked,
    events.GrantRevoked: Page._grant_revoked,
    events.AccessRejected: Page._rejected,
    events.UsageRecorded: Page._introspected,
    events.SessionStarted: Page._signed_in,
    events.SessionRenewed: Page._signed_in,
    events.LoginFailed: Page._sign_in_failed,
    events.ClientRegistered: Page._changes_access,
    events.ClientUpdated: Page._changes_access,
    events.ClientDisabled: Page._changes_access,
    events.ClientEnabled: Page._changes_access,
    events.ClientRemoved: Page._changes_access,
    events.RoleRegistered: Page._changes_access,
    events.RoleUpdated: Page._changes_access,
    events.RoleRemoved: Page._changes_access,
    events.ResourceRegistered: Page._changes_access,
    events.ResourceUpdated: Page._changes_access,
    events.ResourceRemoved: Page._changes_access,
}
