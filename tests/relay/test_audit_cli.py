"""`tallystick audit` and `tallystick relay`, run as users run them."""

from __future__ import annotations

import asyncio
import base64
import json
import os
import signal
import sys
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import NamedTuple

import click
import pytest

from schema.envelope import Context
from schema.events import AccessRejected
from schema.streams import new_stream
from service.cli.connect import servers
from service.embedded.home import Home, RunInfo
from service.journal.port import Append
from service.journal.postgres import PostgresJournal
from service.settings import Settings
from tests.nats_server import NatsServer
from tests.relay.support import ISSUED, ISSUER, REVOKED, Relays, append, until
from tests.servers import Database

PROGRAM = (sys.executable, "-m", "service.cli.main")


class Outcome(NamedTuple):
    """What a command left."""

    code: int | None
    out: str
    err: str


Command = Callable[..., Awaitable[Outcome]]


async def start(environment: Mapping[str, str], *arguments: str) -> asyncio.subprocess.Process:
    """Start `tallystick` with these arguments."""
    return await asyncio.create_subprocess_exec(
        *PROGRAM,
        *arguments,
        env=environment,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )


async def outcome(process: asyncio.subprocess.Process) -> Outcome:
    """Wait for its end."""
    out, err = await asyncio.wait_for(process.communicate(), 90)
    return Outcome(process.returncode, out.decode(), err.decode())


@pytest.fixture
def environment(database: Database, nats: NatsServer) -> dict[str, str]:
    """What tells the commands where the servers are; the NATS user may only read."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("TALLYSTICK_")}
    return inherited | {
        "TALLYSTICK_DATABASE_URL": database.service_url,
        "TALLYSTICK_NATS_URL": nats.audit_url,
        "TALLYSTICK_MASTER_KEY": base64.b64encode(bytes(range(32))).decode(),
    }


@pytest.fixture
def run(environment: dict[str, str]) -> Command:
    """Runs `tallystick` to its end."""

    async def running(*arguments: str, **more: str) -> Outcome:
        return await outcome(await start(environment | more, *arguments))

    return running


async def published(journal: PostgresJournal, relays: Relays, grants: int) -> None:
    """Commit grants (two events each) and wait until the stream has them."""
    relay = relays.start()
    last = (await append(journal, grants)).last
    await until(lambda: relay.position == last)


def positions(out: str) -> list[int]:
    """The positions of JSON lines."""
    return [json.loads(line)["position"] for line in out.splitlines()]


async def test_tail_shows_the_last_ten(journal: PostgresJournal, relays: Relays, run: Command) -> None:
    """Without --from it begins near the end; each JSON line has the whole event."""
    await published(journal, relays, 8)
    code, out, err = await run("audit", "tail", "--no-follow", "--json")
    assert (code, positions(out), err) == (0, list(range(7, 17)), "")
    first = json.loads(out.splitlines()[0])
    assert list(first) == [
        *("position", "stream", "version", "type", "client", "time", "actor", "source", "trace", "data"),
    ]
    assert (first["type"], first["client"], first["data"]["number"]) == ("token.issued", "billing-worker", 1)


async def test_tail_narrows_and_begins_where_it_is_told(journal: PostgresJournal, relays: Relays, run: Command) -> None:
    """By type, by client, from a position; a type that does not exist is wrong usage."""
    await published(journal, relays, 30)
    odd = await run("audit", "tail", "--type", "*.issued", "--no-follow", "--json")
    assert positions(odd.out) == list(range(41, 60, 2))
    later = await run("audit", "tail", "--from", "57", "--client", "billing-worker", "--no-follow", "--json")
    assert positions(later.out) == [57, 58, 59, 60]
    assert (await run("audit", "tail", "--client", "other", "--no-follow")).out == ""
    wrong = await run("audit", "tail", "--type", "tokens.*")
    assert (wrong.code, "no event type matches" in wrong.err) == (2, True)


async def test_tail_follows_until_interrupted(
    journal: PostgresJournal, relays: Relays, environment: dict[str, str]
) -> None:
    """An event appears when it is published; Ctrl-C ends it well."""
    await published(journal, relays, 1)
    process = await start(environment, "audit", "tail", "--json")
    assert process.stdout is not None
    assert [json.loads(await process.stdout.readline())["position"] for _ in range(2)] == [1, 2]
    await append(journal, 1)
    assert [json.loads(await process.stdout.readline())["position"] for _ in range(2)] == [3, 4]
    process.send_signal(signal.SIGINT)
    assert (await outcome(process)) == (0, "", "")


async def test_a_line_tells_people_what_happened(journal: PostgresJournal, relays: Relays, run: Command) -> None:
    """Position, time, type, client and facts, without colours in a file, and nothing steers the terminal."""
    relay = relays.start()
    rejected = AccessRejected(
        endpoint="token", error="invalid_client", reason="unknown_client", status=401, claimed_client="\x1b[31mevil"
    )
    await journal.append(Append(new_stream(), 0, (rejected,), Context(source="192.0.2.7")))
    await until(lambda: relay.position == 1)
    line = (await run("audit", "tail", "--no-follow")).out
    assert line.split()[0] == "1"
    assert "access.rejected" in line
    assert "endpoint=token error=invalid_client reason=unknown_client claimed_client=\\x1b[31mevil" in line
    assert "\x1b" not in line


async def test_a_closed_pipe_is_silent(journal: PostgresJournal, relays: Relays, environment: dict[str, str]) -> None:
    """`| head` ends it without a word."""
    await published(journal, relays, 400)
    process = await start(environment, "audit", "tail", "--from", "1", "--json")
    assert process.stdout is not None
    await process.stdout.readline()
    process.stdout._transport.close()  # type: ignore[attr-defined]
    await append(journal, 1)
    assert process.stderr is not None
    assert await asyncio.wait_for(process.stderr.read(), 90) == b""
    await process.wait()


async def test_show_tells_one_event_or_the_story_of_a_grant(journal: PostgresJournal, run: Command) -> None:
    """A grant's story has its own events and what was refused for its tokens, in order."""
    grant = new_stream()
    refused = AccessRejected(
        endpoint="introspect", error="inactive", reason="revoked", status=200, token_id=f"{grant}.1"
    )
    other = AccessRejected(
        endpoint="introspect", error="inactive", reason="revoked", status=200, token_id=f"{new_stream()}.1"
    )
    await journal.append(Append(grant, 0, (ISSUED, REVOKED)))
    await journal.append(Append(new_stream(), 0, (other,)))
    await journal.append(Append(new_stream(), 0, (refused,)))
    story = await run("audit", "show", str(grant), "--json")
    assert [each["position"] for each in json.loads(story.out)] == [1, 2, 4]
    assert (await run("audit", "show", f"{grant}.1", "--json")).out == story.out
    assert len((await run("audit", "show", str(grant))).out.splitlines()) == 3
    one = await run("audit", "show", "2", "--json")
    assert json.loads(one.out)["type"] == "token.revoked"
    assert "reason: caller" in (await run("audit", "show", "2")).out


@pytest.mark.parametrize(
    ("what", "code", "told"),
    [
        ("7", 1, "there is no event at 7"),
        pytest.param(str(new_stream()), 1, "there is no event of", id="an unknown grant"),
        ("nonsense", 2, "neither a position nor the id of a grant"),
    ],
)
async def test_show_says_when_there_is_nothing(run: Command, what: str, code: int, told: str) -> None:
    """Nothing found is a failure, nonsense is wrong usage."""
    shown = await run("audit", "show", what)
    assert (shown.code, told in shown.err) == (code, True)


async def test_check_passes_and_fails_by_its_exit_code(journal: PostgresJournal, relays: Relays, run: Command) -> None:
    """0 when journal and stream are equal, 1 with the differences listed when they are not."""
    await published(journal, relays, 20)
    good = await run("audit", "check")
    assert (good.code, good.out.startswith("whole: journal and stream are dense and equal (40 events, 1…40")) == (
        0,
        True,
    )
    assert json.loads((await run("audit", "check", "--json")).out)["ok"] is True
    await relays.sql("UPDATE journal.events SET data = data || '{\"x\": 1}' WHERE position % 3 = 0")
    bad = await run("audit", "check")
    lines = bad.out.splitlines()
    assert (bad.code, len(lines)) == (1, 12)
    assert lines[0].startswith("not whole: 13 differences")
    assert lines[1] == "  3: the stream's body is not the journal's data"
    assert lines[-1] == "  and 3 more"


async def test_check_waits_for_a_relay_that_is_behind(
    journal: PostgresJournal, relays: Relays, environment: dict[str, str]
) -> None:
    """It says so, and is satisfied once the relay has caught up."""
    await append(journal, 5)
    process = await start(environment, "audit", "check")
    assert process.stderr is not None
    said = (await process.stderr.readline()).decode()
    assert said == "the stream is 10 events behind; waiting up to 5 s for the relay\n"
    relays.start()
    assert (await outcome(process)).code == 0


async def test_a_command_finds_the_instance_that_runs_on_the_home(
    environment: dict[str, str], database: Database, nats: NatsServer, tmp_path: Path
) -> None:
    """Without URLs, run.json tells; without an instance, the command says what to do."""
    home = Home(tmp_path / "home")
    alone = {name: value for name, value in environment.items() if not name.startswith("TALLYSTICK_")}
    alone["TALLYSTICK_HOME"] = str(home.path)
    nothing = await outcome(await start(alone, "audit", "check"))
    assert nothing.code == 1
    assert nothing.err.startswith(
        f"Error: nothing runs on {home.path}: start `tallystick up`, or set TALLYSTICK_DATABASE"
    )
    info = RunInfo(
        pid=os.getpid(),
        http_url="http://127.0.0.1:8080",
        database_url=database.service_url,
        owner_database_url=database.owner_url,
        nats_url=nats.url,
        audit_nats_url=nats.audit_url,
    )
    with home.lock():
        home.write_run(info)
        assert (await outcome(await start(alone, "audit", "show", "1"))).err == "Error: there is no event at 1\n"
        found = servers(Settings(home=home.path))
        assert (found.nats_url, found.audit_nats_url) == (nats.url, nats.audit_url)
        with pytest.raises(click.ClickException):
            servers(Settings(home=tmp_path / "elsewhere"))
        other = servers(Settings(home=home.path, database_url="postgresql://elsewhere/x"))
        assert (other.database_url, other.audit_nats_url) == ("postgresql://elsewhere/x", None)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
async def test_the_relay_command_runs_until_it_is_told_to_stop(
    journal: PostgresJournal, relays: Relays, nats: NatsServer, environment: dict[str, str], number: signal.Signals
) -> None:
    """It publishes, and a signal ends it with exit code 0."""
    await append(journal, 5)
    process = await start(environment | {"TALLYSTICK_NATS_URL": nats.url, "TALLYSTICK_ISSUER": ISSUER}, "relay")

    async def all_published() -> bool:
        return await relays.reported() == (10, "running", "")

    await until(all_published)
    process.send_signal(number)
    assert (await outcome(process)).code == 0
    assert (await relays.whole_now()).ok


async def test_the_relay_command_says_what_it_needs(run: Command) -> None:
    """Without an issuer there is no source to name in the events."""
    failed = await run("relay")
    assert (failed.code, "TALLYSTICK_ISSUER" in failed.err) == (1, True)
