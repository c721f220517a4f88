"""The introspection endpoint of the simulated service, and what it counts and observes (`service/usage/`)."""

from __future__ import annotations

from bisect import bisect_left
from collections import defaultdict

from benchmarks.detection.labels import Label
from benchmarks.detection.sim.access import Access
from benchmarks.detection.sim.places import Caller
from benchmarks.detection.sim.schedule import MINUTE, Process
from benchmarks.detection.sim.state import Api, Grant, Token
from schema.events import AGE_BOUNDS, IntrospectionCount, TokenSourceObserved, UsageRecorded
from schema.networks import network_of

_NETWORKS = 64
_Kind = tuple[str, str, str, str]
_Ages = list[int]


class Introspection:
    """Answers APIs; counts become `usage.recorded` each minute, new networks `token.source_observed` at once."""

    def __init__(self, access: Access) -> None:
        self._access = access
        self._ledger = access.ledger
        self._schedule = access.schedule
        self._counts: dict[tuple[str, int], dict[_Kind, _Ages]] = {}
        self._labels: defaultdict[tuple[str, int], list[Label]] = defaultdict(list)

    def ask(self, api: Api, token: Token, bearer: Caller | None = None) -> bool:
        """An API asks about one token, and may tell who brought it; whether it is active."""
        now, grant, caller = int(self._schedule.now), token.grant, self._caller(api)
        gone = token.number < grant.number and token.expires_at <= grant.refreshed_at
        if gone or (token.expires_at <= now and not grant.revoked):
            reason = "token_expired"
        elif grant.audience != api.uri:
            reason = "token_of_other_audience"
        elif grant.revoked:
            reason = "token_revoked"
        else:
            self.count(api, grant, 1, age=now - token.issued_at)
            if bearer is not None and api.tells:
                self._observe(api, token, bearer, caller)
            return True
        refuse = self._access.refuse
        refuse("introspect", "inactive_token", reason, caller, client_id=api.client_id, token_id=token.id)
        return False

    def ask_nonsense(self, api: Api, reason: str) -> None:
        """An API was shown something that is no token of ours."""
        digest, refuse = self._ledger.digest(), self._access.refuse
        caller = self._caller(api)
        refuse("introspect", "inactive_token", reason, caller, client_id=api.client_id, token_digest=digest)

    def count(self, api: Api, grant: Grant, number: int, age: int = 120, label: Label | None = None) -> None:
        """So many introspections found an active token of a grant."""
        minute = int(self._schedule.now // MINUTE * MINUTE)
        place = (grant.client_id, minute)
        kinds = self._counts.setdefault(place, {})
        kind = (api.uri, grant.scope, grant.grant_type if grant.number < 2 else "refresh_token", api.client_id)
        ages = kinds.setdefault(kind, [0] * (len(AGE_BOUNDS) + 1))
        ages[bisect_left(AGE_BOUNDS, age)] += number
        if label is not None and label not in self._labels[place]:
            self._labels[place].append(label)

    def record(self) -> Process:
        """Record each minute what was counted, as a worker does."""
        while True:
            yield MINUTE
            counted, self._counts = self._counts, {}
            for place, kinds in counted.items():
                position = self._ledger.alone(_recorded(place, kinds))
                for label in self._labels.pop(place, ()):
                    label.note(position, self._schedule.now)

    def _caller(self, api: Api) -> Caller:
        number = int(self._schedule.now * 7) % len(api.addresses)
        return Caller(api.addresses[number], api.agent)

    def _observe(self, api: Api, token: Token, bearer: Caller, caller: Caller) -> None:
        network, seen = network_of(bearer.source), token.grant.observed
        if network == network_of(token.source) or network in seen or len(seen) >= _NETWORKS:
            return
        seen.add(network)
        observed = TokenSourceObserved(
            client_id=token.grant.client_id,
            subject=token.grant.subject,
            token_id=token.id,
            introspector=api.client_id,
            source=bearer.source,
            issued_from=token.source,
            user_agent=bearer.agent,
        )
        self._ledger.alone(observed, caller.source)


def _recorded(place: tuple[str, int], kinds: dict[_Kind, _Ages]) -> UsageRecorded:
    counts = tuple(
        IntrospectionCount(
            resource=kind[0],
            scope=kind[1],
            grant_type=kind[2],
            introspector=kind[3],
            count=sum(ages),
            ages=tuple(ages),
        )
        for kind, ages in sorted(kinds.items())
    )
    return UsageRecorded(client_id=place[0], minute=place[1], introspections=counts)
