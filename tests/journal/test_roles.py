"""What the service's role may do in the database, by a plain SQL session in that role."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import psycopg
import pytest

from service.journal.postgres import APP_ROLE
from tests.journal.benches import open_journal
from tests.journal.contract import request
from tests.servers import Database

INSERT = "INSERT INTO {} VALUES (9, gen_random_uuid(), 1, 'client.enabled', '_', '{{}}', 'x', NULL, NULL, now())"

REFUSED = {
    "update an event": "UPDATE journal.events SET data = '{}'",
    "delete an event": "DELETE FROM journal.events",
    "truncate events": "TRUNCATE journal.events",
    "insert an event": INSERT.format("journal.events"),
    "insert into a partition": INSERT.format("journal.events_entities"),
    "delete from a partition": "DELETE FROM journal.events_entities",
    "truncate a partition": "TRUNCATE journal.events_entities",
    "drop a partition": "DROP TABLE journal.events_entities",
    "detach a partition": "ALTER TABLE journal.events DETACH PARTITION journal.events_entities",
    "merge into events": (
        "MERGE INTO journal.events e USING journal.head h ON e.position = h.position WHEN MATCHED THEN DELETE"
    ),
    "lock events": "DO $$ BEGIN LOCK TABLE journal.events IN ACCESS EXCLUSIVE MODE; END $$",
    "move the head": "UPDATE journal.head SET position = 0",
    "lock the head": "SELECT FROM journal.head FOR UPDATE",
    "delete the head": "DELETE FROM journal.head",
    "insert a head": "INSERT INTO journal.head VALUES (false, 0)",
    "read used keys": "SELECT * FROM journal.once",
    "forget a used key": "DELETE FROM journal.once",
    "use a key without a request": "INSERT INTO journal.once VALUES ('x', now())",
    "read partitions": "SELECT * FROM journal.partitions",
    "change partitions": "DELETE FROM journal.partitions",
    "write a reader": "INSERT INTO journal.readers VALUES (gen_random_uuid(), 99, 1, now())",
    "move a reader": "UPDATE journal.readers SET position = 99",
    "delete a reader": "DELETE FROM journal.readers",
    "move the relay": "UPDATE journal.relay SET position = 99",
    "change a wrapped key": "UPDATE vault.keys SET wrapped = ''",
    "truncate the vault": "TRUNCATE vault.keys",
    "truncate the passwords": "TRUNCATE vault.passwords",
    "truncate the webhooks' secrets": "TRUNCATE vault.webhooks",
    "truncate what webhooks wait for": "TRUNCATE webhook.pending",
    "truncate dead letters": "TRUNCATE webhook.dead_letters",
    "delete the webhooks' dispatcher": "DELETE FROM webhook.dispatcher",
    "insert a dispatcher": "INSERT INTO webhook.dispatcher (one_row) VALUES (false)",
    "a table among the webhooks": "CREATE TABLE webhook.mine (x int)",
    "alter events": "ALTER TABLE journal.events ADD COLUMN more text",
    "drop events": "DROP TABLE journal.events",
    "drop the schema": "DROP SCHEMA journal CASCADE",
    "own events": f"ALTER TABLE journal.events OWNER TO {APP_ROLE}",
    "index events": "CREATE INDEX ON journal.events (type)",
    "a trigger on events": (
        "CREATE TRIGGER t BEFORE INSERT ON journal.events EXECUTE FUNCTION suppress_redundant_updates_trigger()"
    ),
    "a rule on events": "CREATE RULE r AS ON INSERT TO journal.events DO INSTEAD NOTHING",
    "replace append": (
        "CREATE OR REPLACE FUNCTION journal.forget_once() RETURNS bigint LANGUAGE sql AS 'SELECT 1::bigint'"
    ),
    "drop append": "DROP FUNCTION journal.append",
    "a table in the journal": "CREATE TABLE journal.mine (x int)",
    "a table in the vault": "CREATE TABLE vault.mine (x int)",
    "a table in public": "CREATE TABLE public.mine (x int)",
    "a schema": "CREATE SCHEMA mine",
    "grant itself more": "GRANT ALL ON journal.events TO tallystick_app; DELETE FROM journal.events",
    "the migrations' book": "DELETE FROM _yoyo_migration",
    "skip triggers": "SET session_replication_role = replica",
    "read a file of the server": "SELECT pg_read_file('/etc/passwd')",
    "run a program": "COPY (SELECT 1) TO PROGRAM 'true'",
    "make a role": "CREATE ROLE mine",
}


@pytest.fixture
def service(database: Database) -> Iterator[psycopg.Connection[Any]]:
    """A session as the service has it: its login, acting as its role."""
    options = f"-c role={APP_ROLE}"
    with psycopg.connect(database.service_url, autocommit=True, options=options) as session:
        yield session


async def test_the_service_can_do_nothing_but_append(database: Database, service: psycopg.Connection[Any]) -> None:
    """Everything that would change, hide or hinder what was recorded is refused, and the event stays as it was."""
    async with open_journal(database.service_url) as journal:
        await journal.append(request())
        before = await journal.read(0, 10)
        allowed = [what for what, statement in REFUSED.items() if not _refused(service, statement)]
        assert allowed == []
        assert before == await journal.read(0, 10)
        assert (await journal.append(request())).last == 2


@pytest.mark.parametrize(
    "statement",
    [
        "SELECT * FROM journal.events",
        "SELECT * FROM journal.head",
        "SELECT * FROM journal.readers",
        "SELECT * FROM journal.relay",
        "SELECT kid, wrapped FROM vault.keys",
        "INSERT INTO vault.keys VALUES ('kid', 'wrapped')",
        "DELETE FROM vault.keys",
        "SELECT subject, hash FROM vault.passwords",
        "INSERT INTO vault.passwords VALUES (gen_random_uuid(), 'hash')",
        "UPDATE vault.passwords SET hash = 'hash'",
        "DELETE FROM vault.passwords",
        "SELECT journal.ensure_partitions(1)",
        "SELECT journal.forget_once()",
        "SELECT journal.lease(gen_random_uuid(), 1, 1)",
        "SELECT journal.release(gen_random_uuid())",
        "SELECT journal.halt(gen_random_uuid(), 1, 1, 'event 2')",
        "SELECT journal.report_relay(1, 'running', '')",
        "INSERT INTO runtime.device_polls VALUES (gen_random_uuid(), now(), 5)",
        "DELETE FROM runtime.device_polls",
        "INSERT INTO runtime.device_looks VALUES (gen_random_uuid(), gen_random_uuid(), now())",
        "DELETE FROM runtime.device_looks",
        "INSERT INTO webhook.endpoints (name, since) VALUES ('siem', 1)",
        "UPDATE webhook.endpoints SET delivered = 1",
        "DELETE FROM webhook.endpoints",
        "INSERT INTO webhook.pending (name, position) VALUES ('siem', 1)",
        "UPDATE webhook.pending SET attempts = 1",
        "DELETE FROM webhook.pending",
        "INSERT INTO webhook.dead_letters (name, position, attempts, reason) VALUES ('siem', 1, 1, 'HTTP 500')",
        "UPDATE webhook.dead_letters SET attempts = 2",
        "DELETE FROM webhook.dead_letters",
        "SELECT position, seen_at FROM webhook.dispatcher",
        "UPDATE webhook.dispatcher SET position = 1",
        "SELECT wrapped, previous, previous_expire_at FROM vault.webhooks",
        "INSERT INTO vault.webhooks (name, wrapped) VALUES ('siem', 'wrapped')",
        "UPDATE vault.webhooks SET wrapped = 'wrapped'",
        "DELETE FROM vault.webhooks",
    ],
)
def test_what_the_service_needs_works(service: psycopg.Connection[Any], statement: str) -> None:
    """The role has what the service's own code asks for."""
    service.execute(statement.encode())


def test_analysts_see_no_event_and_no_secret(database: Database) -> None:
    """The analysts' role reads neither the journal nor the vault; its views come with the usage figures."""
    with psycopg.connect(database.owner_url, autocommit=True) as session:
        session.execute("SET ROLE tallystick_analyst")
        for statement in (
            "SELECT * FROM journal.events",
            "SELECT * FROM vault.keys",
            "SELECT * FROM vault.passwords",
            "SELECT * FROM vault.totp",
            "SELECT * FROM vault.webhooks",
            "SELECT * FROM webhook.pending",
            "SELECT * FROM webhook.endpoints",
            "SELECT * FROM webhook.dead_letters",
            "SELECT * FROM webhook.dispatcher",
            "SELECT journal.forget_once()",
        ):
            assert _refused(session, statement)


def test_the_vault_is_the_services_alone(database: Database) -> None:
    """Beside the owner, no role but the service's may do anything with what is in the vault."""
    with psycopg.connect(database.owner_url) as session:
        others = session.execute(
            "SELECT relname, grantee::regrole::text FROM pg_class, aclexplode(relacl)"
            " WHERE relnamespace = 'vault'::regnamespace AND grantee <> relowner"
        ).fetchall()
    assert {("keys", APP_ROLE), ("passwords", APP_ROLE), ("totp", APP_ROLE), ("webhooks", APP_ROLE)} == set(others)


def test_functions_of_the_journal_are_for_the_service_only(database: Database) -> None:
    """No function of the journal may be run by just anyone who can log in."""
    with psycopg.connect(database.owner_url) as session:
        public = session.execute(
            "SELECT proname FROM pg_proc WHERE pronamespace = 'journal'::regnamespace"
            " AND EXISTS (SELECT FROM aclexplode(proacl) WHERE grantee = 0)"
        ).fetchall()
        by_default = session.execute(
            "SELECT proname FROM pg_proc WHERE pronamespace = 'journal'::regnamespace AND proacl IS NULL"
        ).fetchall()
    assert (public, by_default) == ([], [])


def _refused(session: psycopg.Connection[Any], statement: str) -> bool:
    try:
        session.execute(statement.encode())
    except psycopg.errors.InsufficientPrivilege:
        return True
    return False
