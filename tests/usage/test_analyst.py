"""What an analyst may do, by the catalogue and by trying; and which partitions a question reads."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest
from psycopg import sql

from projections.usage.fold import TABLES
from tests.servers import Database

ROLE = "tallystick_analyst"
_READABLE = """
    SELECT n.nspname, c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE n.nspname NOT IN ('pg_catalog', 'information_schema', 'pg_toast')
      AND c.relkind IN ('r', 'p', 'v', 'm', 'f', 'S')
      AND (has_table_privilege(%(role)s, c.oid, 'SELECT, INSERT, UPDATE, DELETE, TRUNCATE, REFERENCES, TRIGGER')
           OR (c.relkind <> 'S' AND has_any_column_privilege(%(role)s, c.oid, 'SELECT, INSERT, UPDATE, REFERENCES')))
"""
_RELATIONS = """
    SELECT n.nspname, c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE n.nspname NOT IN ('pg_catalog', 'information_schema', 'pg_toast') AND c.relkind IN ('r', 'p', 'v')
"""
_WRITABLE = """
    SELECT c.oid::regclass::text FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE n.nspname NOT IN ('pg_catalog', 'information_schema', 'pg_toast') AND c.relkind IN ('r', 'p', 'v', 'm', 'f')
      AND has_table_privilege(%(role)s, c.oid, 'INSERT, UPDATE, DELETE, TRUNCATE, REFERENCES, TRIGGER')
"""
_SCHEMAS = """
    SELECT nspname FROM pg_namespace WHERE nspname NOT IN ('pg_catalog', 'information_schema', 'pg_toast', 'public')
      AND nspname NOT LIKE 'pg\\_temp%%' AND nspname NOT LIKE 'pg\\_toast%%'
      AND has_schema_privilege(%(role)s, oid, 'USAGE, CREATE')
"""
_CREATES = "SELECT nspname FROM pg_namespace WHERE has_schema_privilege(%(role)s, oid, 'CREATE')"
_FUNCTIONS = """
    SELECT p.oid::regprocedure::text FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace
    WHERE n.nspname NOT IN ('pg_catalog', 'information_schema') AND has_function_privilege(%(role)s, p.oid, 'EXECUTE')
      AND has_schema_privilege(%(role)s, n.oid, 'USAGE')
"""
_MEMBER_OF = "SELECT roleid::regrole::text FROM pg_auth_members WHERE member = %(role)s::regrole"
_PUBLIC = """
    SELECT c.oid::regclass::text FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace, aclexplode(c.relacl) a
    WHERE n.nspname NOT IN ('pg_catalog', 'information_schema') AND a.grantee = 0
    UNION ALL
    SELECT n.nspname FROM pg_namespace n, aclexplode(n.nspacl) a
    WHERE n.nspname NOT IN ('pg_catalog', 'information_schema', 'public') AND a.grantee = 0
"""


@pytest.fixture
def owner(database: Database) -> Iterator[psycopg.Connection[Any]]:
    """A session of the owner."""
    with psycopg.connect(database.owner_url, autocommit=True) as session:
        session.execute("INSERT INTO projection.progress (name) VALUES ('usage') ON CONFLICT DO NOTHING")
        yield session


def _names(owner: psycopg.Connection[Any], query: str) -> set[Any]:
    return {row if len(row) > 1 else row[0] for row in owner.execute(query.encode(), {"role": ROLE})}


def test_the_views_are_all_that_an_analyst_has(owner: psycopg.Connection[Any]) -> None:
    """By the catalogue: to read the views of `usage`; nothing to write, run or make, and no other role."""
    views = {("usage", name) for (name,) in owner.execute("SELECT viewname FROM pg_views WHERE schemaname = 'usage'")}

    assert views == _names(owner, _READABLE)
    assert {"usage"} == _names(owner, _SCHEMAS)
    for query in (_WRITABLE, _CREATES, _FUNCTIONS, _MEMBER_OF):
        assert set() == _names(owner, query)


def test_everybody_else_has_nothing(owner: psycopg.Connection[Any]) -> None:
    """No table, view or schema of ours is open to whoever can log in."""
    assert set() == _names(owner, _PUBLIC)


def test_an_analyst_reads_every_view_and_is_refused_all_else(owner: psycopg.Connection[Any]) -> None:
    """By trying: each view answers; each table and view outside says permission denied; no view can be written."""
    relations = owner.execute(_RELATIONS).fetchall()
    owner.execute(f"SET ROLE {ROLE}".encode())
    refused = set()
    for name in relations:
        try:
            owner.execute(sql.SQL("SELECT * FROM {} LIMIT 1").format(sql.Identifier(*name)))
        except psycopg.errors.InsufficientPrivilege:
            refused.add(name)

    assert {name for name in relations if name[0] != "usage"} == refused
    assert {"journal", "vault", "runtime", "projection", "usage_data"} <= {schema for schema, _ in refused}
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        owner.execute("CREATE VIEW usage.mine AS SELECT 1")


def test_the_service_writes_tables_and_reads_views(owner: psycopg.Connection[Any]) -> None:
    """The projection's role may do what folding and rebuilding take, in both slots."""
    owner.execute("SET ROLE tallystick_app")
    for table in TABLES:
        for slot in (0, 1):
            owner.execute(f"TRUNCATE {table}_{slot}".encode())
        owner.execute(f"DELETE FROM {table} WHERE slot = 1".encode())  # noqa: S608 our tables
    owner.execute("SELECT * FROM usage.by_hour")


@pytest.mark.parametrize(
    "statement",
    [
        "SELECT pg_advisory_lock(1)",
        "SELECT pg_advisory_lock(1, 2)",
        "SELECT pg_try_advisory_lock(hashtext('tallystick.access'))",
        "SELECT pg_try_advisory_lock_shared(hashtext('tallystick.anomalies.processes'), 0)",
        "SELECT pg_advisory_xact_lock_shared(1)",
        "SELECT pg_try_advisory_xact_lock(1)",
        "CREATE TEMPORARY TABLE mine AS SELECT 1 AS x",
        "SELECT lo_create(0)",
        "SELECT lo_creat(-1)",
        "SELECT lo_from_bytea(0::oid, 'x'::bytea)",
        "SELECT pg_notify('tallystick_journal', '1')",
        "SELECT pg_logical_emit_message(false, 'x', 'x')",
    ],
)
def test_an_analyst_can_hinder_nobody(owner: psycopg.Connection[Any], statement: str) -> None:
    """What any login of PostgreSQL may do and no question needs is refused: locks, tables, objects, notifications."""
    owner.execute(f"SET ROLE {ROLE}".encode())
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        owner.execute(statement.encode())


def test_an_analyst_knows_no_channel_that_has_webhooks_begin_again(owner: psycopg.Connection[Any]) -> None:
    """Notifications are refused to nobody, so this channel has a name that only the service reads."""
    (channel,) = owner.execute("SELECT channel FROM webhook.dispatcher").fetchone() or ("",)

    assert re.fullmatch("tallystick_webhooks_[0-9a-f]{32}", channel)
    for role, readable in ((ROLE, False), ("tallystick_app", True)):
        allowed = owner.execute("SELECT has_table_privilege(%s, 'webhook.dispatcher', 'SELECT')", [role]).fetchone()
        assert (readable,) == allowed


def test_no_function_that_locks_is_left_out(owner: psycopg.Connection[Any]) -> None:
    """By the catalogue: of all advisory locks an analyst may only give up its own; the service may use each."""
    query = b"""
        SELECT proname FROM pg_proc
        WHERE proname LIKE 'pg%%advisory%%' AND has_function_privilege(%(role)s, oid, 'EXECUTE')
    """
    may = {role: {name for (name,) in owner.execute(query, {"role": role})} for role in (ROLE, "tallystick_app")}

    assert {"pg_advisory_unlock", "pg_advisory_unlock_all", "pg_advisory_unlock_shared"} == may[ROLE]
    assert {"pg_advisory_lock", "pg_try_advisory_lock", "pg_advisory_lock_shared"} <= may["tallystick_app"]


@pytest.mark.parametrize("slot", [0, 1])
def test_a_question_reads_the_current_slot_alone(owner: psycopg.Connection[Any], slot: int) -> None:
    """Whatever view is asked, no partition of the other slot is looked into."""
    owner.execute("UPDATE projection.progress SET slot = %s WHERE name = 'usage'", [slot])
    for (view,) in owner.execute("SELECT viewname FROM pg_views WHERE schemaname = 'usage'").fetchall():
        explain = sql.SQL("EXPLAIN (ANALYZE, COSTS OFF) SELECT * FROM {}").format(sql.Identifier("usage", view))
        scans = [line for (line,) in owner.execute(explain) if re.search(rf" on \w+_{1 - slot} ", line)]
        assert [line for line in scans if "never executed" not in line] == []
