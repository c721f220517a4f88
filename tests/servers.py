"""Postgres and NATS for the tests, by one ladder: servers named by the environment, else Docker, else embedded ones.

They fail, and never skip, when none can start.
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
from typing import NamedTuple
from urllib.parse import urlsplit, urlunsplit

import psycopg
from psycopg import sql

from service.embedded.servers import embedded_servers
from service.journal.migrate import migrate

_TEMPLATE = "tallystick_template"
_numbers = itertools.count(1)


class Servers(NamedTuple):
    """A Postgres whose owner may create databases and roles, the service's login there, and a NATS with JetStream."""

    owner_url: str
    service_url: str
    nats_url: str


class Database(NamedTuple):
    """One migrated database of a test's own."""

    owner_url: str
    service_url: str


@contextlib.contextmanager
def running_servers() -> Iterator[Servers]:
    """The first step of the ladder that holds, with the template database made."""
    with _given() or _docker() or _embedded() as servers:
        _make_template(servers)
        yield servers


@contextlib.contextmanager
def fresh_database(servers: Servers) -> Iterator[Database]:
    """A migrated database that is dropped afterwards."""
    name = f"test_{os.getpid()}_{next(_numbers)}"
    with psycopg.connect(servers.owner_url, autocommit=True) as admin:
        identifier = sql.Identifier(name)
        admin.execute(sql.SQL("CREATE DATABASE {} TEMPLATE {}").format(identifier, sql.Identifier(_template())))
        # What a database itself allows is not copied with a template.
        admin.execute(sql.SQL("REVOKE TEMPORARY ON DATABASE {} FROM PUBLIC").format(identifier))
        try:
            yield Database(_named(servers.owner_url, name), _named(servers.service_url, name))
        finally:
            admin.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(identifier))


def _given() -> contextlib.AbstractContextManager[Servers] | None:
    database, nats = os.environ.get("TALLYSTICK_DATABASE_URL"), os.environ.get("TALLYSTICK_NATS_URL")
    if not database or not nats:
        return None
    owner = os.environ.get("TALLYSTICK_OWNER_DATABASE_URL", database)
    return contextlib.nullcontext(Servers(owner, database, nats))


def _docker() -> contextlib.AbstractContextManager[Servers] | None:
    return _containers() if os.environ.get("DOCKER_HOST") or _answers("/var/run/docker.sock") else None


def _answers(path: str) -> bool:
    with contextlib.closing(socket.socket(socket.AF_UNIX)) as probe:
        return probe.connect_ex(path) == 0


@contextlib.contextmanager
def _containers() -> Iterator[Servers]:
    from testcontainers.community.nats import NatsContainer  # noqa: PLC0415 only where Docker answers
    from testcontainers.community.postgres import PostgresContainer  # noqa: PLC0415 only where Docker answers

    postgres = PostgresContainer("postgres:18", driver=None)
    nats = NatsContainer("nats:2.12").with_command("-js -sd /data")
    with postgres, nats:
        url = postgres.get_connection_url()
        yield Servers(url, url, nats.nats_uri())


@contextlib.contextmanager
def _embedded() -> Iterator[Servers]:
    with asyncio.Runner() as runner, tempfile.TemporaryDirectory(prefix="tallystick-tests-") as folder:
        running = embedded_servers(Path(folder) / "home", discard=True)
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


def _template() -> str:
    return f"{_TEMPLATE}_{os.getpid()}"


def _named(url: str, database: str) -> str:
    return urlunsplit(urlsplit(url)._replace(path=f"/{database}"))
