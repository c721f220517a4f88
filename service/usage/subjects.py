"""What can be asked of the usage figures: each subject with its dimensions and measures.

This is the list of all names that come into a query. What they mean is told in docs/usage.md.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Literal, NamedTuple

Kind = Literal["text", "integer", "boolean", "time"]

SPANS: Mapping[str, int] = MappingProxyType({"minute": 7, "hour": 366, "day": 3_660, "week": 3_660, "month": 3_660})
"""The times that figures can be cut by, and how many days may be asked for at once."""

_VIEW_OF = {"minute": "minute", "hour": "hour", "day": "day", "week": "day", "month": "day"}


class Subject(NamedTuple):
    """One kind of figures. `view` has `{grain}` where there is a view for minutes, hours and days.

    `grains` are the times it can be cut by, none where it tells of no time. `measures` are aggregates, `by` is how it
    is cut unless told. Where it `has_day`, a condition on that column is the quick one.
    """

    name: str
    view: str
    grains: tuple[str, ...]
    dimensions: Mapping[str, Kind]
    measures: Mapping[str, tuple[str, Kind]]
    by: tuple[str, ...]
    has_day: bool = False

    def source(self, grain: str) -> str:
        """The view that has the figures of a time."""
        return self.view.format(grain=_VIEW_OF[grain]) if self.grains else self.view


def _text(*names: str) -> dict[str, Kind]:
    return dict.fromkeys(names, "text")


def _sums(*names: str) -> dict[str, tuple[str, Kind]]:
    return {name: (f"sum({name})::bigint", "integer") for name in names}


_ALL = tuple(SPANS)
_HOURLY = _ALL[1:]
_DAILY = _ALL[2:]
_KIND = _text("client", "resource", "scope", "grant_type")
_TOKENS = ("issued", "refreshed", "retried", "tokens_revoked", "grants_revoked")
_SIGN_IN = _text("client") | {"succeeded": "boolean"} | _text("method", "reason")
_INTROSPECTION = _text("introspector") | {"active": "boolean"} | _KIND | _text("reason")
_CHAIN = _text("client", "resource") | {"rotations": "integer"} | _text("ended", "reason")
_OF_TOKENS = _text("client", "resource", "grant_type")
_UNUSED = """(
    SELECT client, NULL::text AS scope, since FROM usage.unused_clients
    UNION ALL SELECT client, scope, since FROM usage.unused_scopes
)"""
# Those seen are counted over the whole of what is asked for: counts of distinct ones do not add up.
_SEEN = """(
    SELECT at, day, client, resource, subject, person, NULL::text AS source, NULL::text AS network
    FROM usage.subjects
    UNION ALL SELECT at, day, client, resource, NULL, NULL, source, network FROM usage.sources
)"""
_DISTINCT: dict[str, tuple[str, Kind]] = {
    "subjects": ("count(DISTINCT subject)", "integer"),
    "people": ("count(DISTINCT subject) FILTER (WHERE person)", "integer"),
    "sources": ("count(DISTINCT source)", "integer"),
    "networks": ("count(DISTINCT network)", "integer"),
}
_FIGURES = _sums(
    *_TOKENS,
    "reused",
    "introspected_active",
    "introspected_inactive",
    "rejected",
    "throttled",
    "signed_in",
    "sign_ins_failed",
)

_TIMES = _sums("times")
_REJECTION = _text("client", "resource", "scope", "endpoint", "error", "reason") | {"throttled": "boolean"}
_REVOCATION = _KIND | _text("revoked", "reason")
_AGE: dict[str, Kind] = {"up_to": "integer"}
_LIFETIME: dict[str, Kind] = {"lifetime": "integer"}
_CLIENT_DAY = ("client", "day")

SUBJECTS: Mapping[str, Subject] = MappingProxyType(
    {
        subject.name: subject
        for subject in (
            Subject("figures", "usage.by_{grain}", _ALL, _KIND, _FIGURES, _CLIENT_DAY),
            Subject("rejections", "usage.rejections_by_{grain}", _ALL, _REJECTION, _TIMES, ("client", "reason")),
            Subject("revocations", "usage.revocations_by_{grain}", _ALL, _REVOCATION, _TIMES, ("client", "reason")),
            Subject(
                "introspections",
                "usage.introspections_by_{grain}",
                _ALL,
                _INTROSPECTION,
                _TIMES,
                ("introspector", "active", "reason"),
            ),
            Subject("sign-ins", "usage.sign_ins_by_{grain}", _ALL, _SIGN_IN, _TIMES, ("method", "succeeded", "reason")),
            Subject(
                "scopes",
                "usage.scopes_by_{grain}",
                _ALL,
                _KIND,
                _sums(*_TOKENS, "introspected_active", "rejected"),
                ("resource", "scope"),
            ),
            Subject("subjects", _SEEN, _HOURLY, _text("client", "resource"), _DISTINCT, _CLIENT_DAY, has_day=True),
            Subject(
                "lifetimes", "usage.lifetimes_given", _DAILY, _OF_TOKENS | _LIFETIME, _TIMES, ("client", "lifetime")
            ),
            Subject("ages", "usage.ages_used", _DAILY, _OF_TOKENS | _AGE, _TIMES, ("client", "up_to")),
            Subject(
                "revoked-after",
                "usage.revoked_after",
                _DAILY,
                _OF_TOKENS | _text("revoked") | _AGE,
                _TIMES,
                ("client", "revoked", "up_to"),
            ),
            Subject(
                "refresh-chains",
                "usage.refresh_chains",
                _DAILY,
                _CHAIN,
                _sums("grants", "refreshes", "retries"),
                ("client", "rotations", "ended"),
            ),
            Subject(
                "unused", _UNUSED, (), _text("client", "scope"), {"since": ("min(since)", "time")}, ("client", "scope")
            ),
        )
    }
)
"""By the name that the command and the path have."""


def subject_for(name: str, by: Sequence[str]) -> Subject:
    """A subject; for `figures` by dimensions that only another one has, the first that has them all.

    Raises KeyError for a name of none.
    """
    subject = SUBJECTS[name]
    wanted = {dimension for dimension in by if dimension not in SPANS}
    if name == "figures" and not wanted <= set(subject.dimensions):
        others = (each for each in SUBJECTS.values() if each.grains == _ALL and wanted <= set(each.dimensions))
        return next(others, subject)
    return subject
