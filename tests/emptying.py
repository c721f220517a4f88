"""Bring a database of the tests back to what its template holds, if only rows were changed."""

from __future__ import annotations

from typing import Any, NamedTuple

import psycopg
from psycopg import sql

_CATALOGS = (
    *("pg_attrdef", "pg_attribute", "pg_constraint", "pg_default_acl", "pg_event_trigger", "pg_extension"),
    *("pg_index", "pg_inherits", "pg_largeobject_metadata", "pg_namespace", "pg_partitioned_table", "pg_policy"),
    *("pg_proc", "pg_publication", "pg_rewrite", "pg_sequence", "pg_statistic_ext", "pg_trigger", "pg_type"),
)
# Rows of pg_class are made anew when a table is truncated, and the row of pg_database when it is renamed.
_OBJECTS = """
    SELECT 'pg_class', count(*), md5(string_agg(c::text, ',' ORDER BY oid)) FROM (
        SELECT oid, relname, relnamespace, relowner, relkind, relacl, reloptions, relpersistence, relrowsecurity,
            relforcerowsecurity, relreplident, relpartbound FROM pg_class
    ) c
    UNION ALL
    SELECT 'pg_database', 1, row(datdba, datacl)::text FROM pg_database WHERE datname = current_database()
    UNION ALL
    SELECT 'pg_db_role_setting', count(*), max(s.xmin::text::bigint)::text
    FROM pg_db_role_setting s JOIN pg_database d ON d.oid = s.setdatabase WHERE datname = current_database()
    UNION ALL
    SELECT 'pg_sequences', count(*), max(last_value)::text FROM pg_sequences
    UNION ALL
"""
_CHANGES = "SELECT '{0}', count(*), max(xmin::text::bigint)::text FROM {0}"
_FILLED = """
    SELECT nspname, relname FROM pg_class c JOIN pg_namespace n ON n.oid = relnamespace
    WHERE relkind = 'r' AND nspname !~ '^pg_' AND nspname <> 'information_schema' AND pg_relation_size(c.oid) > 0
"""

_SCHEMAS = "SELECT nspname FROM pg_namespace WHERE nspname !~ '^pg_'"

Table = tuple[str, str]


class Content(NamedTuple):
    """A database's schemas, a fingerprint of what is in them and of rights, and its tables' rows as COPY gives them."""

    schemas: frozenset[str]
    objects: frozenset[Any]
    rows: dict[Table, bytes]


def content_of(owner_url: str) -> Content:
    """What a database holds that nobody uses."""
    with psycopg.connect(owner_url, autocommit=True) as connection:
        filled = connection.execute(_FILLED).fetchall()
        rows = {(table[0], table[1]): _rows(connection, table) for table in filled}
        return Content(_schemas(connection), _objects(connection), rows)


def put_back(owner_url: str, content: Content) -> bool:
    """Make a database that nobody uses hold `content` again.

    False, and its rows as they were, if more than rows was changed and schemas added, or the owner may not do it.
    """
    with psycopg.connect(owner_url, autocommit=True) as connection:
        for added in _schemas(connection) - content.schemas:
            connection.execute(sql.SQL("DROP SCHEMA {} CASCADE").format(sql.Identifier(added)))
        if _objects(connection) != content.objects:
            return False
        try:
            connection.execute("SET session_replication_role = replica")
        except psycopg.errors.InsufficientPrivilege:
            return False
        changed = [table for table in _touched(connection, content) if not _unchanged(connection, table, content)]
        if changed:
            names = sql.SQL(", ").join(sql.Identifier(*table) for table in changed)
            connection.execute(sql.SQL("TRUNCATE {}").format(names))
        for table in changed:
            if rows := content.rows.get(table):
                with connection.cursor().copy(sql.SQL("COPY {} FROM STDIN").format(sql.Identifier(*table))) as into:
                    into.write(rows)
        return True


def _touched(connection: psycopg.Connection[Any], content: Content) -> set[Table]:
    return {(schema, name) for schema, name in connection.execute(_FILLED)} | content.rows.keys()


def _unchanged(connection: psycopg.Connection[Any], table: Table, content: Content) -> bool:
    return table in content.rows and _rows(connection, table) == content.rows[table]


def _schemas(connection: psycopg.Connection[Any]) -> frozenset[str]:
    return frozenset(row[0] for row in connection.execute(_SCHEMAS))


def _objects(connection: psycopg.Connection[Any]) -> frozenset[Any]:
    changes = " UNION ALL ".join(_CHANGES.format(name) for name in _CATALOGS)
    return frozenset(connection.execute((_OBJECTS + changes).encode()).fetchall())


def _rows(connection: psycopg.Connection[Any], table: Table) -> bytes:
    with connection.cursor().copy(sql.SQL("COPY {} TO STDOUT").format(sql.Identifier(*table))) as out:
        return b"".join(out)
