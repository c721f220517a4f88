"""Somebody who looks for clients: names that do not exist, and that nobody else asks for."""

from __future__ import annotations

from collections.abc import Iterable
from typing import ClassVar

import msgspec

from consumers.anomalies.contract import Signal
from consumers.anomalies.memory import Distinct, Kept, Keyed, Trail, lasting, moment_of
from consumers.anomalies.origins import site_of
from consumers.anomalies.thresholds import Thresholds
from schema.envelope import Fact
from schema.events import AccessRejected, Event, Severity

_DAY = 86_400.0
_MONTH = 30 * _DAY
_YEAR = 365 * _DAY
_NAMES = 4_096
_SITES = 1_024
_COMMON = 8
_EVERYWHERE = "unknown clients"


class _Site(msgspec.Struct):
    last: float = 0.0
    names: Distinct = msgspec.field(default_factory=Distinct)
    trail: Trail = msgspec.field(default_factory=Trail)


class _Names(Kept):
    """`asked_by` are the sites that asked for a name, at most `_COMMON`; `rare` are names of few, seen of late. Of
    `sites` the longest unseen is first.
    """

    COUNTS: ClassVar[tuple[str, ...]] = ("rare", "trail")
    began: float = 0.0
    names: Distinct = msgspec.field(default_factory=Distinct)
    asked_by: dict[str, list[str]] = msgspec.field(default_factory=dict)
    rare: Distinct = msgspec.field(default_factory=Distinct)
    trail: Trail = msgspec.field(default_factory=Trail)
    sites: dict[str, _Site] = msgspec.field(default_factory=dict)


class ClientProbing(Keyed[_Names]):
    """Unknown client ids, from one address or, within a day, from many.

    What scans the whole internet asks for the same few names from ever other places: those count for nothing. A client
    that was removed and goes on asking is a single name.
    """

    name = "client_probing"
    technique = "T1087.004"
    types: frozenset[type[Event]] = frozenset({AccessRejected})
    shape = _Names

    def __init__(self, thresholds: Thresholds) -> None:
        super().__init__(1, _YEAR)
        self._window = float(thresholds.long_window)
        self._warm = float(thresholds.warm_up)
        self._names = thresholds.unknown_clients
        self._everywhere = thresholds.unknown_clients_everywhere

    def keys(self, fact: Fact) -> Iterable[str]:
        """All names that are nobody's are one thing: what is common can be told of all of them alone."""
        event = fact.event
        if type(event) is AccessRejected and event.reason == "unknown_client" and event.claimed_client and fact.source:
            return (_EVERYWHERE,)
        return ()

    def observe(self, key: str, fact: Fact) -> Iterable[Signal]:
        """Count names that are not common."""
        event, at = fact.event, moment_of(fact.recorded_at)
        if type(event) is not AccessRejected or event.claimed_client is None or fact.source is None:
            return ()
        kept, name, where = self.recall(key, at), event.claimed_client, site_of(fact.source)
        kept.began = kept.began or at
        if self._is_common(kept, name, where, at):
            return ()
        site = self._site(kept, where, at)
        names = site.names.add(name, at, self._window, 2 * self._names)
        site.trail.add(fact, at, self._window, 1)
        everywhere = kept.rare.add(name, at, _DAY, 4 * self._everywhere)
        kept.trail.add(fact, at, _DAY, 1)
        if at - kept.began < self._warm:
            return ()
        if names >= self._names:
            return (self._speak(f"source {where}", site.trail, names, f"from {where}", fact),)
        if everywhere >= self._everywhere:
            return (self._speak(_EVERYWHERE, kept.trail, everywhere, "from several addresses", fact),)
        return ()

    def acknowledged(self, about: str) -> None:
        """Count anew what came from one place, or all: the names of a place are among those of all."""
        kept = self.known(_EVERYWHERE)
        if kept is None:
            return
        kept.begin_anew()
        if about == _EVERYWHERE:
            kept.sites = {}
        else:
            kept.sites.pop(about.removeprefix("source "), None)

    def _is_common(self, kept: _Names, name: str, where: str, at: float) -> bool:
        kept.names.add(name, at, _MONTH, _NAMES)
        if len(kept.asked_by) > 2 * _NAMES:
            kept.asked_by = {known: sites for known, sites in kept.asked_by.items() if known in kept.names.seen}
        asked_by = kept.asked_by.setdefault(name, [])
        if where not in asked_by and len(asked_by) < _COMMON:
            asked_by.append(where)
        return len(asked_by) >= _COMMON

    def _site(self, kept: _Names, where: str, at: float) -> _Site:
        site = kept.sites.pop(where, None) or _Site()
        if len(kept.sites) >= _SITES:
            del kept.sites[next(iter(kept.sites))]
        kept.sites[where] = site
        site.last = at
        return site

    def _speak(self, about: str, trail: Trail, names: int, where: str, fact: Fact) -> Signal:
        severity: Severity = "medium" if trail.count >= 2 * self._names else "low"
        over = lasting(max(trail.last - trail.began, 1))
        summary = f"{names} names of clients that do not exist were tried {where} within {over}."
        return self.signal(fact, about, severity, summary, **trail.evidence())
