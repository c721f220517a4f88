"""Adds facts to a page's sums.

The path of an event is short, for there are many: facts of one type are counted together, in a loop that makes tuples,
of which Python counts the equal ones at C's speed. Hours and days are made of the minutes when the page is written.
"""

from __future__ import annotations

import datetime as dt
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from projections.usage.page import DAY, HOUR, Ended, Page, Series, sorted_scope
from schema import events
from schema.envelope import NO_CLIENT, Fact

_EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
_MINUTE = 60
_INACTIVE = ("introspect", "inactive_token")
_TOO_MANY = 429
_THROTTLED = frozenset({"slow_down", "too_many_attempts"})
_REFRESHED = "refresh_token"
_SHOWN_SOURCE = 64  # an address is shorter

Facts = Sequence[Fact]


def gather(page: Page, facts: Iterable[Fact]) -> None:
    """Count these facts too."""
    by_type: defaultdict[type[events.Event], list[Fact]] = defaultdict(list)
    for fact in facts:
        by_type[fact[3].__class__].append(fact)
    for kind, some in by_type.items():
        if (count := _COUNTED.get(kind)) is not None:
            count(page, some)


def _second(fact: Fact) -> int:
    since = fact[4] - _EPOCH
    return since.days * DAY + since.seconds


def _tokens(page: Page, facts: Facts, what_of: Callable[[Any], tuple[str, str]]) -> None:
    """Count tokens; `what_of` one tells what happened, and the grant type."""
    counted: list[tuple[int, Series]] = []
    subjects, sources = page.subjects, page.sources
    for fact in facts:
        token: Any = fact[3]
        second = _second(fact)
        of_day = second % DAY
        day, hour = second - of_day, 1 << of_day // HOUR
        client, resource = place = token.client_id, token.audience
        what, grant_type = what_of(token)
        lifetime = token.expires_at - token.issued_at
        words = (what, client, resource, sorted_scope(token.scope), grant_type, "", "", "", lifetime)
        counted.append((second - second % _MINUTE, words))
        subjects[day, place, token.subject] |= hour
        source = fact[5]
        if source is not None:
            sources[day, place, source[:_SHOWN_SOURCE]] |= hour
    page.counts.update(counted)


def _issued(page: Page, facts: Facts) -> None:
    _tokens(page, facts, lambda issued: ("issued", issued.grant_type))
    for fact in facts:
        issued: Any = fact[3]
        if issued.refresh_digest is not None:
            chain = page.chains[fact.stream]
            chain.place = issued.client_id, issued.audience
            chain.started, chain.expires = _second(fact), issued.refresh_expires_at


def _refreshed(page: Page, facts: Facts) -> None:
    _tokens(page, facts, lambda refreshed: ("retried" if refreshed.retry else "refreshed", _REFRESHED))
    for fact in facts:
        refreshed: Any = fact[3]
        chain = page.chains[fact[1]]
        chain.rotations = max(chain.rotations, refreshed.generation)
        chain.retries += refreshed.retry
        chain.refreshes += not refreshed.retry


def _reused(page: Page, facts: Facts) -> None:
    for fact in facts:
        reused: Any = fact.event
        page.count(_second(fact), "reused", reused.client_id, via=reused.kind)
        if reused.kind == _REFRESHED:
            page.chains[fact.stream].reused = True


def _token_revoked(page: Page, facts: Facts) -> None:
    for fact in facts:
        revoked: Any = fact.event
        what = (revoked.number, _second(fact), revoked.client_id, revoked.reason)
        page.ended.append(Ended(fact.stream, fact.version, *what))


def _grant_revoked(page: Page, facts: Facts) -> None:
    for fact in facts:
        revoked: Any = fact.event
        what = (None, _second(fact), revoked.client_id, revoked.reason)
        page.ended.append(Ended(fact.stream, fact.version, *what))
        chain = page.chains[fact.stream]
        if chain.revoked is None:
            chain.revoked = revoked.reason


def _rejected(page: Page, facts: Facts) -> None:
    for fact in facts:
        rejected: Any = fact.event
        second, endpoint, error = _second(fact), rejected.endpoint, rejected.error
        what = "throttled" if error in _THROTTLED else "inactive" if (endpoint, error) == _INACTIVE else "rejected"
        resource, reason = rejected.api or "", rejected.reason
        # What an API says of a token is believed where the token is one for it, which its id says.
        scope = "" if rejected.token_id is None else sorted_scope(rejected.present_scope or "")
        words = {"resource": resource, "scope": scope, "via": endpoint, "error": error, "reason": reason}
        page.count(second, what, rejected.client_id, **words)
        if fact.source is not None:
            place, of_day = (rejected.client_id or NO_CLIENT, resource), second % DAY
            page.sources[second - of_day, place, fact.source[:_SHOWN_SOURCE]] |= 1 << of_day // HOUR


def _throttled(page: Page, facts: Facts) -> None:
    for fact in facts:
        throttled: Any = fact.event
        for kind in throttled.requests:
            what = "inactive" if (kind.endpoint, kind.error) == _INACTIVE else "rejected"
            what = "throttled" if kind.status == _TOO_MANY else what
            words = {"via": kind.endpoint, "error": kind.error, "reason": kind.reason}
            page.count(_second(fact), what, throttled.client_id, **words, times=kind.count)


def _introspected(page: Page, facts: Facts) -> None:
    counts = page.counts
    for fact in facts:
        recorded: Any = fact.event
        client, at = recorded.client_id, min(recorded.minute, _second(fact))
        minute, day = at - at % _MINUTE, at - at % DAY
        for kind in recorded.introspections:
            resource, grant_type = kind.resource, kind.grant_type
            scope = sorted_scope(kind.scope)
            words = ("active", client, resource, scope, grant_type, kind.introspector, "", "", 0)
            counts[minute, words] += kind.count
            ages = page.ages[day, client, resource, grant_type]
            for place, times in enumerate(kind.ages[: len(ages)]):
                ages[place] += times


def _signed_in(page: Page, facts: Facts) -> None:
    for fact in facts:
        session: Any = fact.event
        page.count(_second(fact), "signed_in", session.client_id, via=" ".join(sorted(session.amr)))


def _sign_in_failed(page: Page, facts: Facts) -> None:
    for fact in facts:
        failed: Any = fact.event
        page.count(_second(fact), "sign_in_failed", failed.client_id, via=failed.method, reason=failed.reason)


def _changes_access(page: Page, facts: Facts) -> None:
    page.access += facts


_COUNTED: dict[type[events.Event], Callable[[Page, Facts], None]] = {
    events.TokenIssued: _issued,
    events.TokenRefreshed: _refreshed,
    events.TokenReuseDetected: _reused,
    events.TokenRevoked: _token_revoked,
    events.GrantRevoked: _grant_revoked,
    events.AccessRejected: _rejected,
    events.AccessThrottled: _throttled,
    events.UsageRecorded: _introspected,
    events.SessionStarted: _signed_in,
    events.SessionRenewed: _signed_in,
    events.LoginFailed: _sign_in_failed,
    events.ClientRegistered: _changes_access,
    events.ClientUpdated: _changes_access,
    events.ClientDisabled: _changes_access,
    events.ClientEnabled: _changes_access,
    events.ClientRemoved: _changes_access,
    events.RoleRegistered: _changes_access,
    events.RoleUpdated: _changes_access,
    events.RoleRemoved: _changes_access,
    events.ResourceRegistered: _changes_access,
    events.ResourceUpdated: _changes_access,
    events.ResourceRemoved: _changes_access,
}
