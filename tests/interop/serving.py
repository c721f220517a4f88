"""Small APIs that other people's verifiers protect, each run as a program, against a running Tallystick."""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

import psutil
import pytest

from service.http.tls import self_signed
from tests.gateways.running import running_gateway
from tests.gateways.upstream import upstream
from tests.interop.issuing import API, Issuing
from tests.ports import free_port

FOLDER = Path(__file__).parent
GO_BIN = "/usr/local/go/bin"
"""Where Go's own installer puts it."""

_PATH = os.pathsep.join([os.environ["PATH"], "/usr/sbin", GO_BIN])
_START_SECONDS = 120.0
_PYTHON = str(FOLDER / ".venv" / "bin" / "python")
_EXAMPLE = str(FOLDER.parents[1] / "examples" / "protected_api.py")


class Program(NamedTuple):
    """How an API is started. `needs` is what it is skipped without, `built` what `make interop` makes for it."""

    command: Callable[[Mapping[str, str]], list[str]]
    needs: str
    built: Path | None = None


def _node(name: str) -> Program:
    return Program(lambda _: ["node", str(FOLDER / "apis" / name)], "node", FOLDER / "node_modules" / "express")


def _python(name: str) -> Program:
    return Program(lambda _: [_PYTHON, str(FOLDER / "apis" / name)], "python3", Path(_PYTHON))


_JAR = FOLDER / "spring" / "target" / "interop-spring-1.jar"
PROGRAMS: Mapping[str, Program] = {
    "guard": Program(lambda told: [sys.executable, _EXAMPLE, told["PORT"]], "python3"),
    "express-oauth2-jwt-bearer": _node("express_oauth2_jwt_bearer.mjs"),
    "jose": _node("jose.mjs"),
    "openid-client": _node("openid_client.mjs"),
    "authlib": _python("authlib_api.py"),
    "joserfc": _python("joserfc_api.py"),
    "django-oauth-toolkit": _python("django_api.py"),
    "go-oidc": Program(lambda _: [str(FOLDER / "go" / "api")], "go", FOLDER / "go" / "api"),
    "spring-security": Program(lambda _: ["java", "-jar", str(_JAR)], "mvn", _JAR),
}


_MAY_BE_MISSING: Mapping[str, Path] = {"go-oidc": FOLDER / "go" / "api", "spring-security": _JAR}
"""What is made of packages that not every machine gets."""

APIS = ("nginx", *PROGRAMS)


class Served(NamedTuple):
    """Where an API takes requests."""

    port: int
    path: str = "/users"
    tls: bool = False


def serving(name: str, issuing: Issuing) -> contextlib.AbstractContextManager[Served]:
    """Start an API, which takes requests then. Skips the test where what the program is made with is missing."""
    needs = "nginx" if name == "nginx" else PROGRAMS[name].needs
    if shutil.which(needs, path=_PATH) is None:
        pytest.skip(f"{needs} is not installed, which {name} needs")
    if name in _MAY_BE_MISSING and not _MAY_BE_MISSING[name].exists():
        pytest.skip(f"{name} was not made by `make interop`, which says why")
    return _behind_nginx(issuing) if name == "nginx" else _running(PROGRAMS[name], issuing)


@contextlib.contextmanager
def _behind_nginx(issuing: Issuing) -> Iterator[Served]:
    """An API that knows nothing of tokens, behind nginx with the configuration of `deploy/gateways/nginx`."""
    with tempfile.TemporaryDirectory(prefix="tallystick-certificate-") as place, upstream() as api:
        files = self_signed(Path(place), "localhost")
        files.certificate.rename(Path(place) / "cert.pem")
        files.key.rename(Path(place) / "key.pem")
        tallystick = int(issuing.product.url.rpartition(":")[2])
        with running_gateway("nginx", tallystick, api.port, Path(place)) as port:
            yield Served(port, "/users/", tls=True)


@contextlib.contextmanager
def _running(program: Program, issuing: Issuing) -> Iterator[Served]:
    assert program.built is None or program.built.exists(), f"{program.built} is missing: `make interop` makes it"
    port = free_port()
    secret = issuing.product.secret("users-api")
    told = {
        "PATH": _PATH,
        "PORT": str(port),
        "ISSUER": issuing.product.url,
        "TALLYSTICK_ISSUER": issuing.product.url,
        "AUDIENCE": API,
        "API_AUDIENCE": API,
        "CLIENT_ID": "users-api",
        "CLIENT_SECRET": secret,
        "AUDIT_NATS_URL": str(issuing.product.run_info()["audit_nats_url"]),
    }
    with tempfile.TemporaryDirectory(prefix="tallystick-api-") as place:
        log = Path(place) / "log"
        with log.open("wb") as said:
            process = subprocess.Popen(
                program.command(told), env=os.environ | told, stdout=said, stderr=said, cwd=place
            )
        try:
            _wait_for(port, process, log)
            yield Served(port)
        finally:
            _end(process)


def _wait_for(port: int, process: subprocess.Popen[bytes], log: Path) -> None:
    until = time.monotonic() + _START_SECONDS
    while time.monotonic() < until and process.poll() is None:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.05)
    raise AssertionError(f"it does not serve:\n{log.read_text()[-3_000:]}")


def _end(process: subprocess.Popen[bytes]) -> None:
    """End it and what it started."""
    family = [psutil.Process(process.pid), *psutil.Process(process.pid).children(recursive=True)]
    process.terminate()
    try:
        process.wait(20)
    finally:
        for each in family:
            with contextlib.suppress(psutil.NoSuchProcess):
                each.kill()
