"""The gateways of `deploy/gateways/`, run with the files that are there: only addresses and paths are changed."""

from __future__ import annotations

import contextlib
import http.client
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from http import HTTPStatus
from pathlib import Path
from typing import NamedTuple

from tests.gateways.client import ask
from tests.ports import free_port

FILES = Path(__file__).parents[2] / "deploy" / "gateways"
_SECONDS = 60.0


class Place(NamedTuple):
    """Where a gateway finds its files and the other two, and where it listens."""

    folder: Path
    port: int
    tallystick: int
    api: int


class Kind(NamedTuple):
    """A gateway: its program, its files, and the arguments that run it in the foreground."""

    program: str
    files: tuple[str, ...]
    arguments: Callable[[Path], list[str]]


KINDS: Mapping[str, Kind] = {
    "nginx": Kind(
        "nginx",
        ("nginx.conf", "verify.conf"),
        lambda here: [
            "-p",
            str(here),
            "-c",
            str(here / "nginx.conf"),
            "-g",
            f"daemon off; pid {here}/pid;",
            "-e",
            "stderr",
        ],
    ),
    "haproxy": Kind("haproxy", ("haproxy.cfg", "verify.lua"), lambda here: ["-db", "-f", str(here / "haproxy.cfg")]),
    "traefik": Kind("traefik", ("traefik.yaml", "routes.yaml"), lambda here: [f"--configFile={here}/traefik.yaml"]),
    "caddy": Kind("caddy", ("Caddyfile",), lambda here: ["run", "--config", str(here / "Caddyfile")]),
    "envoy": Kind(
        "envoy",
        ("envoy.yaml",),
        lambda here: ["-c", str(here / "envoy.yaml"), "--disable-hot-restart", "--concurrency", "1", "-l", "warning"],
    ),
}


@contextmanager
def running_gateway(
    name: str, tallystick: int, api: int, certificates: Path, changes: Mapping[str, str] = {}
) -> Iterator[int]:
    """A gateway in front of both; yields the port where it listens. `changes` are made to its files, too."""
    kind = KINDS[name]
    folder = Path(tempfile.mkdtemp(prefix=f"tallystick-{name}-", dir="/tmp"))
    folder.chmod(0o711)
    place = Place(folder, free_port(), tallystick, api)
    for file in kind.files:
        (folder / file).write_text(_placed((FILES / name / file).read_text(), place, certificates, changes))
    log = folder / "log"
    with log.open("w") as output:
        process = subprocess.Popen(
            [_found(kind.program), *kind.arguments(folder)],
            stdout=output,
            stderr=subprocess.STDOUT,
            cwd=folder,
            env=os.environ | {"HOME": str(folder)},
        )
    try:
        _wait(process, place.port, log)
        yield place.port
    finally:
        process.terminate()
        process.wait(_SECONDS)
        shutil.rmtree(folder)


def _placed(text: str, place: Place, certificates: Path, changes: Mapping[str, str]) -> str:
    """A file of ours for this place."""
    here = str(place.folder)
    moved = {
        "/etc/ssl/gateway": str(certificates),
        "/etc/haproxy": here,
        "/etc/traefik": here,
        "/var/lib/nginx": here,
        "http {\n    upstream": f"http {{\n    {_nginx_folders(here)}\n    upstream",
    }
    for before, after in (moved | dict(changes)).items():
        text = text.replace(before, after)
    ports = {"8443": place.port, "8080": place.tallystick, "9000": place.api}
    return re.sub(r"\b(8443|8080|9000)\b", lambda found: str(ports[found[1]]), text)


def _nginx_folders(here: str) -> str:
    """Where nginx keeps what is under way, for who may not write where Debian's does."""
    parts = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    return " ".join(f"{part}_temp_path {here}/{part};" for part in parts)


def _found(program: str) -> str:
    """The program: beside this Python, or on the path. It must be there."""
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", ""), "/usr/sbin"])
    found = shutil.which(program, path=path)
    assert found is not None, f"{program} was not found: make gateways says how to install it"
    return found


def _wait(process: subprocess.Popen[bytes], port: int, log: Path) -> None:
    until = time.monotonic() + _SECONDS
    while time.monotonic() < until:
        assert process.poll() is None, log.read_text()
        with contextlib.suppress(OSError, http.client.HTTPException):
            if ask(port, "/health").status == HTTPStatus.OK:
                return
        time.sleep(0.05)
    raise AssertionError(f"it does not serve:\n{log.read_text()}")
