"""Postgres and NATS for the tests, by one ladder: servers named by the environment, else Docker, else embedded ones.

They fail, and never skip, when none can start. A test's database is migrated and its own; one that a test is done with
is emptied, renamed (so that nothing that the test left running reaches it) and given to the next, because to make one
takes ten times as long.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import os
import socket
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlsplit, urlunsplit

import psycopg
from psycopg import sql

from service.embedded.servers import embedded_servers
from service.journal.migrate import migrate
from tests.emptying import Content, content_of, put_back

_TEMPLATE = "tallystick_template"
_numbers = itertools.count(1)
_spare: list[str] = []
"""The names of databases that are ready for the next test."""
_END_SESSIONS = """
    SELECT pg_terminate_backend(pid, 60000) FROM pg_stat_activity WHERE datname = %s AND backend_type = 'client backend'
"""


class Servers(NamedTuple):
    """A Postgres whose owner may create databases and roles, the service's login there, and a NATS with JetStream."""

    owner_url: str
    service_url: str
    nats_url: str
    content: Content | None = None
    """What a new database holds; known once the template is made."""


class Database(NamedTuple):
    """One migrated database of a test's own."""

    owner_url: str
    service_url: str


@contextlib.contextmanager
def running_servers(*, fsync: bool = True) -> Iterator[Servers]:
    """The first step of the ladder that holds, with the template database made.

    Without `fsync` servers that are started here write without waiting for the disk, which only a power cut would tell.
    """
    with _given() or _docker(fsync) or _embedded(fsync) as servers:
        _make_template(servers)
        try:
            yield servers._replace(content=_content_of_new(servers))
        finally:
            with psycopg.connect(servers.owner_url, autocommit=True) as admin:
                for name in (*_spare, _template()):
                    _drop(admin, name)
                _spare.clear()


@contextlib.contextmanager
def fresh_database(servers: Servers) -> Iterator[Database]:
    """A migrated database of the caller's own."""
    with psycopg.connect(servers.owner_url, autocommit=True) as admin:
        name = _spare.pop() if _spare else _create(admin)
        try:
            yield Database(_named(servers.owner_url, name), _named(servers.service_url, name))
        finally:
            _take_back(admin, name, servers)


def _create(admin: psycopg.Connection[Any]) -> str:
    name = _new_name()
    identifier = sql.Identifier(name)
    admin.execute(sql.SQL("CREATE DATABASE {} TEMPLATE {}").format(identifier, sql.Identifier(_template())))
    # What a database itself allows is not copied with a template.
    admin.execute(sql.SQL("REVOKE TEMPORARY ON DATABASE {} FROM PUBLIC").format(identifier))
    return name


def _take_back(admin: psycopg.Connection[Any], used: str, servers: Servers) -> None:
    name = _new_name()
    old, new = sql.Identifier(used), sql.Identifier(name)
    admin.execute(sql.SQL("ALTER DATABASE {} ALLOW_CONNECTIONS false").format(old))
    admin.execute(_END_SESSIONS, [used])
    admin.execute(sql.SQL("ALTER DATABASE {} RENAME TO {}").format(old, new))
    admin.execute(sql.SQL("ALTER DATABASE {} ALLOW_CONNECTIONS true").format(new))
    if servers.content is not None and put_back(_named(servers.owner_url, name), servers.content):
        _spare.append(name)
    else:
        _drop(admin, name)


def _drop(admin: psycopg.Connection[Any], name: str) -> None:
    admin.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))


def _new_name() -> str:
    return f"test_{os.getpid()}_{next(_numbers)}"


def _given() -> contextlib.AbstractContextManager[Servers] | None:
    database, nats = os.environ.get("TALLYSTICK_DATABASE_URL"), os.environ.get("TALLYSTICK_NATS_URL")
    if not database or not nats:
        return None
    owner = os.environ.get("TALLYSTICK_OWNER_DATABASE_URL", database)
    return contextlib.nullcontext(Servers(owner, database, nats))


def _docker(fsync: bool) -> contextlib.AbstractContextManager[Servers] | None:
    return _containers(fsync) if os.environ.get("DOCKER_HOST") or _answers("/var/run/docker.sock") else None


def _answers(path: str) -> bool:
    with contextlib.closing(socket.socket(socket.AF_UNIX)) as probe:
        return probe.connect_ex(path) == 0


@contextlib.contextmanager
def _containers(fsync: bool) -> Iterator[Servers]:
    from testcontainers.community.nats import NatsContainer  # noqa: PLC0415 only where Docker answers
    from testcontainers.community.postgres import PostgresContainer  # noqa: PLC0415 only where Docker answers

    postgres = PostgresContainer("postgres:18", driver=None).with_command(f"-c fsync={fsync}")
    nats = NatsContainer("nats:2.12").with_command("-js -sd /data")
    with postgres, nats:
        url = postgres.get_connection_url()
        yield Servers(url, url, nats.nats_uri())


@contextlib.contextmanager
def _embedded(fsync: bool) -> Iterator[Servers]:
    with asyncio.Runner() as runner, tempfile.TemporaryDirectory(prefix="tallystick-tests-") as folder:
        running = embedded_servers(Path(folder) / "home", discard=True, fsync=fsync)
        urls = runner.run(running.__aenter__())
        try:
            yield Servers(urls.owner_database_url, urls.database_url, urls.nats_url)
        finally:
            runner.run(running.__aexit__(None, None, None))


def _make_template(servers: Servers) -> None:
    with psycopg.connect(servers.owner_url, autocommit=True) as admin:
        admin.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(_template())))
        admin.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(_template())))
        migrate(_named(servers.owner_url, _template()))
        login = urlsplit(servers.service_url).username
        if login and login != urlsplit(servers.owner_url).username:
            admin.execute(sql.SQL("GRANT tallystick_app TO {}").format(sql.Identifier(login)))


def _content_of_new(servers: Servers) -> Content:
    with psycopg.connect(servers.owner_url, autocommit=True) as admin:
        _spare.append(_create(admin))
    return content_of(_named(servers.owner_url, _spare[-1]))


def _template() -> str:
    return f"{_TEMPLATE}_{os.getpid()}"


def _named(url: str, database: str) -> str:
    return urlunsplit(urlsplit(url)._replace(path=f"/{database}"))
