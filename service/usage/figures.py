"""A question about usage, as asked by the command or over HTTP, and the one SQL query that it becomes.

Names come from the list of `subjects`; whatever else a caller says is a parameter of the query.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from service.usage.periods import beginning, moment_of
from service.usage.subjects import SPANS, Kind, Subject, subject_for

LIMIT = 10_000
LARGEST_LIMIT = 100_000

_SINCE = dt.timedelta(days=7)
_DAY = 24 * 60
_WHOLE = {"minute": 1, "hour": 60, "day": _DAY}
_LONGEST_VALUE = 2_048
_BOOLEANS = {"true": True, "false": False}
_WANTED: Mapping[Kind, str] = {
    "text": "text that can be",
    "integer": "a number that can be",
    "boolean": "true or false",
}


class BadQuestion(Exception):
    """A question that means nothing: `parameter` is what is wrong, `problem` goes on after its name."""

    def __init__(self, parameter: str, problem: str) -> None:
        super().__init__(f"{parameter} {problem}")
        self.parameter = parameter
        self.problem = problem


class Question(NamedTuple):
    """What is asked. `grain` is the time that it is cut by, None for one figure over all of it.

    `since` is the first moment of its minute, hour, day, week or month; `until` the first that does not count.
    Both are None for a subject that tells of no time.
    """

    subject: Subject
    by: tuple[str, ...]
    grain: str | None
    since: dt.datetime | None
    until: dt.datetime | None
    where: Mapping[str, str]
    limit: int

    @property
    def columns(self) -> dict[str, Kind]:
        """The columns of the answer, and what is in them."""
        dimensions: dict[str, Kind] = {name: self.subject.dimensions.get(name, "time") for name in self.by}
        return dimensions | {name: kind for name, (_, kind) in self.subject.measures.items()}


def question(
    name: str,
    by: str | None,
    since: str | None,
    until: str | None,
    *,
    now: dt.datetime,
    where: Mapping[str, str] = {},
    limit: int = LIMIT,
) -> Question:
    """Read a question. Raises BadQuestion, or KeyError for a subject that there is none of."""
    asked = () if by is None else tuple(part.strip() for part in by.split(","))
    subject = subject_for(name, (*asked, *where))
    chosen = asked or subject.by
    grain = _grain(subject, chosen)
    _check_names(subject, chosen, where)
    if not 1 <= limit <= LARGEST_LIMIT:
        raise BadQuestion("limit", f"must be 1 to {LARGEST_LIMIT}")
    begin: dt.datetime | None = None
    end: dt.datetime | None = None
    if subject.grains:
        begin, end = _period(since, until, now, grain or subject.grains[min(1, len(subject.grains) - 1)])
    elif since is not None or until is not None:
        raise BadQuestion("since" if since is not None else "until", f"cannot be asked of {name}: it tells of now")
    return Question(subject, chosen, grain, begin, end, where, limit)


def query_of(asked: Question) -> tuple[str, list[object]]:
    """The query and its arguments. It gives one row more than the limit where there are more."""
    arguments: list[object] = []
    conditions: list[str] = []

    def given(value: object) -> str:
        arguments.append(value)
        return f"${len(arguments)}"

    if asked.since is not None:
        begin, end = given(asked.since), given(asked.until)
        conditions += [f"at >= {begin}", f"at < {end}"]
        if asked.subject.has_day:
            conditions += [f"day >= date_trunc('day', {begin}, 'UTC')", f"day < {end}"]
    for name, value in asked.where.items():
        conditions.append(f"{name} = {given(_value(asked.subject, name, value))}")
    dimensions = [f"{_expression(name)} AS {name}" for name in asked.by]
    measures = [f"{aggregate} AS {name}" for name, (aggregate, _) in asked.subject.measures.items()]
    places = ", ".join(str(place) for place in range(1, len(asked.by) + 1))
    where = f"WHERE {' AND '.join(conditions)}" if conditions else ""
    source = asked.subject.source(_view_grain(asked))
    query = f"SELECT {', '.join([*dimensions, *measures])} FROM {source} AS asked {where}"  # noqa: S608 names of the list
    return f"{query} GROUP BY {places} ORDER BY {_order(asked)} LIMIT {given(asked.limit + 1)}", arguments


def _view_grain(asked: Question) -> str:
    return asked.grain or ("hour" if "hour" in asked.subject.grains else "day")


def _expression(name: str) -> str:
    return f"date_trunc('{name}', at, 'UTC')" if name in SPANS else name


def _order(asked: Question) -> str:
    """Time first, then the other dimensions as they are named; by byte, so that the order is the same everywhere."""
    places = {name: place for place, name in enumerate(asked.by, start=1)}
    text = {name for name, kind in asked.subject.dimensions.items() if kind == "text"}
    order = sorted(asked.by, key=lambda name: name not in SPANS)
    return ", ".join(f'{name} COLLATE "C"' if name in text else str(places[name]) for name in order)


def _grain(subject: Subject, by: Sequence[str]) -> str | None:
    grains = [name for name in by if name in SPANS]
    if len(grains) > 1:
        raise BadQuestion("by", "names more than one time")
    if grains and grains[0] not in subject.grains:
        raise BadQuestion("by", f"cannot name {grains[0]} here: {_told(subject)}")
    return grains[0] if grains else None


def _check_names(subject: Subject, by: Sequence[str], where: Mapping[str, str]) -> None:
    known = {*subject.dimensions, *subject.grains}
    if len(set(by)) < len(by):
        raise BadQuestion("by", "names something twice")
    if not known.issuperset(by):
        raise BadQuestion("by", f"names something that these figures are not cut by: {_told(subject)}")
    for name, value in where.items():
        if name not in subject.dimensions:
            raise BadQuestion(name, f"is nothing that these figures are cut by: {_told(subject)}")
        _value(subject, name, value)


def _told(subject: Subject) -> str:
    return f"there is {', '.join((*subject.dimensions, *subject.grains))}"


def _value(subject: Subject, name: str, value: str) -> object:
    """What a column is compared with. Raises BadQuestion."""
    kind = subject.dimensions[name]
    if kind == "integer" and value.isascii() and value.isdecimal() and len(value) < len("2147483647"):
        return int(value)
    if kind == "boolean" and value in _BOOLEANS:
        return _BOOLEANS[value]
    if kind == "text" and "\x00" not in value and len(value) <= _LONGEST_VALUE:
        return value
    raise BadQuestion(
        name, f"is not {'text' if kind == 'text' else 'true or false' if kind == 'boolean' else 'a number'}"
    )


def _period(since: str | None, until: str | None, now: dt.datetime, grain: str) -> tuple[dt.datetime, dt.datetime]:
    end = now if until is None else _moment("until", until, now)
    begin = beginning(grain, end - _SINCE if since is None else _moment("since", since, now))
    if begin >= end:
        raise BadQuestion("since", "must be before until")
    # The first week or month is a whole one, and may begin that much earlier.
    if end - begin > dt.timedelta(days=SPANS[grain], minutes=_WHOLE.get(grain, 31 * _DAY)):
        raise BadQuestion("since", f"is too long before until: figures by {grain} are given for {SPANS[grain]} days")
    return begin, end


def _moment(parameter: str, text: str, now: dt.datetime) -> dt.datetime:
    try:
        return moment_of(text, now)
    except ValueError as error:
        raise BadQuestion(parameter, str(error)) from None
