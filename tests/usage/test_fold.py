"""The tables against a plain recount of the same history; pages cut anywhere, and delivered again."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator, Sequence
from typing import Any, NamedTuple

import asyncpg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from projections.sql_projection import Link
from schema import events
from schema.envelope import Fact
from tests.servers import Database
from tests.usage import recount
from tests.usage.folding import KEPT, begin, cut, fold, folder, tables, view
from tests.usage.histories import BEGIN, Telling, usage_histories

_COUNTED = """
    SELECT extract(epoch FROM t.at)::bigint, s.what, s.client, s.resource, s.scope, s.grant_type, s.via, s.error,
           s.reason, sum(t.times)
    FROM usage_data.{} t JOIN usage_data.series s ON s.id = t.series
    WHERE s.what <> 'age' GROUP BY 1, 2, 3, 4, 5, 6, 7, 8, 9
"""
any_history = settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture])
sizes = st.lists(st.integers(1, 15), max_size=12)


class Bench(NamedTuple):
    """A database by its owner and by the session that folds."""

    owner: asyncpg.Connection[Any]
    folder: Link


@pytest.fixture
async def bench(database: Database) -> AsyncIterator[Bench]:
    """An empty database."""
    owner: asyncpg.Connection[Any] = await asyncpg.connect(database.owner_url)
    try:
        async with folder(database) as connection:
            yield Bench(owner, connection)
    finally:
        await owner.close()


async def prepared(bench: Bench, history: Sequence[Fact], pages: Sequence[Sequence[Fact]]) -> None:
    """The history in the journal, and folded by these pages."""
    await begin(bench.owner, history)
    await fold(bench.folder, pages)


@any_history
@given(history=usage_histories(), page_sizes=sizes)
async def test_counts_are_those_of_a_recount(bench: Bench, history: list[Fact], page_sizes: list[int]) -> None:
    """By minute, hour and day, each figure is what counting the history at once gives."""
    await prepared(bench, history, cut(history, page_sizes))

    for table, seconds, kept in (("per_minute", 60, KEPT), ("per_hour", 3_600, None), ("per_day", 86_400, None)):
        rows = await bench.owner.fetch(_COUNTED.format(table))
        actual = {(row[0], tuple(row)[1:9]): row[9] for row in rows}
        assert recount.sums(history, seconds, kept) == actual


@any_history
@given(history=usage_histories(), page_sizes=sizes)
async def test_subjects_and_sources_are_exact(bench: Bench, history: list[Fact], page_sizes: list[int]) -> None:
    """Who and where from is known for every hour, client and resource, once each."""
    await prepared(bench, history, cut(history, page_sizes))

    subjects = [
        (row["at"], row["client"], row["resource"], row["subject"]) for row in await view(bench.owner, "subjects")
    ]
    sources = [(row["at"], row["client"], row["resource"], row["source"]) for row in await view(bench.owner, "sources")]
    expected = recount.seen(history)
    assert expected == (set(subjects), set(sources))
    assert (len(subjects), len(sources)) == (len(expected[0]), len(expected[1]))


@any_history
@given(history=usage_histories(), page_sizes=sizes)
async def test_lifetimes_and_chains_are_those_of_a_recount(
    bench: Bench, history: list[Fact], page_sizes: list[int]
) -> None:
    """Lifetimes given, ages used, times to revocation, and the refresh chains by length and end."""
    await prepared(bench, history, cut(history, page_sizes))

    measured: Counter[tuple[Any, ...]] = Counter()
    for name in ("lifetimes_given", "ages_used", "revoked_after"):
        measure = {"lifetimes_given": "given", "ages_used": "used"}.get(name)
        for row in await view(bench.owner, name):
            whose = (row["at"], row["client"], row["resource"] or "", row["grant_type"] or "")
            measured[(*whose, measure or row["revoked"], row.get("lifetime", row.get("up_to")))] += row["times"]
    assert recount.lifetimes(history) == measured

    expected: Counter[tuple[Any, ...]] = Counter()
    for chain, grants in recount.chains(history).items():
        *begun, rotations, reused, reason, refreshes, retries = chain
        ended = "reuse" if reused else "revoked" if reason else "expired"
        figures = {"grants": grants, "refreshes": refreshes * grants, "retries": retries * grants}
        about = (*begun, rotations, ended, reason)
        expected.update({(*about, figure): times for figure, times in figures.items()})
    actual: Counter[tuple[Any, ...]] = Counter()
    for row in await view(bench.owner, "refresh_chains"):
        words = [row[column] for column in ("at", "client", "resource", "rotations", "ended", "reason")]
        actual.update({(*words, figure): row[figure] for figure in ("grants", "refreshes", "retries")})
    assert +expected == +actual


@any_history
@given(history=usage_histories(), page_sizes=sizes, other_sizes=sizes)
async def test_pages_may_be_cut_anywhere(
    bench: Bench, history: list[Fact], page_sizes: list[int], other_sizes: list[int]
) -> None:
    """Every table is the same however the history is cut, in one slot as in the other."""
    await prepared(bench, history, cut(history, page_sizes))
    await fold(bench.folder, cut(history, other_sizes), slot=1)

    assert await tables(bench.owner, 0) == await tables(bench.owner, 1)


@any_history
@given(history=usage_histories(), page_sizes=sizes, data=st.data())
async def test_what_is_delivered_again_changes_nothing(
    bench: Bench, history: list[Fact], page_sizes: list[int], data: st.DataObject
) -> None:
    """Pages that come twice, late, or overlap with those before them, add only what is new in them."""
    once = cut(history, page_sizes)
    pages: list[Sequence[Fact]] = []
    for page in once:
        first, last = page[0].position - 1, page[-1].position
        pages += [page] * data.draw(st.integers(0, 2))
        pages.append(history[data.draw(st.integers(0, first)) : last])
        pages.append(history[: data.draw(st.integers(0, last))])
    await prepared(bench, history, pages)
    await fold(bench.folder, once, slot=1)

    assert await tables(bench.owner, 0) == await tables(bench.owner, 1)


@given(history=usage_histories().filter(lambda history: len(history) > 2))
@settings(max_examples=5, suppress_health_check=[HealthCheck.function_scoped_fixture])
async def test_a_gap_is_refused(bench: Bench, history: list[Fact]) -> None:
    """What comes too early is not folded, so that what was left out can still come."""
    await prepared(bench, history, [history[:1]])
    before = await tables(bench.owner)

    with pytest.raises(LookupError):
        await fold(bench.folder, [history[2:]])
    assert before == await tables(bench.owner)


async def test_a_clock_that_was_set_back_changes_no_rule(bench: Bench) -> None:
    """What happens then counts by hour; its minutes are as old as they are, and those that are kept stay."""
    telling = Telling(BEGIN + 50_000)
    for _ in range(2):
        telling.alone(events.LoginFailed(reason="wrong_password", method="pwd"))
        telling.now -= 2 * KEPT
    await prepared(bench, telling.facts, cut(telling.facts, (1, 1)))

    newest = (BEGIN + 50_000) // 60 * 60
    assert [newest] == [row["at"] for row in await view(bench.owner, "by_minute")]
    hours = {newest // 3_600 * 3_600, (newest - 2 * KEPT) // 3_600 * 3_600}
    assert hours == {row["at"] for row in await view(bench.owner, "by_hour")}


async def test_what_an_api_refused_is_its_own(bench: Bench) -> None:
    """The views tell of the API, and of the scopes of a token that is one for it, not of the scope asked for."""
    api, telling = "https://a.example.com", Telling(BEGIN + 600)
    refused: dict[str, Any] = {
        "endpoint": "api",
        "error": "insufficient_scope",
        "reason": "scope_missing",
        "status": 403,
    }
    told: dict[str, Any] = {"api": api, "required_scope": "admin", "present_scope": "write read"}
    telling.alone(events.AccessRejected(**refused, **told, client_id="web", token_id="g.1"), "192.0.2.7")
    telling.alone(events.AccessRejected(**refused, **told))
    telling.alone(events.AccessRejected(**refused | {"endpoint": "introspect"}, client_id="web"))
    await prepared(bench, telling.facts, cut(telling.facts, (2,)))

    for grain in ("minute", "hour", "day"):
        for name in ("by", "rejections_by"):
            rows = await view(bench.owner, f"{name}_{grain}")
            places = {
                (row["client"], row["resource"], row["scope"], row.get("rejected", row.get("times"))) for row in rows
            }
            assert places == {("web", api, "read write", 1), ("_", api, None, 1), ("web", None, None, 1)}
        rows = await view(bench.owner, f"scopes_by_{grain}")
        assert {(row["resource"], row["scope"], row["rejected"]) for row in rows} == {
            (api, "read", 1),
            (api, "write", 1),
        }
    assert [("web", api)] == [(row["client"], row["resource"]) for row in await view(bench.owner, "sources")]
