from __future__ import annotations

import json
import shlex
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import psycopg
import pytest

from schema.events import ClientRegistered, decode
from service.embedded.home import Home, RunInfo
from service.keys.master import load_keys
from service.settings import load_settings
from service.tokens.digest import Digester
from tests.access.conftest import Run
from tests.access.folding import PAYMENTS, USERS, journal
from tests.access.test_document import EC_KEY
from tests.servers import Database

EXAMPLE = Path(__file__).parents[2] / "examples" / "access.yaml"


@pytest.fixture
def example(tmp_path: Path) -> Path:
    """A copy of the example that a test may edit."""
    return Path(shutil.copy(EXAMPLE, tmp_path))


def add_worker(run: Run, *more: str) -> Any:
    """Add a resource and a client of it; returns the JSON of the client."""
    run("resource", "add", USERS, "--scope", "read:users=Read users")
    added = run(
        "client",
        "add",
        "worker",
        "--grant",
        "client_credentials",
        "--scope",
        "read:users",
        "--resource",
        USERS,
        *more,
        "--json",
    )
    assert added.exit_code == 0, added.output
    return json.loads(added.stdout)


def edit(path: Path, before: str, after: str) -> None:
    """Replace a text of a file."""
    assert before in path.read_text()
    path.write_text(path.read_text().replace(before, after))


def test_apply_shows_then_applies_then_has_nothing_to_do(run: Run, example: Path, database: Database) -> None:
    """A dry run changes nothing, the first run everything, the second nothing; secrets come once, at the end."""
    dry = run("apply", example, "--dry-run")
    assert (dry.exit_code, journal(database.owner_url)) == (0, [])
    first = run("apply", example)
    assert first.exit_code == 0
    difference, _, end = first.stdout.partition("applied: 11 changes\n")
    assert difference == dry.stdout
    shown = [line.split() for line in end.splitlines() if line.startswith("  ")]
    assert [(name, secret[:7]) for name, secret in shown] == [
        ("billing-worker", "tly_cs_"),
        ("users-api", "tly_cs_"),
        ("payments-api", "tly_cs_"),
        ("auditor", "tly_cs_"),
        ("web-app", "tly_cs_"),
    ]
    events = journal(database.owner_url)
    assert [kind for kind, _ in events] == [*["resource.registered"] * 3, "role.registered", *["client.registered"] * 7]
    second = run("apply", example)
    assert (second.exit_code, second.stdout) == (0, "nothing to change\n")
    assert journal(database.owner_url) == events


def test_apply_prints_json(run: Run, example: Path, environment: dict[str, str], database: Database) -> None:
    """--json gives the changes and the secrets, whose digests are those in the events."""
    applied = json.loads(run("apply", example, "--json").stdout)
    assert [(change["action"], change["kind"]) for change in applied["changes"]] == [
        *[("add", "resource")] * 3,
        ("add", "role"),
        *[("add", "client")] * 7,
    ]
    digester = Digester(load_keys(load_settings(environment)).digests)
    registered = [decode(kind, data) for kind, data in journal(database.owner_url) if kind == "client.registered"]
    digests = {each.client_id: each.secret_digest for each in registered if isinstance(each, ClientRegistered)}
    assert {name: digests.pop(name) for name in ("command-line", "tv")} == {"command-line": None, "tv": None}
    assert digests == {client_id: digester.digest(secret) for client_id, secret in applied["secrets"].items()}
    again = json.loads(run("apply", example, "--json").stdout)
    assert again == {"dry_run": False, "changes": [], "secrets": {}, "kept": [], "notes": []}


def test_apply_keeps_what_is_not_in_the_file_and_prunes_on_demand(run: Run, example: Path) -> None:
    """Without --prune what is absent is kept and mentioned; with it, it is removed."""
    run("apply", example)
    content = example.read_text()
    example.write_text(content[: content.index("  # A device without a keyboard")])
    assert run("apply", example).stdout == "nothing to change\nkept, although not in the file: client tv\n"
    pruned = run("apply", example, "--prune")
    assert pruned.stdout == "- client tv\napplied: 1 change\n"
    assert [each["client_id"] for each in json.loads(run("client", "list", "--json").stdout)] == [
        "auditor",
        "billing-worker",
        "command-line",
        "payments-api",
        "users-api",
        "web-app",
    ]


def test_apply_changes_fields(run: Run, example: Path) -> None:
    """A changed field is shown before and after, and applied."""
    run("apply", example)
    edit(example, "access_token_lifetime: 10m", "access_token_lifetime: 300")
    assert (
        run("apply", example).stdout
        == "~ client billing-worker\n    access_token_lifetime: 10m → 5m\napplied: 1 change\n"
    )
    assert json.loads(run("client", "show", "billing-worker", "--json").stdout)["access_token_lifetime"] == 300


def test_apply_tells_mistakes_by_line(run: Run, example: Path, database: Database) -> None:
    """Mistakes go to stderr, one line each, exit 1, and nothing is changed."""
    edit(example, '"write:payments"]', '"write:payment"]')
    told = run("apply", example)
    assert (told.exit_code, told.stdout) == (1, "")
    line = next(number for number, text in enumerate(example.read_text().splitlines(), 1) if '"write:payment"]' in text)
    assert told.stderr == (
        f'{example}:{line}: roles[0].scopes[1]: "write:payment" is no scope of any resource'
        ' — did you mean "write:payments"?\n'
    )
    assert journal(database.owner_url) == []
    missing = run("apply", "none.yaml")
    assert (missing.exit_code, missing.stderr) == (1, "none.yaml: no such file or directory\n")


def test_a_client_is_added_shown_and_listed(run: Run) -> None:
    """`client add` gives the secret once; `show` and `list` give everything but secrets and digests."""
    added = add_worker(run, "--token-format", "opaque", "--access-token-lifetime", "5m")
    assert (sorted(added), added["client_secret"][:7]) == (["client_id", "client_secret"], "tly_cs_")
    shown = json.loads(run("client", "show", "worker", "--json").stdout)
    assert shown == {
        "client_id": "worker",
        "enabled": True,
        "auth_method": "client_secret_basic",
        "grants": ["client_credentials"],
        "scopes": ["read:users"],
        "roles": [],
        "resources": [USERS],
        "introspects": [],
        "redirect_uris": [],
        "token_format": "opaque",
        "access_token_lifetime": 300,
        "jwks": [],
        "client_name": "",
        "first_party": False,
        "refresh_rotation": True,
        "subject_type": "public",
        "post_logout_redirect_uris": [],
        "backchannel_logout_uri": None,
        "secrets": [{"expires_at": None}],
    }
    assert json.loads(run("client", "list", "--json").stdout) == [shown]
    tables = run("client", "list").stdout + run("client", "show", "worker").stdout
    assert USERS in tables
    assert added["client_secret"] not in tables


def test_a_client_that_people_sign_in_at_is_added_shown_and_listed(run: Run) -> None:
    """Each option arrives; the device grant may be written short; what is shown is what was said."""
    callback, bye = "https://app.example.com/callback", "https://app.example.com/bye"
    added = run(
        *("client", "add", "app", "--name", "Zoë's app", "--first-party", "--no-refresh-rotation"),
        *("--grant", "authorization_code", "--grant", "refresh_token", "--grant", "device_code"),
        *("--scope", "openid", "--scope", "offline_access", "--redirect-uri", callback, "--subject-type", "pairwise"),
        *("--post-logout-redirect-uri", bye, "--backchannel-logout-uri", "https://app.example.com/logout"),
    )
    assert (added.exit_code, added.stderr) == (0, "")
    shown = json.loads(run("client", "show", "app", "--json").stdout)
    expected = {
        "grants": ["authorization_code", "refresh_token", "urn:ietf:params:oauth:grant-type:device_code"],
        "scopes": ["offline_access", "openid"],
        "redirect_uris": [callback],
        "client_name": "Zoë's app",
        "first_party": True,
        "refresh_rotation": False,
        "subject_type": "pairwise",
        "post_logout_redirect_uris": [bye],
        "backchannel_logout_uri": "https://app.example.com/logout",
    }
    assert {field: shown[field] for field in expected} == expected
    table, fields = run("client", "list").stdout, run("client", "show", "app").stdout.splitlines()
    assert [text in table for text in ("Zoë's app", "device_code", "openid")] == [True] * 3
    assert [" ".join(line.split()) for line in fields if line.startswith(("first", "refresh", "client_name"))] == [
        "client_name Zoë's app",
        "first_party yes",
        "refresh_rotation no",
    ]


def test_show_says_none_where_there_is_none(run: Run) -> None:
    """A client without a name, addresses and a lifetime of its own shows that in words."""
    run("client", "add", "plain")
    fields = dict(line.split(maxsplit=1) for line in run("client", "show", "plain").stdout.splitlines())
    assert (
        fields["client_name"],
        fields["backchannel_logout_uri"],
        fields["access_token_lifetime"].rstrip(),
    ) == ("none", "none", "the server's")


def test_a_name_is_added_once(run: Run, database: Database) -> None:
    """Adding what exists fails with a clear message and no event."""
    add_worker(run)
    run("role", "add", "reader", "--scope", "read:users")
    events = journal(database.owner_url)
    for kind, name in (("client", "worker"), ("resource", USERS), ("role", "reader")):
        again = run(kind, "add", name)
        assert (again.exit_code, again.stderr) == (1, f'Error: {kind} "{name}" exists already\n')
    assert journal(database.owner_url) == events


def test_of_two_commands_that_add_one_name_one_wins(environment: dict[str, str], database: Database) -> None:
    """Two processes that add the same client at once: one exits 0 with the secret, the other 1."""

    def add(_: int) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "service.cli.main", "client", "add", "worker", "--json"]
        return subprocess.run(command, capture_output=True, text=True, check=False, env=environment)

    with ThreadPoolExecutor(2) as pool:
        outcomes = sorted(pool.map(add, range(2)), key=lambda each: each.returncode)
    assert [each.returncode for each in outcomes] == [0, 1], outcomes
    assert json.loads(outcomes[0].stdout)["client_id"] == "worker"
    assert outcomes[1].stderr == 'Error: client "worker" exists already\n'
    assert [kind for kind, _ in journal(database.owner_url)] == ["client.registered"]


def test_a_rule_holds_for_single_commands_too(run: Run, database: Database) -> None:
    """What a file may not say, a command may not either."""
    refused = run("client", "add", "a.b", "--public", "--grant", "client_credentials", "--scope", "x")
    assert refused.exit_code == 1
    assert refused.stderr.splitlines() == [
        'Error: id: "a.b" must be 1 to 64 of A-Z a-z 0-9 _ - and not "_" alone',
        "grants[0]: a public client (auth_method none) may not use client_credentials (RFC 6749 section 4.4)",
        'scopes[0]: "x" is no scope of any resource',
    ]
    assert run("resource", "add", "not a uri").exit_code == 1
    assert run("role", "add", "r", "--scope", "x").exit_code == 1
    assert journal(database.owner_url) == []


def test_the_commands_of_the_document_work(run: Run) -> None:
    """Each command under "Single changes" of docs/access-model.md does what it says, one after the other."""
    document = (EXAMPLE.parents[1] / "docs" / "access-model.md").read_text()
    block = document.partition("Single changes:\n\n")[2].partition("\n\n")[0].replace("\\\n", " ")
    commands = [shlex.split(line)[1:] for line in block.splitlines()]
    assert len(commands) > 5
    failed = [(command, result.output) for command in commands if (result := run(*command)).exit_code != 0]
    assert failed == []


def test_wrong_usage_exits_2(run: Run) -> None:
    """What click can refuse by itself is wrong usage."""
    for arguments in (
        ("client", "add"),
        ("client", "add", "a", "--auth-method", "basic"),
        ("client", "add", "a", "--subject-type", "private"),
        ("client", "add", "a", "--public", "--auth-method", "private_key_jwt"),
        ("client", "rotate-secret", "a", "--overlap", "soon"),
        ("resource", "add", USERS, "--scope", "a=1", "--scope", "a=2"),
        ("apply",),
        ("nonsense",),
    ):
        assert run(*arguments).exit_code == 2


def test_keys_of_a_client_come_from_a_file(run: Run, tmp_path: Path) -> None:
    """`--jwks` registers public keys, and there is no secret."""
    keys = tmp_path / "keys.json"
    keys.write_text(json.dumps({"keys": [EC_KEY | {"kid": "k1"}]}))
    added = run("client", "add", "signer", "--auth-method", "private_key_jwt", "--jwks", keys, "--json")
    assert json.loads(added.stdout) == {"client_id": "signer"}
    assert json.loads(run("client", "show", "signer", "--json").stdout)["jwks"] == [EC_KEY | {"kid": "k1"}]
    rotated = run("client", "rotate-secret", "signer")
    assert (rotated.exit_code, rotated.stderr) == (
        1,
        "Error: client signer has no secret: its auth_method is private_key_jwt\n",
    )


def test_a_secret_is_rotated_with_an_overlap(run: Run, home: Path, database: Database) -> None:
    """Both secrets work for the overlap; the new one is shown once and can be kept in a file."""
    first = add_worker(run)["client_secret"]
    rotated = json.loads(
        run("client", "rotate-secret", "worker", "--overlap", "2h", "--secret-file", "w", "--json").stdout
    )
    assert rotated["client_secret"] != first
    assert (home / "secrets" / "w").read_text() == f"{rotated['client_secret']}\n"
    secrets = json.loads(run("client", "show", "worker", "--json").stdout)["secrets"]
    assert [each["expires_at"] is None for each in secrets] == [False, True]
    stored = str(journal(database.owner_url))
    assert first not in stored
    assert rotated["client_secret"] not in stored
    run("client", "rotate-secret", "worker", "--overlap", "0")
    assert len(json.loads(run("client", "show", "worker", "--json").stdout)["secrets"]) == 1
    assert run("client", "rotate-secret", "worker", "--secret-file", "../w").exit_code == 1


def test_a_client_is_disabled_and_enabled(run: Run, database: Database) -> None:
    """Each is an event once; doing it again changes nothing and is no failure."""
    add_worker(run)
    outputs = [
        run("client", "disable", "worker", "--reason", "leaked").stdout,
        run("client", "disable", "worker").stdout,
        run("client", "enable", "worker").stdout,
        run("client", "enable", "worker").stdout,
    ]
    assert outputs == [
        "client worker is disabled\n",
        "client worker was already disabled\n",
        "client worker is enabled\n",
        "client worker was already enabled\n",
    ]
    events = journal(database.owner_url)[-2:]
    assert [kind for kind, _ in events] == ["client.disabled", "client.enabled"]
    assert json.loads(events[0][1]) == {"client_id": "worker", "reason": "leaked"}


def test_an_unknown_name_is_told(run: Run) -> None:
    """Showing or changing what does not exist exits 1 and names it."""
    for arguments in (("show",), ("rotate-secret",), ("disable",), ("enable",)):
        told = run("client", *arguments, "nobody")
        assert (told.exit_code, told.stderr) == (1, 'Error: there is no client "nobody"\n')
    assert run("resource", "show", "urn:a:b").stderr == 'Error: there is no resource "urn:a:b"\n'


def test_resources_and_roles_are_listed_and_shown(run: Run) -> None:
    """Tables for people, JSON for programs, a word where there is nothing."""
    assert run("resource", "list").stdout == "no resources yet\n"
    assert run("role", "list").stdout == "no roles yet\n"
    assert run("client", "list").stdout == "no clients yet\n"
    add_worker(run)
    run("resource", "add", PAYMENTS)
    run("client", "add", "users-api", "--introspects", USERS)
    assert run("role", "add", "reader", "--scope", "read:users").stdout == "role reader added\n"
    users = {"uri": USERS, "scopes": {"read:users": "Read users"}}
    assert json.loads(run("resource", "list", "--json").stdout) == [{"uri": PAYMENTS, "scopes": {}}, users]
    assert json.loads(run("resource", "show", USERS, "--json").stdout) == users | {
        "clients": ["worker"],
        "introspected_by": ["users-api"],
    }
    assert json.loads(run("role", "list", "--json").stdout) == [{"name": "reader", "scopes": ["read:users"]}]
    tables = run("resource", "list").stdout + run("resource", "show", USERS).stdout + run("role", "list").stdout
    assert [text in tables for text in (PAYMENTS, "Read users", "users-api", "reader")] == [True] * 4


def test_migrate_brings_the_database_to_this_version(run: Run, database: Database, environment: dict[str, str]) -> None:
    """A migrated database stays; a newer one is refused; a server that is not there is told."""
    environment["TALLYSTICK_OWNER_DATABASE_URL"] = database.owner_url
    assert run("migrate").stdout == "the database is at this version\n"
    with psycopg.connect(database.owner_url, autocommit=True) as connection:
        connection.execute("INSERT INTO _yoyo_migration (migration_hash, migration_id) VALUES ('x', '9999-later')")
    newer = run("migrate")
    assert (newer.exit_code, "newer version" in newer.stderr) == (1, True)


def test_commands_find_the_instance_that_runs_on_the_home(
    run: Run, environment: dict[str, str], home: Path, database: Database
) -> None:
    """Without a database URL commands use the running instance of TALLYSTICK_HOME, and `migrate` its owner's URL."""
    del environment["TALLYSTICK_DATABASE_URL"]
    place = Home(home)
    with place.lock():
        urls = {"database_url": database.service_url, "owner_database_url": database.owner_url}
        place.write_run(RunInfo(pid=1, http_url="http://127.0.0.1:1", nats_url="nats://", audit_nats_url=None, **urls))
        assert run("client", "list").stdout == "no clients yet\n"
        assert run("migrate").stdout == "the database is at this version\n"


def test_without_a_server_a_command_says_what_to_do(run: Run, environment: dict[str, str]) -> None:
    """Neither a URL nor a running instance: exit 1 and how to have one."""
    del environment["TALLYSTICK_DATABASE_URL"]
    for arguments in (("client", "list"), ("apply", str(EXAMPLE)), ("migrate",)):
        told = run(*arguments)
        assert (told.exit_code, "tallystick up" in told.stderr) == (1, True)
    environment["TALLYSTICK_DATABASE_URL"] = "postgresql://127.0.0.1:1/none"
    told = run("client", "list")
    assert (told.exit_code, told.stderr.startswith("Error: no connection to Postgres")) == (1, True)
