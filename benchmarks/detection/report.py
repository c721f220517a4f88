"""The tables of `docs/detection.md`, and what is printed of misses and false findings."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Sequence
from pathlib import Path

from benchmarks.detection.judge import Outcome
from benchmarks.detection.rightly import OWN
from benchmarks.detection.score import OfKind, OfRule, Score, middle

Row = Sequence[object]

_MINUTE, _HOUR, _DAY = 60, 3_600, 86_400


def table(head: Row, rows: Iterable[Row]) -> str:
    """A Markdown table."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(str(cell) for cell in line) + " |" for line in lines)


def summary_of(score: Score) -> str:
    """What all rules together came to."""
    seeds = ", ".join(map(str, score.seeds))
    worst, who = score.worst
    rows = [
        ("seeds", seeds),
        ("days of each", score.days),
        ("events", f"{score.events:,}"),
        ("attacks", sum(share.of for kind in score.kinds.values() for share in kind.recall.values())),
        ("precision of all findings", f"{score.precision:.3f}"),
        ("false findings for a client and month, mean", f"{score.false_by_client_month:.3f}"),
        ("the same, worst client of all", f"{worst:.1f} ({who})"),
        ("clients with more than one in a month", f"{score.often.found} of {score.often.of}"),
        ("false findings about people or sources alone, by month", f"{score.without_client_by_month:.1f}"),
    ]
    return table(("all rules", ""), rows)


def rules_of(score: Score) -> str:
    """A row for each rule."""
    rows = [_rule_row(name, score.rules.get(name, OfRule())) for name in sorted({*OWN.values(), *score.rules})]
    return table(("rule", "recall, strong", "recall, subtle", "true", "false", "precision"), rows)


def kinds_of(score: Score) -> str:
    """A row for each kind of attack."""
    rows = [_kind_row(name, score.kinds[name]) for name in OWN if name in score.kinds]
    head = ("attack", "strong", "subtle", "strong, by its own rule", "subtle, by its own rule")
    return table((*head, "waited for others, at most", "after its first event", "of its events seen"), rows)


def explained(outcome: Outcome) -> str:
    """What was missed and what was false in one seed."""
    spent = f"{outcome.simulating:.0f} s to make, {outcome.judging:.0f} s to judge"
    lines = [f"seed {outcome.seed}: {outcome.events:,} events, {spent}"]
    for label in outcome.labels:
        if not label.counts:
            lines.append(f"  did not come about: {label.name}")
        elif not outcome.matched.of(label):
            about = ", ".join(sorted(label.clients)[:3] or sorted(label.subjects)[:1])
            lines.append(f"  MISSED {label.name}: {len(label.positions)} events from {label.positions[0]}, {about}")
    for found in outcome.matched.false:
        when = dt.datetime.fromtimestamp(found.said[0].at, dt.UTC).strftime("%a %d %b %H:%M")
        lines.append(f"  FALSE {found.rule}, {found.about}, {when}, event {found.said[0].position}: {found.summary}")
    return "\n".join(lines)


def write_between(path: Path, name: str, text: str) -> None:
    """Replace what stands between `<!-- name -->` and `<!-- /name -->`. Raises ValueError where they are not."""
    before, begin, rest = path.read_text().partition(f"<!-- {name} -->\n")
    _, end, after = rest.partition(f"<!-- /{name} -->")
    if not begin or not end:
        raise ValueError(f"{path} has no markers of {name}")
    path.write_text(f"{before}{begin}\n{text}\n\n{end}{after}")


def lasting(seconds: float) -> str:
    """A span as people say it."""
    for unit, name in ((_DAY, "d"), (_HOUR, "h"), (_MINUTE, "min")):
        if seconds >= unit:
            return f"{seconds / unit:.1f} {name}"
    return f"{seconds:.0f} s"


def _rule_row(name: str, rule: OfRule) -> Row:
    precision = f"{rule.precision:.2f}" if rule.true + rule.false else "–"
    return (f"`{name}`", rule.recall["strong"], rule.recall["subtle"], rule.true, rule.false, precision)


def _kind_row(name: str, kind: OfKind) -> Row:
    waited = max((reached.waited for reached in kind.reached), default=0.0)
    began = middle([reached.began for reached in kind.reached])
    share = middle([reached.share for reached in kind.reached])
    recalls = (kind.recall["strong"], kind.recall["subtle"], kind.own["strong"], kind.own["subtle"])
    return (name.replace("_", " "), *recalls, lasting(waited), lasting(began), f"{share:.0%}")
