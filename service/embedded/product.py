"""`tallystick up`: the whole product in the foreground, from an empty folder to `ready`, and down again in order."""

from __future__ import annotations

import asyncio
import os
import shutil
import socket
import threading
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from service.embedded.files import LogFile, make_private_dir, told
from service.embedded.home import Home, RunInfo, Secrets
from service.embedded.listener import http_url, listening, reachable_host, until_ready
from service.embedded.nats import Nats
from service.embedded.postgres import Postgres
from service.embedded.programs import Program, Register
from service.embedded.supervisor import Managed, Supervisor, until_first

if TYPE_CHECKING:
    from service.http.tls import TlsFiles

TRIM_INTERVAL = 60.0
WORKER_RANK, ROLE_RANK = 0, 1


class DatabaseUrls(NamedTuple):
    """The database by the roles of its owner, the service and analysts; nobody of the last where it is not ours."""

    owner: str
    service: str
    analyst: str | None


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What to bring up. A URL that is given names a server of somebody else, which is then not started.

    `tls` gives the files of a certificate and its key, where it speaks HTTPS; it is asked once the home is held.

    `environment` is what all programs are told besides; it goes before what they inherit.

    `worker` makes a worker's argument list from the descriptor of the listening socket; `roles` has the argument lists
    of what runs once beside the workers, by name. `migrate` gets the database's URLs, `before_workers` the environment
    that the workers will have; both raise EmbeddedError. `say` takes a line for the operator, `announce` the line that
    tells readiness.
    """

    home: Path
    host: str
    port: int
    workers: int
    database_url: str | None
    owner_database_url: str | None
    nats_url: str | None
    issuer: str | None
    tls: Callable[[], TlsFiles | None]
    worker: Callable[[int], Sequence[str]]
    roles: Mapping[str, Sequence[str]]
    migrate: Callable[[DatabaseUrls], None]
    before_workers: Callable[[Mapping[str, str]], Awaitable[None]]
    say: Callable[[str], None]
    announce: Callable[[str], None]
    environment: Mapping[str, str] = field(default_factory=dict)


async def run(plan: Plan, stop: asyncio.Event) -> None:
    """Bring everything up, keep it so until `stop` is set, and take it down in order; call it on the main thread.

    Raises EmbeddedError, after taking down what was up.
    """
    home = Home(plan.home)
    register = Register(home.run_dir / "programs.json")
    with home.lock() as secrets:
        try:
            await _clear_leftovers(home, register, plan.say)
            with listening(plan.host, plan.port) as listener:
                await _Product(plan, home, secrets, register, listener).run(stop)
        except OSError as error:
            raise told(home.path, error) from error


async def _clear_leftovers(home: Home, register: Register, say: Callable[[str], None]) -> None:
    await register.stop_leftovers(say)
    shutil.rmtree(home.metrics_dir, ignore_errors=True)
    make_private_dir(home.metrics_dir)


class _Product:
    """One run: its servers, its programs, and what the programs are told by environment."""

    def __init__(self, plan: Plan, home: Home, secrets: Secrets, register: Register, listener: socket.socket) -> None:
        self._plan = plan
        self._home = home
        self._register = register
        self._listener = listener
        self._port = int(listener.getsockname()[1])
        self._local_host = reachable_host(plan.host)
        self._tls = plan.tls()
        self._scheme = "http" if self._tls is None else "https"
        self._postgres = None if plan.database_url else Postgres(home, secrets, plan.say)
        self._nats = None if plan.nats_url else Nats(home, secrets, plan.say)
        self._supervisor = Supervisor(plan.say)

    async def run(self, stop: asyncio.Event) -> None:
        trimming = asyncio.create_task(self._trim_logs())
        try:
            await until_first(self._bring_up(), _is_set(stop), self._supervisor.failed())
            await until_first(_is_set(stop), self._supervisor.failed())
        finally:
            trimming.cancel()
            self._plan.say("stopping")
            await self._supervisor.stop()
            self._home.clear_run()

    async def _bring_up(self) -> None:
        servers: list[Managed] = [server for server in (self._postgres, self._nats) if server is not None]
        await self._supervisor.start(*servers)
        info = self._info()
        urls = DatabaseUrls(info.owner_database_url or info.database_url, info.database_url, info.analyst_database_url)
        await in_background(lambda: self._plan.migrate(urls))
        environment = self._environment(info)
        await self._plan.before_workers(environment)
        await self._supervisor.start(*self._roles(environment), *self._workers(environment))
        await until_ready(self._local_host, self._port, self._scheme, self._plan.say)
        self._home.write_run(info)
        self._plan.announce(f"ready {http_url(self._plan.host, self._port, self._scheme)}")

    def _info(self) -> RunInfo:
        plan, postgres, nats = self._plan, self._postgres, self._nats
        return RunInfo(
            pid=os.getpid(),
            http_url=http_url(self._local_host, self._port, self._scheme),
            database_url=postgres.service_url if postgres else str(plan.database_url),
            owner_database_url=postgres.owner_url if postgres else plan.owner_database_url,
            nats_url=nats.service_url if nats else str(plan.nats_url),
            audit_nats_url=nats.audit_url if nats else None,
            analyst_database_url=postgres.analyst_url if postgres else None,
        )

    def _environment(self, info: RunInfo) -> dict[str, str]:
        """The programs' environment. They get the service's role only, never the owner's."""
        inherited = {key: value for key, value in os.environ.items() if key != "TALLYSTICK_OWNER_DATABASE_URL"}
        if self._tls is not None:
            inherited["TALLYSTICK_TLS_CERTIFICATE"] = str(self._tls.certificate)
            inherited["TALLYSTICK_TLS_KEY"] = str(self._tls.key)
        return {
            **inherited,
            **self._plan.environment,
            "TALLYSTICK_HOME": str(self._home.path),
            "TALLYSTICK_DATABASE_URL": info.database_url,
            "TALLYSTICK_NATS_URL": info.nats_url,
            "TALLYSTICK_ISSUER": self._plan.issuer or info.http_url,
            "PROMETHEUS_MULTIPROC_DIR": str(self._home.metrics_dir),
        }

    def _roles(self, environment: Mapping[str, str]) -> list[Program]:
        # The gauges that workers share are not theirs: their own would stand at 0 for ever, as the slowest worker.
        env = {name: value for name, value in environment.items() if name != "PROMETHEUS_MULTIPROC_DIR"}
        return [
            Program(
                name=name,
                argv=argv,
                env=env,
                stop_rank=ROLE_RANK,
                register=self._register,
                metrics_dir=self._home.metrics_dir,
            )
            for name, argv in self._plan.roles.items()
        ]

    def _workers(self, environment: Mapping[str, str]) -> list[Program]:
        descriptor = self._listener.fileno()
        return [
            Program(
                name=f"worker {number}",
                argv=self._plan.worker(descriptor),
                env=environment,
                stop_rank=WORKER_RANK,
                register=self._register,
                metrics_dir=self._home.metrics_dir,
                pass_fds=(descriptor,),
            )
            for number in range(1, self._plan.workers + 1)
        ]

    async def _trim_logs(self) -> None:
        logs: list[LogFile] = [server.log for server in (self._postgres, self._nats) if server is not None]
        while True:
            await asyncio.sleep(TRIM_INTERVAL)
            for log in logs:
                try:
                    log.trim()
                except OSError as error:
                    self._plan.say(str(told(log.path, error)))


async def in_background(work: Callable[[], None]) -> None:
    """Do blocking work on a daemon thread; if cancelled, it is left alone, and does not keep the process alive."""
    loop = asyncio.get_running_loop()
    done: asyncio.Future[None] = loop.create_future()

    def settle(error: BaseException | None) -> None:
        if done.cancelled():
            return
        if error is None:
            done.set_result(None)
        else:
            done.set_exception(error)

    def run_work() -> None:
        error: BaseException | None = None
        try:
            work()
        except BaseException as raised:  # noqa: BLE001 - it is handed to the waiter, whatever it is
            error = raised
        with suppress(RuntimeError):  # the loop has ended meanwhile
            loop.call_soon_threadsafe(settle, error)

    threading.Thread(target=run_work, daemon=True).start()
    await done


async def _is_set(event: asyncio.Event) -> None:
    await event.wait()
