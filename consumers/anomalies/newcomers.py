"""Who comes beside those that always came: a network or a software that is new for a client.

When a client moves, the new one takes the old one's place (a deploy, a fail-over): the old goes silent. When somebody
else has its credentials, both go on side by side. So a newcomer speaks for abuse when the old ones go on as before.
"""

from __future__ import annotations

from typing import NamedTuple

import msgspec

from consumers.anomalies.memory import Kept, Trail
from schema.envelope import Fact

_DAY = 86_400.0
_FRESH = 3 * _DAY
_KNOWN = 64
_PENDING = 8
_LEARNS = 0.1
_KEPT = 10
_OF_EXPECTED = 0.3
_FEW = 3


class Manners(NamedTuple):
    """How newcomers are judged. Spans are in seconds.

    Within `warm` of a client's first event all are known. For `settle` old and new may go on together, but once `soon`
    is over not the old more than `share` times as often. After `adopt` a newcomer is known, whatever was said of it,
    unless it was spoken of and then away for as long: it is new again. A client with `wandering` newcomers in a month
    always has new ones.
    """

    warm: float
    soon: float
    settle: float
    share: float
    adopt: float
    wandering: int


class Newcomer(msgspec.Struct):
    """One that is new, since `first`. `old` are the events of the known since; `told` is whether it was spoken of."""

    first: float
    trail: Trail
    old: int = 0
    told: bool = False


class Habit(Kept):
    """Those that always came (`known`, with when last), and newcomers.

    `fresh` are those of the known that were new of late: that they come says nothing of the old ones. `gap` is the
    usual time between two events of the others, `daily` how many come a day.
    """

    began: float = 0.0
    last: float = 0.0
    gap: float = 0.0
    daily: float = 0.0
    day: int = 0
    today: int = 0
    known: dict[str, float] = msgspec.field(default_factory=dict)
    fresh: dict[str, float] = msgspec.field(default_factory=dict)
    pending: dict[str, Newcomer] = msgspec.field(default_factory=dict)
    novelties: list[float] = msgspec.field(default_factory=list)

    def begin_anew(self) -> None:
        """Forget the newcomers that were spoken of: who comes again is new again."""
        self.pending = {name: newcomer for name, newcomer in self.pending.items() if not newcomer.told}

    def meet(self, name: str, fact: Fact, at: float, manners: Manners) -> bool:
        """One came; whether it is a newcomer that is spoken of from now on, or was before."""
        if not self.began:
            self.began = at
        if name in self.known:
            self._go_on(name, at)
            return False
        newcomer = self.pending.get(name)
        if newcomer is not None and newcomer.told and at - newcomer.trail.last > manners.adopt:
            del self.pending[name]
            newcomer = None
        if newcomer is None:
            return self._arrive(name, fact, at, manners)
        newcomer.trail.add(fact, at, manners.adopt, _KEPT)
        if at - newcomer.first > manners.adopt:
            self._adopt(name, at)
            self.novelties.append(at)
        return newcomer.told

    def knows(self, name: str, at: float) -> None:
        """One that is no newcomer, though it is new here: others tell that it is of the house."""
        if name not in self.known and name not in self.pending:
            self.fresh[name] = at
            self._adopt(name, at)

    def wanders(self, at: float, manners: Manners) -> bool:
        """Whether the client is one that always has new ones."""
        enough = manners.wandering
        return len(self.novelties) >= enough and self.novelties[-enough] > at - 30 * _DAY

    def beside(self, before: float, at: float, manners: Manners) -> list[str]:
        """Newcomers that a known one shows to be another: it goes on as before. `before` is when one came last."""
        shown = []
        for name, newcomer in list(self.pending.items()):
            newcomer.old += 1
            if newcomer.told:
                continue
            if self._took_over(newcomer, before, at, manners):
                self._adopt(name, at)
            elif self._is_ripe(newcomer, at, manners):
                newcomer.told = True
                shown.append(name)
        return shown

    def _go_on(self, name: str, at: float) -> None:
        self.known[name] = at
        if self.fresh and self._is_fresh(name, at):
            return
        if self.last:
            self.gap += _LEARNS * (at - self.last - self.gap)
        self.last = at
        day = int(at // _DAY)
        if day != self.day:
            self.daily = self.today if not self.daily else self.daily + _LEARNS * (self.today - self.daily)
            self.day, self.today = day, 0
        self.today += 1

    def _is_fresh(self, name: str, at: float) -> bool:
        since = self.fresh.get(name)
        if since is not None and at - since > _FRESH:
            del self.fresh[name]
        return name in self.fresh

    def _arrive(self, name: str, fact: Fact, at: float, manners: Manners) -> bool:
        self.novelties = [moment for moment in self.novelties if moment > at - 30 * _DAY][-_KNOWN:]
        if at - self.began < manners.warm or len(self.novelties) >= manners.wandering:
            self._adopt(name, at)
            if at - self.began > _DAY:
                self.novelties.append(at)
            return False
        if len(self.pending) >= _PENDING:
            del self.pending[next(iter(self.pending))]
        trail = Trail()
        trail.add(fact, at, manners.adopt, _KEPT)
        self.pending[name] = Newcomer(at, trail)
        return False

    def _adopt(self, name: str, at: float) -> None:
        self.pending.pop(name, None)
        if len(self.known) >= _KNOWN:
            oldest = min(self.known, key=self.known.__getitem__)
            del self.known[oldest]
            self.fresh.pop(oldest, None)
        self._go_on(name, at)

    def _is_ripe(self, newcomer: Newcomer, at: float, manners: Manners) -> bool:
        since = at - newcomer.first
        return since >= manners.settle or (
            since >= manners.soon and newcomer.old >= manners.share * newcomer.trail.count
        )

    def _took_over(self, newcomer: Newcomer, before: float, at: float, manners: Manners) -> bool:
        """Whether the known ones were silent meanwhile, and the newcomer did what they do."""
        patience = max(manners.soon, 3 * self.gap)
        if at - before <= patience or before > newcomer.first + manners.settle:
            return False
        trail, lasted = newcomer.trail, at - newcomer.first
        stayed = at - trail.last <= patience
        return trail.count >= _FEW and (stayed or trail.count >= _OF_EXPECTED * self.daily * lasted / _DAY)
