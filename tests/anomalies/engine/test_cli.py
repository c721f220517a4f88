"""`tallystick anomalies`, as an operator uses it."""

from __future__ import annotations

import asyncio
import json

import msgspec
import psycopg
import pytest
from click.testing import Result

from consumers.anomalies.findings import Told
from schema.envelope import Context
from schema.events import TokenReuseDetected
from schema.streams import new_stream
from service.anomalies.deeds import Deeds
from service.anomalies.found import FoundError, named, read_found
from service.anomalies.replay import replay
from service.anomalies.role import check_settings
from service.anomalies.telling import Teller
from service.journal.port import Append
from service.journal.postgres import PostgresJournal
from service.settings import Settings, SettingsError, load_thresholds
from tests.access.conftest import Run, environment, home, run
from tests.anomalies.engine.test_telling import finding
from tests.servers import Database

__all__ = ["environment", "home", "run"]


async def cli(run: Run, *arguments: object) -> Result:
    """What a command says."""
    return await asyncio.to_thread(run, "anomalies", *arguments)


async def told(journal: PostgresJournal, database: Database, number: int = 1) -> Told:
    """A finding in the journal."""
    each = finding(number)
    await Teller(journal, Deeds(database.service_url, journal), {}).deliver(each)
    return each


async def test_findings_are_listed_until_they_are_acknowledged(
    journal: PostgresJournal, database: Database, run: Run
) -> None:
    """An acknowledged finding is only in the list of all, with its note."""
    each = await told(journal, database)
    listed = json.loads((await cli(run, "list", "--json")).output)
    assert [(str(each.stream), "refresh_token_reuse", False)] == [
        (one["id"], one["rule"], one["acknowledged"]) for one in listed
    ]
    assert "at least" in (await cli(run, "list")).output.splitlines()[1]
    assert "count     at least 1\n" in (await cli(run, "show", str(each.stream))).output
    assert (await cli(run, "acknowledge", str(each.stream)[:13])).exit_code == 0
    again = await cli(run, "acknowledge", str(each.stream))
    assert f"finding {each.stream} was already acknowledged\n" == again.output
    assert (await cli(run, "list")).output == "nothing waits to be seen\n"
    assert "acknowledged" in (await cli(run, "list", "--all")).output


async def test_the_list_is_narrowed(journal: PostgresJournal, database: Database, run: Run) -> None:
    """By rule and by time; a time that is none is refused."""
    await told(journal, database)
    assert "refresh_token_reuse" in (await cli(run, "list", "--rule", "refresh_token_reuse")).output
    assert (await cli(run, "list", "--rule", "password_spray")).output == "nothing waits to be seen\n"
    assert (await cli(run, "list", "--since", "2126-01-01")).output == "nothing waits to be seen\n"
    assert (await cli(run, "list", "--since", "yesterday")).exit_code == 2


async def test_an_id_that_names_none_or_several_is_refused(journal: PostgresJournal, database: Database) -> None:
    """The beginning of an id is enough where only one begins so."""
    first = await told(journal, database)
    found = await read_found(journal)
    assert first.stream == named(found, str(first.stream)[:10]).id
    with pytest.raises(FoundError, match="there is no finding"):
        named(found, "ffff")
    with pytest.raises(FoundError, match="2 findings begin"):
        named([*found, *found], "0")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("list", "--rule", "spray"), '"spray" is no rule'),
        (("replay", "--since", "1d", "--rule", "spray"), '"spray" is no rule'),
        (("replay", "--since", "1d", "--set", "spray_acounts=1"), 'did you mean "spray_accounts"'),
        (("replay", "--since", "1d", "--set", "spray_accounts=many"), "spray_accounts: Expected `int`, got `str`"),
        (("replay", "--since", "1d", "--set", "spray_accounts"), "expected THRESHOLD=VALUE"),
    ],
)
def test_wrong_usage_is_told(run: Run, arguments: tuple[str, ...], said: str) -> None:
    """Exit code 2 and what is wrong."""
    result = run("anomalies", *arguments)
    assert (result.exit_code, said in result.output) == (2, True), result.output


def test_a_finding_that_is_not_there_is_told(run: Run) -> None:
    """Exit code 1 and what is wrong."""
    result = run("anomalies", "show", "0000")
    assert (result.exit_code, "there is no finding '0000'" in result.output) == (1, True), result.output


@pytest.mark.parametrize("responses", ["bogus=revoke_grant", "password_spray", "password_spray=shout"])
def test_settings_with_which_consume_would_not_start_are_refused(settings: Settings, responses: str) -> None:
    """`up` asks this before it starts anything: a consumer that dies again and again would notice nothing."""
    check_settings(settings)
    with pytest.raises(SettingsError, match="TALLYSTICK_ANOMALY_RESPONSES"):
        check_settings(msgspec.structs.replace(settings, anomaly_responses=responses))


async def test_history_is_tried_and_nothing_appended(
    journal: PostgresJournal, database: Database, run: Run, settings: Settings
) -> None:
    """Rules find in history what they would have found: all of it, by rule, and since a time."""
    reuse = TokenReuseDetected(client_id="worker", kind="refresh_token")
    for _ in range(3):
        await journal.append(Append(new_stream(), 0, (reuse,), Context(source="192.0.2.1")))
    with psycopg.connect(database.owner_url) as owner:
        owner.execute("UPDATE journal.events SET recorded_at = recorded_at - interval '3 days' WHERE position = 1")
    output = (await cli(run, "replay", "--since", "1d", "--json")).output
    assert json.loads(output)["summary"] == {"refresh_token_reuse": 2}
    assert "refresh_token_reuse: 3 findings\n" in (await cli(run, "replay", "--since", "7d")).output
    assert "refresh_token_reuse: 1 finding\n" in (await cli(run, "replay", "--since", "7d", "--until", "1d")).output
    only = await cli(run, "replay", "--since", "7d", "--rule", "password_spray")
    assert only.output == "nothing would have been found\n"
    all_of_it = await replay(journal, settings, load_thresholds({}), since=0.0, until=None, only=())
    assert [each.position for each in all_of_it] == [1, 2, 3]
    assert await journal.head() == 3
