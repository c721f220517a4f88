"""Questions are read strictly, and nothing that a caller says becomes part of a query."""

from __future__ import annotations

import datetime as dt
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.usage.figures import BadQuestion, Question, query_of, question
from service.usage.subjects import SPANS, SUBJECTS

NOW = dt.datetime(2026, 5, 20, 13, 45, 30, 250, tzinfo=dt.UTC)
_QUERY = re.compile(r"[A-Za-z0-9_ $.,=<>()\n'\"*:-]+")
_names = st.sampled_from(
    sorted({*SPANS, *(name for subject in SUBJECTS.values() for name in subject.dimensions)})
) | st.text(max_size=12)
_moments = st.none() | st.text(max_size=30) | st.sampled_from(["7d", "24h", "2026-05-01", "2026-05-01T00:00:00+02:00"])


@given(
    name=st.sampled_from(sorted(SUBJECTS)),
    by=st.none() | st.lists(_names, max_size=4).map(",".join),
    since=_moments,
    until=_moments,
    where=st.dictionaries(_names, st.text(max_size=12) | st.sampled_from(["true", "12"]), max_size=2),
    limit=st.integers(),
)
def test_any_question_is_read_or_refused(
    name: str, by: str | None, since: str | None, until: str | None, where: dict[str, str], limit: int
) -> None:
    """Whatever is asked, it becomes a query of known names, with all values as its arguments, or is a bad question."""
    asked = _read(name, by, since, until, where, limit)
    if isinstance(asked, BadQuestion):
        assert asked.parameter in {"by", "since", "until", "limit", *where}
        return
    query, arguments = query_of(asked)
    assert {*asked.by, *where} <= {*SPANS, *asked.subject.dimensions}
    assert _QUERY.fullmatch(query)
    assert len(arguments) == len(set(re.findall(r"\$[0-9]+", query)))
    assert {value for value in where.values() if not value.isdecimal()} <= set(map(_as_given, arguments))


def _read(
    name: str, by: str | None, since: str | None, until: str | None, where: dict[str, str], limit: int
) -> Question | BadQuestion:
    try:
        return question(name, by, since, until, now=NOW, where=where, limit=limit)
    except BadQuestion as bad:
        return bad


def _as_given(argument: object) -> str:
    return str(argument).lower() if isinstance(argument, bool) else str(argument)


@pytest.mark.parametrize(("by", "since"), [("minute", "8d"), ("minute", "30d"), ("hour", "368d"), ("day", "3700d")])
def test_a_time_that_is_too_long_for_its_grain_is_refused(by: str, since: str) -> None:
    """What is documented as the longest time is, but for the whole first moment."""
    with pytest.raises(BadQuestion, match="too long before until"):
        question("figures", by, since, None, now=NOW)


@pytest.mark.parametrize(
    ("by", "since", "begins"),
    [
        ("minute", "10m", dt.datetime(2026, 5, 20, 13, 35, tzinfo=dt.UTC)),
        ("hour", "24h", dt.datetime(2026, 5, 19, 13, tzinfo=dt.UTC)),
        ("day", "7d", dt.datetime(2026, 5, 13, tzinfo=dt.UTC)),
        ("week", "2w", dt.datetime(2026, 5, 4, tzinfo=dt.UTC)),
        ("month", "60d", dt.datetime(2026, 3, 1, tzinfo=dt.UTC)),
        ("client", "24h", dt.datetime(2026, 5, 19, 13, tzinfo=dt.UTC)),
        ("day", "2026-05-01T01:00:00+02:00", dt.datetime(2026, 4, 30, tzinfo=dt.UTC)),
        ("day", None, dt.datetime(2026, 5, 13, tzinfo=dt.UTC)),
    ],
)
def test_the_first_of_a_time_is_a_whole_one(by: str, since: str | None, begins: dt.datetime) -> None:
    """Figures begin with the first moment of a minute, hour, day, week or month, and end now."""
    asked = question("figures", by, since, None, now=NOW)
    assert (asked.since, asked.until) == (begins, NOW)


def test_the_document_lists_every_subject() -> None:
    """docs/http-api.md has a row for each subject, with each name that it can be cut by."""
    document = (Path(__file__).parents[2] / "docs" / "http-api.md").read_text()
    rows = dict(re.findall(r"^\| `/usage/([a-z-]+)` \|(.*)$", document, re.MULTILINE))
    named = {name: set(re.findall(r"`([a-z_]+)`", row)) for name, row in rows.items()}
    assert list(SUBJECTS) == sorted(named, key=list(SUBJECTS).index)
    assert [
        (name, missing) for name, subject in SUBJECTS.items() if (missing := set(subject.dimensions) - named[name])
    ] == []
