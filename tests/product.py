"""`tallystick up` as a child process, used the way an operator uses it."""

from __future__ import annotations

import contextlib
import json
import os
import re
import select
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import psutil

from tests.ports import free_port

COMMAND = (sys.executable, "-m", "service.cli.main")
ACCESS = Path(__file__).with_name("access.yaml")
CLIENTS = ("worker", "opaque-worker", "post-worker", "users-api", "payments-api")
_READY = re.compile(r"ready (https?://\S+)")
_START_SECONDS = 240.0
_UNLIMITED = {f"TALLYSTICK_{limit}_RATE": "0" for limit in ("SOURCE", "CLIENT", "ACCOUNT", "REFUSAL")}
"""Tests ask more than anybody may, except where limits are tested."""


class Product:
    """One home, started and stopped any number of times. `url` is its address while it runs."""

    def __init__(
        self,
        home: Path,
        *,
        workers: int = 1,
        access: Path = ACCESS,
        env: Mapping[str, str] = {},
        arguments: Sequence[str] = (),
    ) -> None:
        self.home = home
        self.url = ""
        self._workers = workers
        self._access = access
        self._arguments = tuple(arguments)
        given = {key: value for key, value in os.environ.items() if not key.startswith("TALLYSTICK_")}
        self._env = given | _UNLIMITED | dict(env)
        self._process: subprocess.Popen[bytes] | None = None
        self._log = home.parent / f"{home.name}.log"
        self._port = str(free_port())

    @property
    def pid(self) -> int:
        """The supervisor's process id."""
        assert self._process is not None
        return self._process.pid

    def start(self) -> Product:
        """Start it and wait for its ready line."""
        arguments = ["up", "--home", str(self.home), "--port", self._port, "--workers", str(self._workers)]
        with self._log.open("a") as log:
            self._process = subprocess.Popen(
                [*COMMAND, *arguments, "--access", str(self._access), *self._arguments],
                stdout=subprocess.PIPE,
                stderr=log,
                bufsize=0,  # unbuffered, so that select() tells of every line
                env=self._env,
            )
        self.url = self._wait_for_ready()
        return self

    def stop(self) -> int:
        """Ask it to stop, as Ctrl-C does; returns the exit code."""
        assert self._process is not None
        self._process.send_signal(signal.SIGINT)
        code = self._process.wait(40)
        self._close()
        return code

    def kill(self) -> None:
        """Kill the supervisor, which leaves its children no time."""
        assert self._process is not None
        self._process.kill()
        self._process.wait()
        self._close()

    def end(self) -> None:
        """Leave nothing behind, whatever happened."""
        if self._process is not None and self._process.poll() is None:
            self.stop()
        elif self._process is not None:
            self._close()

    def processes(self, role: str) -> list[psutil.Process]:
        """The children that play a role: `serve`, `relay`, `postgres` or `nats-server`."""
        assert self._process is not None
        children = psutil.Process(self._process.pid).children()
        return [child for child in children if _plays(child, role)]

    def family(self, role: str) -> list[psutil.Process]:
        """The same with all that they started."""
        return [one for child in self.processes(role) for one in (child, *child.children(recursive=True))]

    def cli(
        self, *arguments: str, check: bool = True, stdin: str | None = None, timeout: float | None = 120
    ) -> subprocess.CompletedProcess[str]:
        """Run a command against it, for `timeout` seconds at most."""
        env = self._env | {"TALLYSTICK_HOME": str(self.home)}
        return subprocess.run(
            [*COMMAND, *arguments], capture_output=True, text=True, env=env, check=check, timeout=timeout, input=stdin
        )

    def secret(self, client_id: str) -> str:
        """The secret of a client whose access file keeps it in a file."""
        return (self.home / "secrets" / client_id).read_text().strip()

    def secrets(self) -> dict[str, str]:
        """The secrets of all clients of the tests' access file."""
        return {client: self.secret(client) for client in CLIENTS}

    def run_info(self) -> dict[str, Any]:
        """What the run file says."""
        info: dict[str, Any] = json.loads((self.home / "run.json").read_text())
        return info

    def log(self) -> str:
        """Everything it wrote to standard error so far."""
        return self._log.read_text()

    def _wait_for_ready(self) -> str:
        assert self._process is not None
        assert self._process.stdout is not None
        until = time.monotonic() + _START_SECONDS
        while time.monotonic() < until:
            if select.select([self._process.stdout], [], [], 0.2)[0]:
                line = self._process.stdout.readline().decode()
                if found := _READY.match(line):
                    return found[1]
                if not line and self._process.poll() is not None:
                    break
        raise AssertionError(f"it did not become ready:\n{self._log.read_text()[-3000:]}")

    def _close(self) -> None:
        assert self._process is not None
        assert self._process.stdout is not None
        self._process.stdout.close()


@contextlib.contextmanager
def running_product(
    workers: int = 1, access: Path = ACCESS, env: Mapping[str, str] = {}, arguments: Sequence[str] = ()
) -> Iterator[Product]:
    """A product on a home of its own, which another account can reach; nothing of it is left behind."""
    folder = Path(tempfile.mkdtemp(prefix="tallystick-product-", dir="/tmp"))
    folder.chmod(0o711)
    product = Product(folder / "home", workers=workers, access=access, env=env, arguments=arguments)
    try:
        yield product.start()
    finally:
        product.end()
        shutil.rmtree(folder)


def _plays(process: psutil.Process, role: str) -> bool:
    try:
        command = process.cmdline()
    except (psutil.NoSuchProcess, psutil.ZombieProcess):
        return False
    program = Path(command[0]).name if command else ""
    return program == role or (program.startswith("python") and role in command[1:5])
