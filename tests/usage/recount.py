"""The same figures counted anew, the plain way: over a whole history at once, with nothing of the projection's code."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from typing import Any

from schema import events
from schema.envelope import Fact

Count = tuple[str, str, str, str, str, str, str, str]
"""What, client, resource, scope, grant type, via, error, reason."""

THROTTLED = ("too_many_attempts", "slow_down")


def counted(history: Sequence[Fact]) -> Iterator[tuple[int, Count, int]]:  # noqa: C901 a case for each kind
    """Every count: at which second, of what, how often."""
    for fact in history:
        at = int(fact.recorded_at.timestamp() // 1)
        match fact.event:
            case events.TokenIssued() as e:
                yield at, ("issued", e.client_id, e.audience, _sorted(e.scope), e.grant_type, "", "", ""), 1
            case events.TokenRefreshed() as e:
                what = "retried" if e.retry else "refreshed"
                yield at, (what, e.client_id, e.audience, _sorted(e.scope), "refresh_token", "", "", ""), 1
            case events.TokenReuseDetected() as e:
                yield at, ("reused", e.client_id, "", "", "", e.kind, "", ""), 1
            case events.TokenRevoked() | events.GrantRevoked() as e:
                what = "token_revoked" if isinstance(e, events.TokenRevoked) else "grant_revoked"
                yield at, (what, e.client_id, *_given(history, fact)[:3], "", "", e.reason), 1
            case events.AccessRejected() as e:
                inactive = e.endpoint == "introspect" and e.error == "inactive_token"
                what = "throttled" if e.error in THROTTLED else "inactive" if inactive else "rejected"
                scope = _sorted(e.present_scope) if e.token_id and e.present_scope else ""
                yield at, (what, e.client_id or "_", e.api or "", scope, "", e.endpoint, e.error, e.reason), 1
            case events.AccessThrottled() as e:
                for each in e.requests:
                    inactive = each.endpoint == "introspect" and each.error == "inactive_token"
                    what = "throttled" if each.status == 429 else "inactive" if inactive else "rejected"
                    told = (e.client_id or "_", "", "", "", each.endpoint, each.error, each.reason)
                    yield at, (what, *told), each.count
            case events.UsageRecorded() as e:
                for kind in e.introspections:
                    words = (kind.resource, _sorted(kind.scope), kind.grant_type, kind.introspector)
                    yield min(at, e.minute), ("active", e.client_id, *words, "", ""), kind.count
            case events.SessionStarted() | events.SessionRenewed() as e:
                yield at, ("signed_in", e.client_id or "_", "", "", "", " ".join(sorted(e.amr)), "", ""), 1
            case events.LoginFailed() as e:
                yield at, ("sign_in_failed", e.client_id or "_", "", "", "", e.method, "", e.reason), 1


def sums(history: Sequence[Fact], seconds: int, kept: int | None = None) -> Counter[tuple[int, Count]]:
    """The counts by spans of so many seconds; with `kept`, of the spans not older than that before the newest."""
    found: Counter[tuple[int, Count]] = Counter()
    for at, what, times in counted(history):
        found[at // seconds * seconds, what] += times
    newest = max((at for at, _ in found), default=0)
    return Counter({key: times for key, times in found.items() if kept is None or key[0] >= newest - kept})


def seen(history: Sequence[Fact]) -> tuple[set[tuple[Any, ...]], set[tuple[Any, ...]]]:
    """Subjects and sources by hour, client and resource (None for refusals that no API reported)."""
    subjects = set[tuple[Any, ...]]()
    sources = set[tuple[Any, ...]]()
    for fact in history:
        hour = int(fact.recorded_at.timestamp() // 3_600) * 3_600
        match fact.event:
            case events.TokenIssued() | events.TokenRefreshed() as e:
                subjects.add((hour, e.client_id, e.audience, e.subject))
                sources.add((hour, e.client_id, e.audience, fact.source))
            case events.AccessRejected() as e:
                sources.add((hour, e.client_id or "_", e.api, fact.source))
    return subjects, {each for each in sources if each[3] is not None}


def chains(history: Sequence[Fact]) -> Counter[tuple[Any, ...]]:
    """How many grants with refresh tokens: by day, client, resource, rotations, reuse, reason; with all refreshes."""
    streams: defaultdict[Any, list[Fact]] = defaultdict(list)
    for fact in history:
        streams[fact.stream].append(fact)
    found: Counter[tuple[Any, ...]] = Counter()
    for facts in streams.values():
        begun = [fact for fact in facts if isinstance(fact.event, events.TokenIssued) and fact.event.refresh_digest]
        if begun and isinstance(issued := begun[0].event, events.TokenIssued):
            refreshes = [fact.event for fact in facts if isinstance(fact.event, events.TokenRefreshed)]
            reused = any(isinstance(fact.event, events.TokenReuseDetected) for fact in facts)
            revoked = next((fact.event.reason for fact in facts if isinstance(fact.event, events.GrantRevoked)), None)
            day = int(begun[0].recorded_at.timestamp() // 86_400) * 86_400
            rotations = max((each.generation for each in refreshes), default=0)
            retries = sum(each.retry for each in refreshes)
            found[
                day, issued.client_id, issued.audience, rotations, reused, revoked, len(refreshes) - retries, retries
            ] += 1
    return found


def _given(history: Sequence[Fact], revocation: Fact) -> tuple[str, str, str, int]:
    """Resource, scope, grant type and second of the token, of the grant's first one, or of what was asked for."""
    before = [fact.event for fact in history if fact.stream == revocation.stream and fact.version < revocation.version]
    tokens = [event for event in before if isinstance(event, events.TokenIssued | events.TokenRefreshed)]
    if isinstance(revocation.event, events.TokenRevoked):
        tokens = [token for token in tokens if token.number == revocation.event.number]
    if tokens:
        grant_type = tokens[0].grant_type if isinstance(tokens[0], events.TokenIssued) else "refresh_token"
        return tokens[0].audience, _sorted(tokens[0].scope), grant_type, tokens[0].issued_at
    if isinstance(asked := before[0], events.AuthorizationGranted | events.DeviceRequested):
        device = isinstance(asked, events.DeviceRequested)
        grant_type = "urn:ietf:params:oauth:grant-type:device_code" if device else "authorization_code"
        only = asked.resources[0] if len(asked.resources) == 1 else ""
        return only, _sorted(asked.scope), grant_type, asked.issued_at
    raise AssertionError(before)


def lifetimes(history: Sequence[Fact]) -> Counter[tuple[Any, ...]]:
    """By day, client, resource, grant type and measure: how often how many seconds, at most; None for more."""
    found: Counter[tuple[Any, ...]] = Counter()
    for fact in history:
        at = int(fact.recorded_at.timestamp() // 1)
        day = at // 86_400 * 86_400
        match fact.event:
            case events.TokenIssued() as e:
                found[day, e.client_id, e.audience, e.grant_type, "given", e.expires_at - e.issued_at] += 1
            case events.TokenRefreshed() as e:
                found[day, e.client_id, e.audience, "refresh_token", "given", e.expires_at - e.issued_at] += 1
            case events.UsageRecorded() as e:
                used = min(at, e.minute) // 86_400 * 86_400
                for kind in e.introspections:
                    for up_to, times in zip((60, 300, 600, 1_800, 3_600, 14_400, None), kind.ages, strict=False):
                        found[used, e.client_id, kind.resource, kind.grant_type, "used", up_to] += times
            case events.TokenRevoked() | events.GrantRevoked() as e:
                resource, _, grant_type, since = _given(history, fact)
                measure = "token" if isinstance(e, events.TokenRevoked) else "grant"
                up_to = next((b for b in (60, 600, 3_600, 21_600, 86_400, 604_800, 2_592_000) if at - since <= b), None)
                found[day, e.client_id, resource, grant_type, measure, up_to] += 1
    return +found


def _sorted(scope: str) -> str:
    return " ".join(sorted(scope.split()))
