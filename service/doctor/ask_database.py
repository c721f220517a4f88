"""What Postgres says of the service's login, of others' rights, and of how safe a commit is."""

from __future__ import annotations

import datetime as dt
import ssl
import time
from typing import Any

import asyncpg

from service.doctor.facts import ClientUse, Clock, DatabaseFacts, RoleFacts, ScopeUse
from service.doctor.places import is_loopback
from service.journal.port import JournalUnavailable
from service.journal.postgres import APP_ROLE, close, session_settings

_DURABILITY = ("fsync", "full_page_writes", "synchronous_commit")

_ROLE = """
    SELECT rolname AS name, rolsuper, rolcreaterole, rolcreatedb, rolreplication, rolbypassrls
    FROM pg_roles WHERE rolname = session_user
"""
# Roles that Postgres itself has, such as pg_write_all_data, are powers over more than this database's tables.
_MEMBER_OF = """
    SELECT rolname FROM pg_roles
    WHERE rolname <> session_user AND pg_has_role(session_user, oid, 'MEMBER')
      AND (rolname LIKE 'pg\\_%' OR rolsuper OR rolcreaterole OR rolcreatedb OR rolreplication OR rolbypassrls)
    ORDER BY rolname
"""
_OURS = ("journal", "projection", "usage", "usage_data", "vault", "runtime", "webhook")
_OWNS = """
    SELECT 'schema ' || nspname AS what FROM pg_namespace
    WHERE nspname = ANY ($1) AND pg_has_role(session_user, nspowner, 'MEMBER')
    UNION ALL
    SELECT 'table ' || c.oid::regclass FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE n.nspname = ANY ($1) AND c.relkind IN ('r', 'p') AND NOT c.relispartition
      AND pg_has_role(session_user, c.relowner, 'MEMBER')
    UNION ALL
    SELECT 'database ' || datname FROM pg_database
    WHERE datname = current_database() AND pg_has_role(session_user, datdba, 'MEMBER')
    ORDER BY what
"""
_WRITES = """
    SELECT privilege || ' ' || string_agg(relation, ', ' ORDER BY relation) AS what
    FROM (
        SELECT privilege, c.oid::regclass::text AS relation
        FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
            CROSS JOIN unnest(ARRAY['INSERT', 'UPDATE', 'DELETE', 'TRUNCATE']) privilege
        WHERE n.nspname = 'journal' AND c.relkind IN ('r', 'p') AND NOT c.relispartition
          AND (has_table_privilege(session_user, c.oid, privilege) OR has_table_privilege($1, c.oid, privilege))
    ) held
    GROUP BY privilege ORDER BY privilege
"""
_ANALYST_READS = """
    SELECT c.oid::regclass::text AS relation FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE n.nspname = ANY ($1) AND n.nspname <> 'usage' AND c.relkind IN ('r', 'p', 'v', 'm')
      AND has_schema_privilege('tallystick_analyst', n.oid, 'USAGE')
      AND has_any_column_privilege('tallystick_analyst', c.oid, 'SELECT')
    ORDER BY relation
"""
_VAULT_READERS = """
    SELECT DISTINCT r.rolname FROM pg_roles r, pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE n.nspname = 'vault' AND c.relkind = 'r' AND r.rolcanlogin AND NOT r.rolsuper
      AND NOT pg_has_role(r.oid, c.relowner, 'MEMBER') AND NOT pg_has_role(r.oid, $1::name, 'MEMBER')
      AND has_schema_privilege(r.oid, n.oid, 'USAGE') AND has_any_column_privilege(r.oid, c.oid, 'SELECT')
    ORDER BY 1
"""
_SERVER = """
    SELECT current_setting('server_version_num')::int / 10000 AS version, host(inet_server_addr()) AS address,
        current_setting('data_checksums') = 'on' AS checksums, current_setting('password_encryption') AS passwords,
        has_function_privilege('public', 'pg_advisory_lock(bigint)', 'EXECUTE') AS open_functions,
        coalesce((SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()), false) AS encrypted
"""
_UNUSED = """
    SELECT client, unused_since, coalesce(last_issued, last_asked) AS last_used FROM usage.clients
    WHERE unused_since < $1 AND (gets_tokens OR last_asked IS NOT NULL) ORDER BY client
"""
_UNUSED_SCOPES = "SELECT client, scope, unused_since FROM usage.client_scopes WHERE unused_since < $1"
_FAILURES = (asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError, OSError, TimeoutError)


async def ask_database(url: str, now: dt.datetime) -> tuple[DatabaseFacts, Clock]:
    """What Postgres says to the service's login, as itself. Raises JournalUnavailable."""
    connection = await _connected(url, {})
    try:
        async with connection.transaction(readonly=True):
            return await _facts(connection, url, now), await _clock(connection)
    except _FAILURES as error:
        raise JournalUnavailable(f"Postgres: {error}") from error
    finally:
        await close(connection)


async def ask_use(url: str, before: dt.datetime) -> tuple[bool, tuple[ClientUse, ...], tuple[ScopeUse, ...]]:
    """Whether the figures are folded; clients and scopes that were not used since. Raises JournalUnavailable."""
    connection = await _connected(url, session_settings())
    try:
        async with connection.transaction(isolation="repeatable_read", readonly=True):
            folded = await connection.fetchval("SELECT position > 0 FROM projection.progress WHERE name = 'usage'")
            clients = await connection.fetch(_UNUSED, before)
            scopes = await connection.fetch(_UNUSED_SCOPES, before)
    except _FAILURES as error:
        raise JournalUnavailable(f"Postgres: {error}") from error
    finally:
        await close(connection)
    return bool(folded), tuple(ClientUse(*row) for row in clients), tuple(ScopeUse(*row) for row in scopes)


async def _connected(url: str, settings: dict[str, str]) -> asyncpg.Connection[Any]:
    try:
        return await asyncpg.connect(
            url, timeout=10.0, server_settings={"application_name": "tallystick doctor"} | settings
        )
    except ValueError:
        # Never with the parser's own words: they quote parts of the URL, which holds a password.
        raise JournalUnavailable("the database URL cannot be read (is its password percent-encoded?)") from None
    except _FAILURES as error:
        raise JournalUnavailable(f"no connection to Postgres: {str(error) or 'no answer'}") from error


async def _facts(connection: asyncpg.Connection[Any], url: str, now: dt.datetime) -> DatabaseFacts:
    server = await connection.fetchrow(_SERVER)
    assert server is not None  # noqa: S101 it has one row
    defaults = {name: await connection.fetchval("SELECT current_setting($1)", name) for name in _DURABILITY}
    address = server["address"]
    return DatabaseFacts(
        today=now.date(),
        role=await _role(connection),
        version=server["version"],
        durability=defaults | await _of_service(url),
        defaults=defaults,
        checksums=server["checksums"],
        password_encryption=server["passwords"],
        analyst_reads=await _names(connection, _ANALYST_READS, _OURS),
        vault_readers=await _names(connection, _VAULT_READERS, APP_ROLE),
        open_functions=server["open_functions"],
        address=None if address is None or is_loopback(address) else address,
        encrypted=server["encrypted"],
        verified=_is_verified(connection),
    )


async def _role(connection: asyncpg.Connection[Any]) -> RoleFacts:
    row = await connection.fetchrow(_ROLE)
    assert row is not None  # noqa: S101 who is connected is a role
    powers = {"rolcreatedb": "CREATEDB", "rolreplication": "REPLICATION", "rolbypassrls": "BYPASSRLS"}
    return RoleFacts(
        name=row["name"],
        superuser=row["rolsuper"],
        creates_roles=row["rolcreaterole"],
        powers=(*(name for column, name in powers.items() if row[column]), *await _names(connection, _MEMBER_OF)),
        owns=await _names(connection, _OWNS, _OURS),
        writes=await _names(connection, _WRITES, APP_ROLE),
    )


async def _of_service(url: str) -> dict[str, str]:
    """What a session of the service has: a pooler in between may drop what it begins with."""
    session = await _connected(url, session_settings())
    try:
        return {"synchronous_commit": await session.fetchval("SELECT current_setting('synchronous_commit')")}
    finally:
        await close(session)


async def _names(connection: asyncpg.Connection[Any], query: str, *arguments: object) -> tuple[str, ...]:
    return tuple(row[0] for row in await connection.fetch(query, *arguments))


async def _clock(connection: asyncpg.Connection[Any]) -> Clock:
    before = time.time()
    there = await connection.fetchval("SELECT extract(epoch FROM clock_timestamp())::float8")
    after = time.time()
    return Clock("Postgres", there - (before + after) / 2, (after - before) / 2)


def _is_verified(connection: asyncpg.Connection[Any]) -> bool:
    """Whether the server's certificate and name were verified, as sslmode=verify-full asks for."""
    session = connection._transport.get_extra_info("ssl_object")  # type: ignore[attr-defined]  # noqa: SLF001 nothing public tells
    context = getattr(session, "context", None)
    return context is not None and context.verify_mode == ssl.CERT_REQUIRED and context.check_hostname
