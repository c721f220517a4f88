"""`GET /usage/…`: who may ask, what is answered, in each format the same."""

from __future__ import annotations

import csv
import datetime as dt
import io
from typing import Any

import pyarrow as pa
import pytest
from pyarrow import parquet

from service.usage.subjects import SUBJECTS, Kind
from tests.usage_surfaces.used import ISSUED, REFUSED, Used

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def test_figures_are_those_of_the_journal(used: Used) -> None:
    """What was issued and refused is counted, and how far the figures reach is told."""
    answered = await used.get("figures", by="client", client=used.client)
    told = answered.json()
    assert answered.status_code == 200
    (row,) = told["figures"]
    assert (used.client, ISSUED, REFUSED) == (row["client"], row["issued"], row["rejected"])
    assert (told["head"], False) == (told["position"], told["truncated"])
    assert dt.datetime.fromisoformat(told["through"]).tzinfo is not None


async def test_dimensions_of_refusals_are_found_by_their_names(used: Used) -> None:
    """`by=error,reason` asks about refusals."""
    told = (await used.get("figures", by="error,reason", client=used.client)).json()
    assert told["subject"] == "rejections"
    assert [row["times"] for row in told["figures"]] == [REFUSED]


@pytest.mark.parametrize("subject", SUBJECTS)
async def test_every_subject_answers(used: Used, subject: str) -> None:
    """Each subject can be asked for as is, and cut by each of its dimensions and times."""
    for by in (None, *SUBJECTS[subject].dimensions, *SUBJECTS[subject].grains):
        answered = await used.get(subject, **({} if by is None else {"by": by}))
        assert answered.status_code == 200, answered.text
        assert set(SUBJECTS[subject].measures) <= set().union(
            *answered.json()["figures"] or [SUBJECTS[subject].measures]
        )


@pytest.mark.parametrize("subject", ["figures", "rejections", "subjects", "unused"])
async def test_formats_tell_the_same(used: Used, subject: str) -> None:
    """JSON, CSV and Parquet read back to the same rows; Parquet has real types."""
    rows = (await used.get(subject)).json()["figures"]
    lines = (await used.get(subject, "text/csv")).text
    table = parquet.read_table(io.BytesIO((await used.get(subject, format="parquet")).content))
    assert rows
    assert [{name: _in_line(value) for name, value in row.items()} for row in rows] == list(
        csv.DictReader(io.StringIO(lines, newline=""))
    )
    assert rows == [{name: _plain(value) for name, value in row.items()} for row in table.to_pylist()]
    assert [_type(kind) for kind in _kinds(subject)] == table.schema.types


def _kinds(subject: str) -> list[Kind]:
    asked = SUBJECTS[subject]
    return [asked.dimensions.get(name, "time") for name in asked.by] + [kind for _, kind in asked.measures.values()]


def _type(kind: str) -> Any:
    return {"text": pa.string(), "integer": pa.int64(), "boolean": pa.bool_(), "time": pa.timestamp("us", tz="UTC")}[
        kind
    ]


def _in_line(value: Any) -> str:
    return "" if value is None else str(value).lower() if isinstance(value, bool) else str(value)


def _plain(value: Any) -> Any:
    return value.isoformat().replace("+00:00", "Z") if isinstance(value, dt.datetime) else value


@pytest.mark.parametrize(
    ("accept", "answered"),
    [
        ("", "application/json"),
        ("*/*", "application/json"),
        ("text/csv", "text/csv; charset=utf-8; header=present"),
        ("application/vnd.apache.parquet", "application/vnd.apache.parquet"),
        ("text/csv;q=0.5, application/json", "application/json"),
        ("text/csv;q=0, text/html", "application/json"),
    ],
)
async def test_accept_chooses(used: Used, accept: str, answered: str) -> None:
    """The media type that is liked best, JSON where none is known."""
    assert answered == (await used.get("unused", accept)).headers["content-type"]


async def test_scripts_of_other_sites_may_read_all_of_it(used: Used) -> None:
    """CORS exposes the headers that tell how far the figures reach, and those of a refusal."""
    for answered, told in (
        (await used.get("figures"), ("tallystick-position", "tallystick-through", "tallystick-truncated")),
        (await used.get("figures", token=used.auditor), ("www-authenticate", "retry-after")),
    ):
        assert set(told) <= set(answered.headers["access-control-expose-headers"].split(", "))


async def test_limit_is_told_of(used: Used) -> None:
    """Where there are more rows than asked for, that is said."""
    answered = await used.get("figures", by="client,scope", limit=1)
    assert (len(answered.json()["figures"]), answered.json()["truncated"]) == (1, True)
    assert answered.headers["tallystick-truncated"] == "true"


@pytest.mark.parametrize(
    ("subject", "query"),
    [
        ("figures", {"by": "nothing"}),
        ("figures", {"by": ""}),
        ("figures", {"by": "client,client"}),
        ("figures", {"by": "day,hour"}),
        ("figures", {"by": "client;DROP TABLE x"}),
        ("lifetimes", {"by": "hour"}),
        ("figures", {"since": "yesterday"}),
        ("figures", {"since": "999999w"}),
        ("figures", {"since": "2026-01-01T00:00:00"}),
        ("figures", {"since": "0001-01-01T00:00:00+14:00"}),
        ("figures", {"since": "2026-02-01", "until": "2026-01-01"}),
        ("figures", {"by": "minute", "since": "90d"}),
        ("unused", {"since": "7d"}),
        ("figures", {"limit": "0"}),
        ("figures", {"limit": "-1"}),
        ("figures", {"limit": "10001"}),
        ("figures", {"limit": "1000000000000"}),
        ("figures", {"limit": "²"}),
        ("figures", {"format": "xml"}),
        ("figures", {"endpoint": "token", "grant_type": "x"}),
        ("figures", {"client": "x" * 3_000}),
        ("figures", {"client": "a\0b"}),
        ("ages", {"up_to": "much"}),
        ("rejections", {"throttled": "perhaps"}),
        ("figures", {"cleint": "a"}),
        ("figures", {"client": ["a", "b"]}),
    ],
)
async def test_bad_questions_are_problems(used: Used, subject: str, query: dict[str, Any]) -> None:
    """What means nothing is 400, as a problem that names the parameter."""
    answered = await used.get(subject, **query)
    assert answered.status_code == 400, answered.text
    assert answered.headers["content-type"] == "application/problem+json"
    assert answered.json()["detail"]


async def test_the_audit_scope_does_not_give_usage(used: Used) -> None:
    """A token of audit:read alone is refused here, and one without any is told what is needed."""
    refused = await used.get("figures", token=used.auditor)
    assert refused.status_code == 403
    assert 'scope="usage:read"' in refused.headers["www-authenticate"]
    assert (await used.worker.http.get("/usage/figures")).status_code == 401
    assert (
        await used.worker.http.get("/audit/events", headers={"authorization": f"Bearer {used.token}"})
    ).status_code == 403


async def test_a_refusal_is_journalled(used: Used) -> None:
    """Who was refused, where and why is an event."""
    await used.get("figures", token=used.auditor)
    (event,) = await used.worker.core.journal.fetch(
        "SELECT data->>'endpoint' AS endpoint, data->>'reason' AS reason FROM journal.events"
        " WHERE type = 'access.rejected' ORDER BY position DESC LIMIT 1"
    )
    assert (event["endpoint"], event["reason"]) == ("usage", "scope_missing")


async def test_other_methods_and_paths(used: Used) -> None:
    """Only GET, and only subjects that there are."""
    headers = {"authorization": f"Bearer {used.token}"}
    assert (await used.worker.http.post("/usage/figures", headers=headers)).status_code == 405
    assert (await used.worker.http.get("/usage/nothing", headers=headers)).status_code == 404
