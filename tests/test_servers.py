"""A database that a test was done with is the next one's as if it were new."""

from __future__ import annotations

from contextlib import closing

import psycopg
import pytest

from tests.emptying import content_of, put_back
from tests.servers import Database, Servers, fresh_database

CHANGES = {
    "a table": "CREATE TABLE journal.more (n int)",
    "a column": "ALTER TABLE journal.head ADD COLUMN more text",
    "a table gone": "DROP TABLE journal.once",
    "an index": "CREATE INDEX ON journal.once (key, until)",
    "a function": "CREATE OR REPLACE FUNCTION journal.release(reader uuid) RETURNS void LANGUAGE sql AS ''",
    "a trigger": "CREATE TRIGGER t AFTER INSERT ON journal.once EXECUTE FUNCTION suppress_redundant_updates_trigger()",
    "a right": "GRANT SELECT ON vault.keys TO PUBLIC",
    "a right to a function": "GRANT EXECUTE ON FUNCTION pg_catalog.pg_reload_conf() TO PUBLIC",
    "a right to a schema": "GRANT USAGE ON SCHEMA vault TO PUBLIC",
    "an owner": "ALTER TABLE journal.once OWNER TO tallystick_app",
}

_CLIENTS = """
    SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND backend_type = 'client backend'
"""
"""Autovacuum may look at any database at any time."""


def test_rows_are_put_back(database: Database, servers: Servers) -> None:
    """What was written is gone, what was changed or deleted is as it was, and what a test added beside goes."""
    assert servers.content is not None
    assert servers.content == content_of(database.owner_url)
    with psycopg.connect(database.owner_url) as connection:
        connection.execute("INSERT INTO vault.keys VALUES ('a', '')")
        connection.execute("UPDATE journal.head SET position = 7")
        connection.execute("DELETE FROM journal.partitions")
        connection.execute("CREATE SCHEMA more; CREATE TABLE more.things (n int); GRANT ALL ON more.things TO PUBLIC")
    assert servers.content != content_of(database.owner_url)
    assert put_back(database.owner_url, servers.content)
    assert servers.content == content_of(database.owner_url)


@pytest.mark.parametrize("change", CHANGES)
def test_what_is_more_than_rows_is_noticed(database: Database, servers: Servers, change: str) -> None:
    """A database of another schema, or with other rights, is not used again."""
    assert servers.content is not None
    with psycopg.connect(database.owner_url) as connection:
        connection.execute(CHANGES[change].encode())
    assert not put_back(database.owner_url, servers.content)


def test_nobody_stays(servers: Servers) -> None:
    """Sessions are ended, and what would connect again does not find it."""
    with fresh_database(servers) as first:
        session = psycopg.connect(first.owner_url, autocommit=True)
    with closing(session):
        with fresh_database(servers) as second, psycopg.connect(second.owner_url) as connection:
            here = connection.execute(_CLIENTS).fetchone()
            assert here == (1,)
        with pytest.raises(psycopg.OperationalError):
            session.execute("SELECT 1")
    with pytest.raises(psycopg.OperationalError):
        psycopg.connect(first.owner_url)
