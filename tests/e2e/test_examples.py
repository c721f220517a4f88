"""The programs of the sign-in documents, run as the documents say, by somebody at a browser."""

from __future__ import annotations

import asyncio
import os
import re
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.interop.running import Running, running
from tests.people import Browser
from tests.visitor import Visitor

EXAMPLES = Path(__file__).parents[2] / "examples"
SECONDS = 60


@pytest.fixture(scope="module")
def server() -> Iterator[Running]:
    """A running Tallystick."""
    with running() as up:
        yield up


async def _start(server: Running, program: str, *arguments: str, **environment: str) -> asyncio.subprocess.Process:
    always = {"TALLYSTICK_ISSUER": server.product.url, "BROWSER": "true", "PYTHONUNBUFFERED": "1"}
    return await asyncio.create_subprocess_exec(
        sys.executable,
        str(EXAMPLES / program),
        *arguments,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        env=os.environ | always | environment,
    )


async def _said(process: asyncio.subprocess.Process, pattern: str) -> str:
    """Read what a program prints until it fits."""
    assert process.stdout is not None
    lines: list[str] = []
    async with asyncio.timeout(SECONDS):
        while line := (await process.stdout.readline()).decode():
            lines.append(line)
            if found := re.search(pattern, line):
                return found[0]
    raise AssertionError("".join(lines))


async def _end(process: asyncio.subprocess.Process) -> None:
    if process.returncode is None:
        process.kill()
    await process.wait()


async def test_web_app(server: Running) -> None:
    """Authlib in Flask: sign in, see who it is, refresh, sign out at both sides, and sign in anew."""
    home = f"http://127.0.0.1:{server.port}"
    process = await _start(
        server, "web_app.py", CLIENT_ID="web", CLIENT_SECRET=server.product.secret("web"), PORT=str(server.port)
    )
    try:
        await _said(process, "Running on")
        async with (
            httpx.AsyncClient(base_url=server.product.url) as at_tallystick,
            httpx.AsyncClient(base_url=home) as at_app,
        ):
            visitor = Visitor(Browser(at_tallystick), "zoe")
            back = await visitor.visit((await at_app.get("/login")).headers["location"])
            signed_in = await at_app.get(back.location, follow_redirects=True)
            refreshed = await at_app.post("/refresh", follow_redirects=True)
            left = await at_app.post("/logout")
            returned = await visitor.visit(left.headers["location"])
            after = await at_app.get("/")
            again = await visitor.visit((await at_app.get("/login")).headers["location"])
    finally:
        await _end(process)

    assert "Signed in as <b>zoe</b> (zoe@example.com)" in signed_in.text
    assert "Signed in as <b>zoe</b>" in refreshed.text
    assert returned.location == f"{home}/"
    assert "Sign in" in after.text
    assert visitor.seen.count("/sign-in") == 2
    assert again.location.startswith(f"{home}/callback?")


async def test_command_line(server: Running, tmp_path: Path) -> None:
    """A command-line tool: sign in by the browser on a free port, use and rotate the tokens, end the grant."""
    kept = tmp_path / "tokens.json"
    settings = {"CLIENT_ID": "native", "TOKEN_FILE": str(kept)}
    login = await _start(server, "command_line.py", "login", **settings)
    try:
        url = await _said(login, r"http://\S+/oauth2/authorize\S+")
        async with httpx.AsyncClient(base_url=server.product.url) as http, httpx.AsyncClient() as elsewhere:
            page = await Visitor(Browser(http), "zoe").visit(url)
            await elsewhere.get(page.location)
        await _said(login, "Signed in")
        first = kept.read_text()
        for _ in range(2):
            asked = await _start(server, "command_line.py", "whoami", **settings)
            assert await _said(asked, "zoe") == "zoe"
            await _end(asked)
        assert first != kept.read_text()
        assert kept.stat().st_mode & 0o077 == 0
        logout = await _start(server, "command_line.py", "logout", **settings)
        await _said(logout, "Signed out")
        await _end(logout)
        assert not kept.exists()
    finally:
        await _end(login)


async def test_tv(server: Running) -> None:
    """A TV: the code that it shows is entered elsewhere, and it goes on."""
    process = await _start(server, "tv.py", CLIENT_ID="tv")
    try:
        url = await _said(process, r"http://\S+/device\?user_code=\S+")
        async with httpx.AsyncClient(base_url=server.product.url) as http:
            await Visitor(Browser(http), "zoe").visit(url)
        assert await _said(process, "Welcome, zoe") == "Welcome, zoe"
    finally:
        await _end(process)
