"""A plan as people and programs read it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from service.access.durations import written_duration
from service.access.errors import visible
from service.access.grant_names import written_grant
from service.access.plan import FieldChange, Plan, Step

_SIGNS = {"add": "+", "change": "~", "remove": "-"}


def difference(plan: Plan) -> list[str]:
    """The lines of a plan: `+` made, `~` changed with each field before → after, `-` removed, and what is kept."""
    lines = [line for step in plan.steps for line in _lines(step)] or ["nothing to change"]
    if plan.kept:
        lines.append(
            f"kept, although not in the file: {', '.join(f'{kind} {visible(name)}' for kind, name in plan.kept)}"
        )
    return lines


def as_json(steps: Sequence[Step]) -> list[dict[str, Any]]:
    """The same as data: action, kind, name, and for each field of a change what it was and is."""
    return [
        {
            "action": step.action,
            "kind": step.kind,
            "name": step.name,
            "fields": {change.field: {"before": change.before, "after": change.after} for change in step.fields},
        }
        for step in steps
    ]


def _lines(step: Step) -> Iterator[str]:
    yield f"{_SIGNS[step.action]} {step.kind} {visible(step.name)}"
    for change in step.fields:
        yield f"    {visible(change.field)}: {_change(step, change)}"
    if step.needs_secret:
        yield "    secret: a new one"


def _change(step: Step, change: FieldChange) -> str:
    after = _written(change.field, change.after)
    return after if step.action == "add" else f"{_written(change.field, change.before)} → {after}"


def _written(field: str, value: Any) -> str:
    if field == "access_token_lifetime":
        return "the server's" if value is None else written_duration(value)
    if value is None or value in ((), {}):
        return "none"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if field == "jwks":
        return ", ".join(visible(str(key.get("kid", f"a {key.get('kty')} key without kid"))) for key in value)
    if isinstance(value, str):
        return visible(value) or ("no description" if field.startswith("scopes.") else "none")
    return ", ".join(_items(map(written_grant, value) if field == "grants" else value))


def _items(value: Iterable[str]) -> Iterator[str]:
    if not isinstance(value, Mapping):
        return map(visible, value)
    return (f"{visible(name)} ({visible(text)})" if text else visible(name) for name, text in value.items())
