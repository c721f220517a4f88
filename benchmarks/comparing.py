"""One server beside Tallystick: each case in turn, A B A B, at full load, and some at half of it."""

from __future__ import annotations

import argparse
import statistics
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping
from functools import partial
from typing import Any, NamedTuple

from benchmarks.load import LOAD_CORE, Case, Measured, Mixed, measure
from benchmarks.peers.checking import check
from benchmarks.peers.peer import INTROSPECTION, ISSUANCE_JWT, ROTATION_JWT, ROTATION_OPAQUE, VERIFY, Peer, Round
from benchmarks.product import Tallystick
from benchmarks.stack import cpu_seconds

BESIDE = {VERIFY: INTROSPECTION, ROTATION_JWT: ROTATION_OPAQUE}
"""What a peer is asked beside a case of ours that it does not have."""
AT_HALF = (ISSUANCE_JWT, INTROSPECTION)
"""Cases whose times are told at half load, too."""
_LEAST_DELAY_MS = 1.0


class Options(NamedTuple):
    """Seconds of a round and before the first, connections, rounds, tokens that are asked about in turn, and how many
    of what a round uses up; `only` has parts of the names of cases, and none for all.
    """

    seconds: int
    warm: int
    connections: int
    rounds: int
    tokens: int
    uses: int
    only: tuple[str, ...] = ()

    @classmethod
    def of(cls, given: argparse.Namespace, only: Collection[str]) -> Options:
        """As a command line has them."""
        return cls(**{name: getattr(given, name) for name in cls._fields if name != "only"}, only=tuple(only))

    def wants(self, case: str) -> bool:
        """Whether it is to be measured."""
        return not self.only or any(part in case for part in self.only)


class Compared(NamedTuple):
    """One case, what came of it in each round, and CPU seconds of ours by role for a second; `theirs` are those of a
    peer in turn with ours, and there are none where `peer` is empty. At `half` load each side is asked half as often
    as it can answer.
    """

    peer: str
    case: str
    beside: str
    ours: list[Measured]
    theirs: list[Measured]
    cpu: dict[str, float]
    half: bool = False

    @property
    def ratios(self) -> list[float]:
        """Of the rates, by round."""
        return [our.rate / their.rate for our, their in zip(self.ours, self.theirs, strict=False)]

    @property
    def bad(self) -> int:
        """Answers that were not the expected ones."""
        return sum(measured.bad for measured in (*self.ours, *self.theirs))

    def as_json(self) -> dict[str, Any]:
        """With the names of all fields, and the ratios."""
        sides = {side: [each._asdict() for each in getattr(self, side)] for side in ("ours", "theirs")}
        return {**self._asdict(), **sides, "ratios": self.ratios}


class Side(NamedTuple):
    """Who is asked what: `make` gives the case of a round."""

    subject: Tallystick | Peer
    make: Callable[[], Case | Mixed]


def compare(ours: Tallystick, peer: Peer, options: Options) -> Iterator[Compared]:
    """Every case that the peer has a counterpart of."""
    our, their = sides_of(ours, options), sides_of(peer, options)
    for name, side in our.items():
        beside = name if name in their else BESIDE.get(name, "")
        if options.wants(name) and beside in their:
            yield from _measured(peer.name, name, beside, (side, their[beside]), options)


def alone(ours: Tallystick, measured: set[str], options: Options) -> Iterator[Compared]:
    """Every case that was not measured yet."""
    for name, side in sides_of(ours, options).items():
        if options.wants(name) and name not in measured:
            yield from _measured("", name, "", (side,), options)


def sides_of(subject: Tallystick | Peer, options: Options) -> dict[str, Side]:
    """By case. What a round uses up is made anew for each."""
    to_use = Round(options.uses, options.connections)
    sides = {case.name: Side(subject, partial(_same, case)) for case in subject.cases(options.tokens)}
    return sides | {name: Side(subject, partial(make, to_use)) for name, make in subject.fresh().items()}


def _same(case: Case) -> Case:
    return case


def _measured(peer: str, name: str, beside: str, sides: tuple[Side, ...], options: Options) -> Iterator[Compared]:
    for side in sides:
        case = side.make()
        check(case, side.subject.keys())
        measure(case, options.warm, options.connections, LOAD_CORE)
    full = _turns(Compared(peer, name, beside, [], [], {}), sides, options, (0.0,) * len(sides))
    yield full
    if name in AT_HALF:
        rounds = (full.ours, full.theirs)[: len(sides)]
        delays = tuple(_delay(side, side_rounds, options) for side, side_rounds in zip(sides, rounds, strict=True))
        yield _turns(Compared(peer, name, beside, [], [], {}, half=True), sides, options, delays)


def _turns(into: Compared, sides: tuple[Side, ...], options: Options, delays: tuple[float, ...]) -> Compared:
    spent: Counter[str] = Counter()
    for _ in range(options.rounds):
        for side, delay, measured in zip(sides, delays, (into.ours, into.theirs), strict=False):
            case = side.make()
            before = _cpu(side.subject)
            measured.append(measure(case, options.seconds, options.connections, LOAD_CORE, delay_ms=delay))
            spent.update({role: seconds - before.get(role, 0.0) for role, seconds in _cpu(side.subject).items()})
    seconds = sum(each.answers / each.rate for each in into.ours)
    return into._replace(cpu={role: round(spent[role] / seconds, 3) for role in sorted(spent)})


def _delay(side: Side, full: list[Measured], options: Options) -> float:
    """Milliseconds that a connection has to wait for half the load: the time between two of its requests, without that
    of the answer, which is measured with a first guess.
    """
    between = 2e3 * options.connections / statistics.median(each.rate for each in full)
    guess = measure(side.make(), options.seconds, options.connections, LOAD_CORE, delay_ms=between)
    return max(between - (1e3 * options.connections / guess.rate - between), _LEAST_DELAY_MS)


def _cpu(subject: Tallystick | Peer) -> Mapping[str, float]:
    return cpu_seconds(subject.product) if isinstance(subject, Tallystick) else {}


def told(compared: Compared) -> str:
    """One line of it."""
    ours = f"  {compared.case:26} {median(compared.ours, 'rate'):7.0f}/s"
    times = f"p50 {median(compared.ours, 'p50_ms'):.1f} ms   p99 {median(compared.ours, 'p99_ms'):.1f} ms"
    end = f"bad {compared.bad}   {compared.cpu}"
    where = "at half load" if compared.half else ""
    if not compared.theirs:
        return f"{ours} alone {where}   {times}   {end}"
    theirs = f"beside {median(compared.theirs, 'rate'):7.0f}/s"
    beside = f"p50 {median(compared.theirs, 'p50_ms'):.1f} ms   p99 {median(compared.theirs, 'p99_ms'):.1f} ms"
    if compared.half:
        return f"{ours} {theirs}   {where}: {times} / {beside}   {end}"
    ratios = compared.ratios
    spread = f"ratio {statistics.median(ratios):5.2f} ({min(ratios):.2f}…{max(ratios):.2f})"
    return f"{ours} {theirs}   {spread}   {times} / {beside}   {end}"


def median(measured: list[Measured], name: str) -> float:
    """Of one figure, over all rounds."""
    return statistics.median(float(getattr(each, name)) for each in measured)
