from __future__ import annotations

import asyncio
import contextlib
import hashlib
import json
import os
import pty
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import psycopg
import pytest

from schema import events
from schema.streams import account_stream
from service.bootstrap import open_journal
from service.journal.port import Append
from service.settings import Settings
from tests.access.folding import journal
from tests.accounts.conftest import Run
from tests.accounts.test_store import OTHER, vault
from tests.accounts.test_strength import GOOD
from tests.servers import Database

COMMAND = [sys.executable, "-m", "service.cli.main", "account"]


def shown(run: Run, name: str) -> Any:
    """What `account show` tells programs."""
    return json.loads(run("account", "show", name, "--json").stdout)


def test_an_account_is_added_shown_and_listed(run: Run) -> None:
    """Everything but the password, which is only there or not."""
    run("role", "add", "reader")
    added = run(
        "account", "add", "Zoe", "--email", "Zoe@example.com", "--role", "reader", "--password-stdin", stdin=GOOD
    )
    assert (added.exit_code, added.stdout) == (0, "account zoe added\n")
    account = shown(run, "ZOE")
    assert len(account.pop("subject")) == 36
    assert account == {
        "name": "zoe",
        "email": "Zoe@example.com",
        "enabled": True,
        "password": True,
        "authenticator_app": False,
        "passkeys": [],
        "recovery_codes": 0,
        "roles": ["reader"],
    }
    assert [each["name"] for each in json.loads(run("account", "list", "--json").stdout)] == ["zoe"]
    tables = run("account", "list").stdout + run("account", "show", "zoe").stdout
    assert [text in tables for text in ("Zoe@example.com", "reader", "enabled", "set", "yes")] == [True] * 5


def test_without_a_password_it_says_what_is_missing(run: Run, database: Database) -> None:
    """An account without a password is made, and how to give it one is told."""
    assert run("account", "list").stdout == "no accounts yet\n"
    assert run("account", "add", "zoe").stdout == (
        "account zoe added\nit cannot sign in by password yet; to set one: tallystick account set-password zoe\n"
    )
    assert (shown(run, "zoe")["password"], vault(database)) == (False, {})
    assert "password           no" in run("account", "show", "zoe").stdout


def test_a_password_is_set_from_stdin(run: Run, database: Database) -> None:
    """One line, whatever its end; it is not shown again."""
    run("account", "add", "zoe")
    done = run("account", "set-password", "zoe", "--password-stdin", stdin=f"{GOOD}\n")
    assert (done.exit_code, done.output) == (0, "account zoe has a new password\n")
    assert shown(run, "zoe")["password"] is True
    same = run("account", "set-password", "zoe", "--password-stdin", stdin=f"{GOOD}\r\n")
    assert (same.exit_code, same.stderr) == (1, "Error: password: is the one that the account has already\n")
    assert len(vault(database)) == 1


@pytest.mark.parametrize(
    ("stdin", "told"),
    [
        (b"password1", "password: is too easy to guess."),
        (b"short", "password: is shorter than 8 characters"),
        (b"", "password: is empty"),
        (f"{GOOD}\n{GOOD}\n".encode(), "password: has control, invisible or unassigned characters"),
        (b"tulip-\xff-harbor", "the password on stdin is not UTF-8"),
        (b"7g" * 9_000, "password: is longer than 1024 characters"),
    ],
)
def test_a_password_that_is_refused_is_told_why(run: Run, database: Database, stdin: bytes, told: str) -> None:
    """Exit 1, the reason, never the password, and nothing is changed."""
    refused = run("account", "add", "zoe", "--password-stdin", stdin=stdin)
    assert refused.exit_code == 1
    assert refused.stderr.startswith(f"Error: {told}")
    assert "harbor" not in refused.output
    assert journal(database.owner_url) == []


def test_a_person_is_asked_twice_and_unseen(run: Run, environment: dict[str, str]) -> None:
    """On a terminal the password is typed twice; what is typed does not appear."""
    run("account", "add", "zoe")
    terminal, end = pty.openpty()
    asking = subprocess.Popen(
        [*COMMAND, "set-password", "zoe"], stdin=end, stdout=end, stderr=end, env=environment, start_new_session=True
    )
    os.close(end)
    seen = b""
    for prompt in (b"New password: ", b"The same once more: "):
        while prompt not in seen:
            seen += os.read(terminal, 1_024)
        os.write(terminal, f"{GOOD}\n".encode())
    seen += _rest(terminal)
    os.close(terminal)
    assert asking.wait(60) == 0, seen
    assert b"account zoe has a new password" in seen
    assert GOOD.encode() not in seen
    assert shown(run, "zoe")["password"] is True


def test_without_a_terminal_asking_is_wrong_usage(run: Run) -> None:
    """A script hears at once that it has to say where the password is."""
    refused = run("account", "set-password", "zoe", stdin=f"{GOOD}\n")
    assert (refused.exit_code, "use --password-stdin" in refused.stderr) == (2, True)
    assert run("account", "add").exit_code == 2


def test_an_account_is_disabled_and_enabled(run: Run, database: Database) -> None:
    """Each is an event once; doing it again changes nothing and is no failure."""
    run("account", "add", "zoe")
    outputs = [
        run("account", "disable", "zoe", "--reason", "left").stdout,
        run("account", "disable", "zoe").stdout,
        run("account", "enable", "zoe").stdout,
        run("account", "enable", "zoe").stdout,
    ]
    assert outputs == [
        "account zoe is disabled\n",
        "account zoe was already disabled\n",
        "account zoe is enabled\n",
        "account zoe was already enabled\n",
    ]
    events = journal(database.owner_url)[-2:]
    assert [kind for kind, _ in events] == ["account.disabled", "account.enabled"]
    assert json.loads(events[0][1])["reason"] == "left"


def test_roles_are_granted_and_withdrawn(run: Run, database: Database) -> None:
    """Each is an event once, and a role that does not exist is told."""
    run("role", "add", "reader")
    run("account", "add", "zoe")
    outputs = [run("role", verb, "zoe", "reader").stdout for verb in ("grant", "grant", "withdraw", "withdraw")]
    assert outputs == [
        "account zoe has the role reader\n",
        "account zoe had already the role reader\n",
        "account zoe has no longer the role reader\n",
        "account zoe did not have the role reader\n",
    ]
    assert [kind for kind, _ in journal(database.owner_url)][-2:] == ["role.granted", "role.withdrawn"]
    for verb in ("grant", "withdraw"):
        told = run("role", verb, "zoe", "raeder")
        assert (told.exit_code, told.stderr) == (1, 'Error: "raeder" is no role — did you mean "reader"?\n')


def test_a_pruned_role_is_nobodys(run: Run, database: Database, tmp_path: Any) -> None:
    """Removing a role takes it from every account, and making it again gives it to none."""
    run("role", "add", "reader")
    run("account", "add", "zoe", "--role", "reader")
    (tmp_path / "access.yaml").write_text("resources: []\n")
    assert "- role reader\n" in run("apply", tmp_path / "access.yaml", "--prune").stdout
    run("role", "add", "reader")
    assert shown(run, "zoe")["roles"] == []


def test_an_account_is_signed_out(run: Run, database: Database) -> None:
    """Every session and grant ends by one event, each time anew, and a reason that cannot be one changes nothing."""
    run("account", "add", "zoe")
    for _ in range(2):
        done = run("account", "sign-out", "Zoe", "--reason", "lost phone")
        assert (done.exit_code, done.stdout) == (0, "account zoe is signed out everywhere\n")
    assert run("account", "sign-out", "zoe", "--reason", "\t").exit_code == 1
    ended = [json.loads(data)["reason"] for kind, data in journal(database.owner_url) if kind == "account.signed_out"]
    assert ended == ["lost phone"] * 2


def test_factors_are_shown_and_reset(run: Run, database: Database) -> None:
    """App, passkeys and recovery codes are told of without what is secret of them, and all go at once."""
    run("account", "add", "zoe")
    subject = shown(run, "zoe")["subject"]
    enrol(database, subject)
    account = shown(run, "zoe")
    assert (account["authenticator_app"], account["passkeys"], account["recovery_codes"]) == (True, ["a", "b"], 2)
    assert [text in run("account", "show", "zoe").stdout for text in ("a, b", "yes")] == [True, True]
    outputs = [run("account", "reset-factors", "zoe").stdout for _ in range(2)]
    assert outputs == [
        "account zoe has nothing but its password to sign in by\n",
        "account zoe had already nothing but its password to sign in by\n",
    ]
    account = shown(run, "zoe")
    assert (account["authenticator_app"], account["passkeys"], account["recovery_codes"]) == (False, [], 0)
    assert [kind for kind, _ in journal(database.owner_url)][-4:] == [
        "account.totp_removed",
        "account.passkey_removed",
        "account.passkey_removed",
        "account.recovery_codes_set",
    ]
    with psycopg.connect(database.owner_url) as connection:
        assert connection.execute("SELECT count(*) FROM vault.totp").fetchall() == [(0,)]


def enrol(database: Database, subject: str) -> None:
    """An authenticator app, two passkeys and two recovery codes for zoe, without the pages."""
    factors = (
        events.TotpEnrolled(subject=subject),
        *(
            events.PasskeyAdded(subject=subject, credential_id=label, public_key="k", label=label, added_at=1)
            for label in ("a", "b")
        ),
        events.RecoveryCodesSet(subject=subject, digests=("x", "y")),
    )

    async def append() -> None:
        async with open_journal(Settings(database_url=database.service_url)) as opened:
            await opened.append(Append(account_stream("zoe"), 1, factors))

    asyncio.run(append())
    with psycopg.connect(database.owner_url, autocommit=True) as connection:
        connection.execute("INSERT INTO vault.totp VALUES (%s, %s)", (subject, b"wrapped"))


def test_a_password_known_from_a_breach_is_refused(
    run: Run, environment: dict[str, str], database: Database, tmp_path: Path
) -> None:
    """Where there is a list, it is asked; where it cannot be read, no password is set."""
    environment["TALLYSTICK_BREACHED_PASSWORDS_FILE"] = str(tmp_path / "list")
    unread = run("account", "add", "zoe", "--password-stdin", stdin=GOOD)
    assert (unread.exit_code, "cannot be used: No such file or directory" in unread.stderr) == (1, True)
    known = hashlib.sha1(GOOD.encode()).hexdigest().upper()  # noqa: S324 what the list is made of
    (tmp_path / "list").write_text(f"{known}:3\r\n")
    refused = run("account", "add", "zoe", "--password-stdin", stdin=GOOD)
    assert (refused.exit_code, refused.stderr) == (1, "Error: password: is known from a data breach\n")
    assert journal(database.owner_url) == []
    assert run("account", "add", "zoe", "--password-stdin", stdin=OTHER).exit_code == 0
    assert run("account", "set-password", "zoe", "--password-stdin", stdin=GOOD).exit_code == 1


def test_an_unknown_name_is_told(run: Run) -> None:
    """Showing or changing what does not exist exits 1 and names it."""
    run("role", "add", "reader")
    for arguments in (
        ("account", "show", "nobody"),
        ("account", "disable", "nobody"),
        ("account", "enable", "nobody"),
        ("account", "sign-out", "nobody"),
        ("account", "reset-factors", "nobody"),
        ("account", "set-password", "nobody", "--password-stdin"),
        ("role", "grant", "nobody", "reader"),
        ("role", "withdraw", "nobody", "reader"),
    ):
        told = run(*arguments, stdin=GOOD)
        assert (told.exit_code, told.stderr) == (1, 'Error: there is no account "nobody"\n')


def test_of_two_commands_that_add_one_name_one_wins(run: Run, environment: dict[str, str], database: Database) -> None:
    """Two processes that add the same account at once: one exits 0, the other 1."""

    def add(name: str) -> subprocess.CompletedProcess[str]:
        command = [*COMMAND, "add", name, "--password-stdin"]
        return subprocess.run(
            command, capture_output=True, text=True, check=False, env=environment, input=GOOD, timeout=60
        )

    with ThreadPoolExecutor(2) as pool:
        outcomes = sorted(pool.map(add, ("zoe", "Zoe")), key=lambda each: each.returncode)
    assert [each.returncode for each in outcomes] == [0, 1], outcomes
    assert outcomes[1].stderr == 'Error: account "zoe" exists already\n'
    assert [kind for kind, _ in journal(database.owner_url)] == ["account.registered", "account.password_set"]


def test_no_command_leaves_a_password_in_the_journal_or_on_the_screen(run: Run, database: Database) -> None:
    """The whole journal, and all that was printed, hold neither password nor hash."""
    printed = [
        run("account", "add", "zoe", "--password-stdin", stdin=GOOD),
        run("account", "set-password", "zoe", "--password-stdin", stdin=OTHER),
        run("account", "set-password", "zoe", "--password-stdin", stdin=OTHER),
        run("account", "show", "zoe"),
        run("account", "show", "zoe", "--json"),
        run("account", "list"),
    ]
    with psycopg.connect(database.owner_url) as connection:
        rows = connection.execute("SELECT to_jsonb(e)::text FROM journal.events e").fetchall()
    everything = "\n".join((*(result.output for result in printed), *(row for (row,) in rows)))
    assert [text for text in (GOOD, OTHER, "argon2", *vault(database).values()) if text in everything] == []


def _rest(terminal: int) -> bytes:
    """What is still printed until the command ends; Linux tells the end by an error."""
    seen = b""
    with contextlib.suppress(OSError):
        while more := os.read(terminal, 1_024):
            seen += more
    return seen
