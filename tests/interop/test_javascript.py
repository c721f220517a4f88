"""Two certified JavaScript clients complete every flow with nothing special-cased; `make interop` runs these."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.interop.running import API, Running, running
from tests.people import Browser
from tests.visitor import Visitor

pytestmark = pytest.mark.interop

_FOLDER = Path(__file__).parent
_CLIENTS = ("openid_client.mjs", "oauth4webapi.mjs")


@pytest.fixture(scope="module")
def server() -> Iterator[Running]:
    """A running Tallystick."""
    with running() as up:
        yield up


async def _flow(server: Running, program: str, flow: str) -> dict[str, Any]:
    """Run a flow of a program; a person visits whatever it says is to be opened. Returns its result."""
    product = server.product
    environment = os.environ | {
        "ISSUER": product.url,
        "PORT": str(server.port),
        "API": API,
        "WEB_ID": "web",
        "WEB_SECRET": product.secret("web"),
        "NATIVE_ID": "native",
        "TV_ID": "tv",
        "WORKER_ID": "worker",
        "WORKER_SECRET": product.secret("worker"),
        "API_ID": "users-api",
        "API_SECRET": product.secret("users-api"),
    }
    process = await asyncio.create_subprocess_exec(
        "node",
        str(_FOLDER / program),
        flow,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env=environment,
    )
    assert process.stdout is not None
    assert process.stderr is not None
    try:
        async with httpx.AsyncClient(base_url=product.url) as http, asyncio.timeout(60):
            visitor = Visitor(Browser(http), "zoe")
            while line := await process.stdout.readline():
                said = json.loads(line)
                if "result" in said:
                    result: dict[str, Any] = said["result"]
                    return result
                page = await visitor.visit(said["open"])
                if page.status == 303:
                    await _arrive(page.location)
        raise AssertionError((await process.stderr.read()).decode())
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


async def _arrive(url: str) -> None:
    """The browser follows the redirect to the client."""
    async with httpx.AsyncClient() as elsewhere:
        assert (await elsewhere.get(url)).status_code == 200


async def test_openid_client_code(server: Running) -> None:
    """openid-client: code with PKCE, ID token, userinfo, refresh, introspection, logout, revocation."""
    result = await _flow(server, "openid_client.mjs", "code")
    assert (result["user"]["sub"], result["user"]["email"]) == (result["claims"]["sub"], "zoe@example.com")
    assert result["rotated"]
    assert (result["seen"]["active"], result["seen"]["sub"]) == (True, result["claims"]["sub"])
    assert result["gone"] == {"active": False}
    assert result["refused"] == "invalid_grant"
    assert result["afterLogout"]


async def test_oauth4webapi_code(server: Running) -> None:
    """oauth4webapi, a public client on a free port: code with PKCE, signature and issuer checked, userinfo, refresh."""
    result = await _flow(server, "oauth4webapi.mjs", "code")
    assert result["user"]["sub"] == result["claims"]["sub"]
    assert result["rotated"]


@pytest.mark.parametrize("program", _CLIENTS)
async def test_device(server: Running, program: str) -> None:
    """The device grant, polled by the library's own rules."""
    result = await _flow(server, program, "device")
    assert result["claims"]["aud"] == "tv"


@pytest.mark.parametrize("program", _CLIENTS)
async def test_client_credentials(server: Running, program: str) -> None:
    """Client credentials for an API."""
    result = await _flow(server, program, "clientCredentials")
    assert result["scope"] == "read:users"
