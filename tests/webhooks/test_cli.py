"""`tallystick webhook`, as an operator uses it."""

from __future__ import annotations

import asyncio
import datetime as dt
import json
import socket
import threading
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from standardwebhooks import Webhook as Verifier
from standardwebhooks import WebhookVerificationError

from consumers.webhooks import resolver
from consumers.webhooks.figures import webhook_figures
from service.cli.main import tallystick
from service.webhooks import host
from service.webhooks.secrets import new_secret, parsed, written
from tests.access.conftest import Run
from tests.servers import Database
from tests.webhooks.receiver import Receiver
from tests.webhooks.world import World, until

URL = "https://hooks.example.com/tallystick"


@pytest.fixture
def private(environment: dict[str, str]) -> None:
    """Loopback addresses are allowed."""
    environment["TALLYSTICK_WEBHOOK_PRIVATE_TARGETS"] = "true"


@pytest.fixture(autouse=True)
def names(monkeypatch: pytest.MonkeyPatch) -> dict[str, list[str]]:
    """The names that there are, with their addresses; every other one has none."""
    known = {"hooks.example.com": ["8.8.8.8"], "127.0.0.1": ["127.0.0.1"]}

    def lookup(host: str, port: int) -> list[Any]:
        if host not in known:
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port)) for address in known[host]]

    monkeypatch.setattr(resolver, "_system", lookup)
    return known


async def command(run: Run, *arguments: object) -> str:
    """The output of a command that is done while the test's loop goes on."""
    result = await asyncio.to_thread(run, "webhook", *arguments)
    assert result.exit_code == 0, result.output
    return str(result.output)


async def document(run: Run, *arguments: object) -> Any:
    """The JSON of a command."""
    return json.loads((await command(run, *arguments, "--json")).split("\nnothing is sent")[0])


async def refusal(run: Run, *arguments: object) -> tuple[int, str]:
    """The exit code and the message of a command that is refused."""
    result = await asyncio.to_thread(run, "webhook", *arguments)
    return result.exit_code, result.output.strip().removeprefix("Error: ")


@pytest.mark.usefixtures("private")
async def test_it_is_added_sends_and_is_removed(run: Run, world: World, receiver: Receiver) -> None:
    """Add with a filter, see it send, disable, enable, remove: each is acted upon when the command returns."""
    async with world.sending():
        await world.happen("early")
        secret = parsed((await document(run, "add", "siem", receiver.url, "--type", "client.*"))["secret"])
        (first,) = await world.happen("a")
        await until(lambda: receiver.positions == [first])
        receiver.taken[0].verified(secret)
        assert await command(run, "disable", "siem", "--reason", "moving") == "webhook siem is disabled\n"
        assert await command(run, "disable", "siem") == "webhook siem was disabled already\n"
        (second,) = await world.happen("a")
        shown = await document(run, "show", "siem")
        assert (shown["enabled"], shown["state"], shown["reason"]) == (False, "disabled", "moving")
        assert [first] == receiver.positions
        assert await command(run, "enable", "siem") == "webhook siem is enabled\n"
        await until(lambda: receiver.positions == [first, second])
        await command(run, "remove", "siem")
        await world.happen("a")
    assert ([first, second], []) == (receiver.positions, await document(run, "list"))
    for table in ("vault.webhooks", "webhook.endpoints", "webhook.pending", "projection.progress"):
        assert await world.rows(f"SELECT * FROM {table}") == []  # noqa: S608 constants


@pytest.mark.usefixtures("private")
async def test_from_a_position_it_is_sent_the_past(run: Run, world: World, receiver: Receiver) -> None:
    """--from POSITION is the first that is sent."""
    positions = await world.happen("a", "b", "c")
    await document(run, "add", "siem", receiver.url, "--type", "client.*", "--from", positions[1])
    async with world.sending():
        await until(lambda: sorted(receiver.positions) == positions[1:])


@pytest.mark.usefixtures("private")
async def test_a_rotated_secret_signs_beside_the_old_one(run: Run, world: World, receiver: Receiver) -> None:
    """Within the overlap both verify, after it the new one alone; without overlap at once."""
    old = parsed((await document(run, "add", "siem", receiver.url, "--type", "client.*"))["secret"])
    async with world.sending():
        new = parsed((await document(run, "rotate-secret", "siem", "--overlap", "1h"))["secret"])
        await world.happen("a")
        await until(lambda: len(receiver.taken) == 1)
        await until(lambda: none_waits(world))
        await world.later(3_700)
        await world.happen("a")
        await until(lambda: len(receiver.taken) == 2)
        await until(lambda: none_waits(world))
        world.clock.ahead = 0
        newest = parsed((await document(run, "rotate-secret", "siem", "--overlap", "0"))["secret"])
        await world.happen("a")
        await until(lambda: len(receiver.taken) == 3)
        await until(lambda: none_waits(world))
    both, late, last = receiver.taken
    assert [len(each.headers["webhook-signature"].split()) for each in receiver.taken] == [2, 1, 1]
    both.verified(old)
    both.verified(new)
    last.verified(newest)
    with pytest.raises(WebhookVerificationError):
        last.verified(new)
    # Of the one that was sent an hour ahead only the signature is of interest.
    assert late.headers["webhook-signature"] == _signature(new, late)


async def none_waits(world: World) -> bool:
    """Whether all that was taken is written down: a change now repeats nothing."""
    return not await world.pending()


def _signature(secret: bytes, message: Any) -> str:
    at = dt.datetime.fromtimestamp(int(message.headers["webhook-timestamp"]), dt.UTC)
    return Verifier(written(secret)).sign(message.headers["webhook-id"], at, message.body.decode())


@pytest.mark.usefixtures("private")
async def test_dead_letters_are_listed_and_redelivered(run: Run, world: World, receiver: Receiver) -> None:
    """By position or all; what is none is refused."""
    await document(run, "add", "siem", receiver.url, "--type", "client.*")
    receiver.answer = lambda _: 400
    positions = await world.happen("a", "b")

    async def dead() -> bool:
        return await world.dead() == positions

    async with world.sending(attempts=1):
        await until(dead)
        listed = await document(run, "dead-letters", "siem")
        assert [(position, "client.enabled", 1, "HTTP 400") for position in positions] == [
            (each["position"], each["type"], each["attempts"], each["reason"]) for each in listed
        ]
        assert "HTTP 400" in await command(run, "dead-letters", "siem")
        receiver.answer = lambda _: 204
        assert await refusal(run, "redeliver", "siem", positions[0], 999) == (
            1,
            "position: no dead letter that the journal still has: 999",
        )
        assert await command(run, "redeliver", "siem", positions[0]) == "1 event waits for webhook siem again\n"
        assert await command(run, "redeliver", "siem", "--all") == "1 event waits for webhook siem again\n"
        await until(lambda: sorted(receiver.positions) == positions)
        await until(lambda: none_waits(world))
    assert await command(run, "dead-letters", "siem") == "no dead letters\n"
    (figures,) = await webhook_figures(world.journal.fetch)
    assert (*figures[:4], bool(figures.last_success)) == ("siem", 2, 0, 0, True)


@pytest.mark.usefixtures("private")
async def test_a_trial_is_signed_and_no_event(run: Run, world: World, receiver: Receiver) -> None:
    """`test` tells the answer, also of one that is disabled, and writes nothing."""
    secret = parsed((await document(run, "add", "siem", receiver.url))["secret"])
    await command(run, "disable", "siem")
    head = await world.journal.head()
    assert await command(run, "test", "siem") == "webhook siem took it: HTTP 204\n"
    body = receiver.received[0].verified(secret)
    assert ("tallystick.webhook.test", {"webhook": "siem"}, head) == (
        body["type"],
        body["data"],
        await world.journal.head(),
    )
    receiver.answer = lambda _: 302
    assert await refusal(run, "test", "siem") == (1, "webhook siem did not take it: HTTP 302")


@pytest.mark.usefixtures("private")
async def test_what_is_allowed_no_longer_is_not_sent_to(
    run: Run, environment: dict[str, str], world: World, receiver: Receiver
) -> None:
    """The setting of the process that sends decides, not what was allowed when it was registered."""
    await document(run, "add", "siem", receiver.url)
    del environment["TALLYSTICK_WEBHOOK_PRIVATE_TARGETS"]
    code, told = await refusal(run, "test", "siem")
    assert (code, told.startswith("webhook siem did not take it: the address must be https")) == (1, True)
    assert receiver.received == []


async def test_settings_are_shown_and_changed(run: Run, world: World) -> None:
    """What is not given stays."""
    await asyncio.to_thread(run, "client", "add", "billing")
    await document(run, "add", "siem", URL, "--type", "token.*", "--client", "billing")
    await command(run, "update", "siem", "--url", URL + "2")
    assert await command(run, "update", "siem", "--type", "token.*") == "webhook siem was as it should be\n"
    (shown,) = await document(run, "list")
    assert (shown["url"], shown["types"], shown["clients"]) == (URL + "2", ["token.*"], ["billing"])
    await command(run, "update", "siem", "--all-types", "--all-clients")
    shown = await document(run, "show", "siem")
    assert (shown["types"], shown["clients"]) == ([], [])
    assert URL + "2" in await command(run, "show", "siem")
    assert "siem" in await command(run, "list")


@pytest.mark.parametrize(
    ("addresses", "own"),
    [(["127.0.0.1"], "127.0.0.1"), (["10.0.0.1", "192.168.1.1"], "10.0.0.1"), (["8.8.8.8", "10.0.0.1"], "10.0.0.1")],
)
async def test_a_name_of_the_own_network_is_refused_at_once(
    run: Run, world: World, names: dict[str, list[str]], addresses: list[str], own: str
) -> None:
    """As sending would refuse it, by `add` and `update`, and nothing is changed."""
    names["own.example.com"] = addresses
    url = "https://own.example.com/x"
    refused = (1, f"url: has a host that is refused: own.example.com is {own}, which is not a public address")
    assert refused == await refusal(run, "add", "siem", url)
    assert await document(run, "list") == []
    await document(run, "add", "siem", URL)
    assert refused == await refusal(run, "update", "siem", "--url", url)
    assert (await document(run, "show", "siem"))["url"] == URL


@pytest.mark.usefixtures("private")
async def test_a_name_of_the_own_network_is_taken_where_that_is_allowed(
    run: Run, world: World, names: dict[str, list[str]]
) -> None:
    """But none where clouds tell their machines secrets."""
    names |= {"own.example.com": ["10.0.0.1"], "cloud.example.com": ["169.254.169.254"]}
    assert "webhook siem added" in await command(run, "add", "siem", "http://own.example.com/x")
    code, told = await refusal(run, "add", "cloud", "http://cloud.example.com/x")
    assert (code, "cloud.example.com is 169.254.169.254" in told) == (1, True)


async def test_a_name_without_an_address_is_a_warning(run: Run, world: World) -> None:
    """It may get one: the webhook is added, and told on stderr."""
    warning = "nowhere.example.com has no address now (Name or service not known); nothing can be sent until it has one"
    assert warning in await command(run, "add", "siem", "https://nowhere.example.com/x")
    result = await asyncio.to_thread(run, "webhook", "add", "other", "https://nowhere.example.com/x", "--json")
    assert (warning in result.stderr, json.loads(result.stdout)["name"]) == (True, "other")
    assert [each["name"] for each in await document(run, "list")] == ["other", "siem"]


async def test_a_name_that_nobody_answers_for_is_a_warning(
    run: Run, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A silent name server holds no command up."""
    answered = threading.Event()

    def silent(_: str, __: int) -> list[Any]:
        answered.wait(60)
        return []

    monkeypatch.setattr(resolver, "_system", silent)
    monkeypatch.setattr(host, "_PATIENCE", 0.05)
    told = await command(run, "add", "siem", URL)
    answered.set()
    assert "hooks.example.com could not be looked up within" in told


async def test_a_given_secret_is_kept(environment: dict[str, str], world: World) -> None:
    """--secret-stdin takes a secret that exists; another text is refused without being shown."""

    def add(name: str, text: str) -> tuple[int, str]:
        arguments = ["webhook", "add", name, URL, "--secret-stdin", "--json"]
        result = CliRunner().invoke(tallystick, arguments, env=environment, input=text)
        return result.exit_code, result.output

    secret = written(new_secret())
    code, output = await asyncio.to_thread(add, "siem", secret + "\n")
    assert (code, secret in output) == (0, True)
    for bad in ("whsec_c2hvcnQ=", "c2VjcmV0LXNlY3JldC1zZWNyZXQtc2VjcmV0", "whsec_%%%", ""):
        code, output = await asyncio.to_thread(add, "other", bad)
        assert (code, bool(bad) and bad in output) == (1, False)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("add", "a b", URL), "name: must be 1 to 64 of A-Z a-z 0-9 _ -"),
        (("add", "x", "http://hooks.example.com/"), "url: must be https"),
        (("add", "x", "https://10.0.0.1/"), "url: has a host that is not a public address"),
        (("add", "x", "https://u:p@hooks.example.com/"), "url: holds a user name or password"),
        (("add", "x", URL, "--type", "nothing.*"), 'type[0]: "nothing.*" is no event type, and matches none'),
        (("add", "x", URL, "--type", "token.[ir]*"), 'type[0]: "token.[ir]*" is not a glob of event types'),
        (("add", "x", URL, "--client", "a.b"), 'client[0]: "a.b" is not a client id'),
        (("add", "x", URL, "--client", "_", "--client", "_"), 'client[1]: "_" is there twice'),
        (("add", "x", URL, "--client", "_", "--client", "nobody"), 'client[1]: "nobody" is no client\n'),
        (("show", "nobody"), 'there is no webhook "nobody"'),
        (("disable", "nobody"), 'there is no webhook "nobody"'),
        (("enable", "nobody"), 'there is no webhook "nobody"'),
        (("update", "nobody"), 'there is no webhook "nobody"'),
        (("remove", "nobody"), 'there is no webhook "nobody"'),
        (("rotate-secret", "nobody"), 'there is no webhook "nobody"'),
        (("dead-letters", "nobody"), 'there is no webhook "nobody"'),
        (("redeliver", "nobody", "--all"), 'there is no webhook "nobody"'),
        (("test", "nobody"), 'there is no webhook "nobody"'),
    ],
    ids=str,
)
def test_what_may_not_be_is_refused_with_its_reason(run: Run, arguments: tuple[str, ...], message: str) -> None:
    """Exit code 1 and one clear line."""
    result = run("webhook", *arguments)
    assert (result.exit_code, result.output.startswith(f"Error: {message}")) == (1, True)


@pytest.mark.parametrize(
    "arguments",
    [
        ("add", "x"),
        ("add", "x", URL, "more"),
        ("add", "x", URL, "--from", "0"),
        ("add", "x", URL, "--from", "x"),
        ("add", "x", URL, "--client"),
        ("add", "x", URL, "--clients", "a"),
        ("update", "x", "--type", "token.*", "--all-types"),
        ("update", "x", "--client", "a", "--all-clients"),
        ("rotate-secret", "x", "--overlap", "long"),
        ("redeliver", "x"),
        ("redeliver", "x", "1", "--all"),
        ("redeliver", "x", "0"),
        ("send",),
    ],
    ids=" ".join,
)
def test_wrong_usage_is_told(run: Run, arguments: tuple[str, ...]) -> None:
    """Exit code 2."""
    assert run("webhook", *arguments).exit_code == 2


def test_a_client_that_is_not_there_is_told(run: Run, tmp_path: Path) -> None:
    """With the name that may have been meant; one that is removed later stays, and is refused to others."""
    run("client", "add", "billing")
    refused = run("webhook", "add", "siem", URL, "--client", "biling")
    assert (refused.exit_code, refused.output) == (
        1,
        'Error: client[0]: "biling" is no client — did you mean "billing"?\n',
    )
    assert run("webhook", "add", "siem", URL, "--client", "billing", "--client", "_").exit_code == 0
    (nothing := tmp_path / "access.yaml").write_text("clients: []\n")
    assert run("apply", nothing, "--prune").exit_code == 0
    assert run("webhook", "update", "siem", "--type", "token.*").output.startswith("webhook siem is updated")
    assert json.loads(run("webhook", "show", "siem", "--json").stdout)["clients"] == ["billing", "_"]
    assert run("webhook", "update", "siem", "--client", "shop").exit_code == 1
    assert run("webhook", "add", "other", URL, "--client", "billing").exit_code == 1


def test_a_name_is_taken_once(run: Run) -> None:
    """A second one of a name is refused; once removed the name is free, and the secret is another."""
    first = json.loads(run("webhook", "add", "siem", URL, "--json").stdout)["secret"]
    assert run("webhook", "add", "siem", URL).output == 'Error: webhook "siem" exists already\n'
    run("webhook", "remove", "siem")
    assert first != json.loads(run("webhook", "add", "siem", URL, "--json").stdout)["secret"]


def test_without_a_consumer_the_command_says_so(run: Run) -> None:
    """A change is made, and told that nothing acts on it now."""
    result = run("webhook", "add", "siem", URL)
    assert (result.exit_code, "nothing is sent now" in result.stderr) == (0, True)


@pytest.mark.usefixtures("private")
async def test_no_secret_is_in_clear_anywhere(
    run: Run, world: World, receiver: Receiver, database: Database, caplog: pytest.LogCaptureFixture, tmp_path: Path
) -> None:
    """Neither in an event, a table, a log line nor a later output."""
    secrets = [(await document(run, "add", "siem", receiver.url))["secret"]]
    async with world.sending():
        secrets.append((await document(run, "rotate-secret", "siem"))["secret"])
        await world.happen("a")
        await until(lambda: len(receiver.taken) >= 2)
    outputs = [await command(run, "list"), await command(run, "show", "siem"), caplog.text]
    tables = await world.rows(
        "SELECT t FROM (SELECT e::text AS t FROM journal.events e UNION ALL SELECT v::text FROM vault.webhooks v"
        " UNION ALL SELECT p::text FROM webhook.pending p UNION ALL SELECT p::text FROM projection.progress p) x"
    )
    everything = " ".join([*outputs, *(row[0] for row in tables)])
    for secret in secrets:
        key = parsed(secret)
        assert not any(form in everything for form in (secret, secret.removeprefix("whsec_"), key.hex()))


@pytest.mark.usefixtures("private")
async def test_under_another_master_key_it_halts_and_says_what_to_do(
    run: Run, world: World, receiver: Receiver, environment: dict[str, str]
) -> None:
    """A secret that does not open signs nothing; a new one goes on, without loss."""
    await document(run, "add", "siem", receiver.url, "--type", "client.*")
    await world.rows("UPDATE vault.webhooks SET wrapped = 'x' RETURNING 1")
    positions = await world.happen("a")

    async def halted() -> bool:
        _, state, reason = await world.progress()
        return state == "halted" and "tallystick webhook rotate-secret siem" in reason

    async with world.sending():
        await until(halted)
        assert ((refused := await refusal(run, "test", "siem"))[0], "rotate-secret siem" in refused[1]) == (1, True)
        await document(run, "rotate-secret", "siem")
        await until(lambda: receiver.positions == positions)
