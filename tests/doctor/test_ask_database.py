from __future__ import annotations

import contextlib
import datetime as dt
import os
from collections.abc import Iterator
from urllib.parse import urlsplit, urlunsplit

import psycopg
import pytest
from psycopg import sql

from service.doctor import database as checks
from service.doctor.ask_database import ask_database, ask_use
from service.doctor.facts import DatabaseFacts
from service.journal.port import JournalUnavailable
from tests.servers import Database

NOW = dt.datetime.now(dt.UTC)
ROLE = f"doctor_{os.getpid()}"


@contextlib.contextmanager
def granted(database: Database, *grants: tuple[str, str]) -> Iterator[None]:
    """Statements and what takes each back; a role of the test's own stands for `{role}`."""
    role = sql.Identifier(ROLE)
    with psycopg.connect(database.owner_url, autocommit=True) as owner:
        owner.execute(sql.SQL("CREATE ROLE {} LOGIN PASSWORD 'x' IN ROLE tallystick_app").format(role))
        try:
            for grant, _ in grants:
                owner.execute(sql.SQL(grant).format(role=role))
            yield
        finally:
            for _, back in grants:
                owner.execute(sql.SQL(back).format(role=role))
            owner.execute(sql.SQL("DROP OWNED BY {}").format(role))
            owner.execute(sql.SQL("DROP ROLE {}").format(role))


def login(database: Database) -> str:
    """The URL of that role."""
    parts = urlsplit(database.service_url)
    return urlunsplit(parts._replace(netloc=f"{ROLE}:x@{parts.netloc.rpartition('@')[2]}"))


async def found(url: str) -> set[str]:
    """What is amiss, but for what the tests' own server leaves out."""
    facts, _ = await ask_database(url, NOW)
    seen = checks.GROUP.findings(facts)
    return {each.id for each in seen if each.severity != "ok"} - {"database-not-durable", "database-no-checksums"}


async def asked(url: str) -> DatabaseFacts:
    """The facts alone."""
    return (await ask_database(url, NOW))[0]


async def test_the_shipped_rights_are_well(database: Database) -> None:
    """With a migrated database and the service's login nothing is amiss, and the clock is measured."""
    assert await found(database.service_url) == set()
    _, clock = await ask_database(database.service_url, NOW)
    assert abs(clock.ahead) <= clock.within + 1


async def test_the_owner_is_a_superuser(database: Database) -> None:
    """A service that logs in as who owns everything is found out."""
    assert "database-role-superuser" in await found(database.owner_url)


async def test_a_server_that_does_not_wait_for_its_disk(database: Database) -> None:
    """What the server says of fsync is what is told."""
    with psycopg.connect(database.owner_url) as owner:
        (shown,) = owner.execute("SELECT current_setting('fsync')").fetchone() or ("",)
    facts = await asked(database.service_url)

    told = {each.subjects for each in checks.GROUP.findings(facts) if each.id == "database-not-durable"}
    assert told == ({("fsync",)} if shown == "off" else {()})


async def test_sessions_that_do_not_wait(database: Database) -> None:
    """A login whose sessions begin without synchronous commit is warned of; the service's own sessions set it."""
    with granted(database, ("ALTER ROLE {role} SET synchronous_commit = off", "SELECT 1")):
        facts = await asked(login(database))

    assert facts.defaults["synchronous_commit"] == "off"
    assert facts.durability["synchronous_commit"] == "on"


@pytest.mark.parametrize(
    ("grant", "back", "expected"),
    [
        ("SELECT 1", "SELECT 1", set()),
        ("GRANT UPDATE ON journal.events TO {role}", "SELECT 1", {"database-role-writes-journal"}),
        (
            "GRANT TRUNCATE ON journal.events TO tallystick_app",
            "REVOKE TRUNCATE ON journal.events FROM tallystick_app",
            {"database-role-writes-journal"},
        ),
        (
            "GRANT tallystick_app TO {role} WITH INHERIT FALSE; GRANT INSERT ON journal.head TO tallystick_app",
            "REVOKE INSERT ON journal.head FROM tallystick_app",
            {"database-role-writes-journal"},
        ),
        ("ALTER ROLE {role} CREATEROLE", "SELECT 1", {"database-role-creates-roles"}),
        ("ALTER ROLE {role} CREATEDB BYPASSRLS", "SELECT 1", {"database-role-powers"}),
        ("GRANT pg_read_server_files TO {role}", "SELECT 1", {"database-role-powers"}),
        (
            "GRANT CREATE ON SCHEMA journal TO {role}; ALTER TABLE journal.once OWNER TO {role}",
            "ALTER TABLE journal.once OWNER TO CURRENT_USER",
            {"database-role-owner"},
        ),
        (
            "GRANT USAGE ON SCHEMA journal TO tallystick_analyst; GRANT SELECT ON journal.head TO tallystick_analyst",
            "REVOKE ALL ON SCHEMA journal FROM tallystick_analyst; REVOKE ALL ON journal.head FROM tallystick_analyst",
            {"database-analyst-reads-more"},
        ),
        (
            "GRANT EXECUTE ON FUNCTION pg_advisory_lock(bigint) TO PUBLIC",
            "REVOKE EXECUTE ON FUNCTION pg_advisory_lock(bigint) FROM PUBLIC",
            {"database-locks-open"},
        ),
    ],
)
async def test_a_right_too_many_is_found(database: Database, grant: str, back: str, expected: set[str]) -> None:
    """Each right that the login or analysts should not have is found, and nothing else."""
    with granted(database, (grant, back)):
        seen = await found(login(database))

    assert seen == expected


async def test_another_login_that_reads_the_vault(database: Database) -> None:
    """A login beside the service's that may read password hashes is named."""
    before = (await asked(database.service_url)).vault_readers
    rights = "GRANT USAGE ON SCHEMA vault TO {role}; GRANT SELECT ON vault.passwords TO {role}"
    with granted(database, ("REVOKE tallystick_app FROM {role}", "SELECT 1"), (rights, "SELECT 1")):
        after = (await asked(database.service_url)).vault_readers

    assert (before, after) == ((), (ROLE,))


async def test_figures_that_nobody_folded(database: Database) -> None:
    """Without a projector it is told that nothing is known of use."""
    assert await ask_use(database.service_url, NOW) == (False, (), ())


@pytest.mark.parametrize("url", ["postgresql://me:s3cret@127.0.0.1:1/x", "postgresql://me:s3cret@[/x", "nonsense"])
async def test_no_database_is_a_sentence_without_the_password(url: str) -> None:
    """What cannot be reached or read is told without any part of the URL's password."""
    with pytest.raises(JournalUnavailable) as raised:
        await ask_database(url, NOW)

    assert "s3cret" not in str(raised.value)
    assert str(raised.value)
