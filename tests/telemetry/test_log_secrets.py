"""Secrets are sent to every endpoint, by every road that a request has, and looked for in what was logged."""

from __future__ import annotations

import io
import json
import logging
import re
from base64 import b64encode
from collections.abc import Iterator
from typing import Any

import httpx
import msgspec
import pytest

from service.bootstrap import open_worker
from service.endpoints.core import Core
from service.http.app import create_app, hot_endpoints
from service.journal.port import Append, Appended, JournalTimeout
from service.settings import Settings
from service.telemetry.logs import JsonFormatter
from tests.endpoints.world import INTROSPECT, REVOKE, TOKEN, World, fresh_party

TRACE_ID, SPAN_ID = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
TRACED = {"traceparent": f"00-{TRACE_ID}-{SPAN_ID}-01"}
GRANT = {"grant_type": "client_credentials"}
MARK = "S3cret"
"""What every secret that is sent begins with."""
OTHERS = ("/.well-known/openid-configuration", "/.well-known/jwks.json", "/health/ready", "/metrics")
_SECRET_PARAMETERS = (
    *("client_secret", "token", "code", "refresh_token", "device_code", "user_code", "code_verifier"),
    *("client_assertion", "assertion", "password", "new_password", "id_token_hint", "csrf", "state", "request"),
    *("credential", "passkey_state", "logout_token", "subject_token", "access_token"),
)


@pytest.fixture
def logged() -> Iterator[io.StringIO]:
    """All that is logged, at the finest level."""
    written = io.StringIO()
    handler = logging.StreamHandler(written)
    handler.setFormatter(JsonFormatter("serve"))
    handler.addFilter(lambda record: not record.name.startswith(("httpx", "httpcore")))  # the client of the tests
    root = logging.getLogger()
    level = root.level
    root.addHandler(handler)
    root.setLevel(logging.DEBUG)
    yield written
    root.removeHandler(handler)
    root.setLevel(level)


def ours(logged: io.StringIO) -> list[dict[str, Any]]:
    """The lines that the service itself wrote."""
    return [line for line in map(json.loads, logged.getvalue().splitlines()) if line["logger"].startswith("service.")]


def secrets_for(path: str) -> dict[str, str]:
    """A secret of its own for each parameter of a path, so that one that is found tells its way."""
    return {name: f"{MARK}.{path.strip('/').replace('/', '.')}.{name}" for name in _SECRET_PARAMETERS}


async def send_everywhere(http: httpx.AsyncClient, path: str) -> list[str]:
    """Send secrets to a path by every road; returns what they look like where they are encoded."""
    secrets = secrets_for(path)
    basic = b64encode(f"billing-worker:{secrets['client_secret']}".encode()).decode()
    cookie = f"__Host-tallystick_session={secrets['state']}; tallystick_session={secrets['state']}"
    common = TRACED | {"cookie": cookie, "user-agent": "log-test/1.0"}
    form = secrets | {"grant_type": "authorization_code", "client_id": "billing-worker", "name": "zoe"}
    for authorization in (f"Basic {basic}", f"Bearer {secrets['access_token']}"):
        headers = common | {"authorization": authorization}
        await http.post(path, data=form, headers=headers)
        await http.get(path, params=form, headers=headers)
        await http.post(path, json=form, headers=headers)
        await http.post(path, content=b"\xff" + secrets["password"].encode(), headers=headers)
        twice = f"password={secrets['password']}&password={secrets['new_password']}"
        form_type = {"content-type": "application/x-www-form-urlencoded"}
        await http.post(path, content=twice, headers=headers | form_type)
    return [basic, b64encode(secrets["client_secret"].encode()).decode()]


@pytest.mark.parametrize("broken", [None, JournalTimeout, ZeroDivisionError])
async def test_no_secret_that_is_sent_to_any_endpoint_is_logged(
    core: Core, logged: io.StringIO, monkeypatch: pytest.MonkeyPatch, broken: type[Exception] | None
) -> None:
    """At the finest level, whatever the answer is, 503 and 500 included, no secret is in the log; the trace is."""
    app, paths = create_app(core), [*hot_endpoints(core), *OTHERS]
    assert {TOKEN, INTROSPECT, REVOKE, "/verify", "/sign-in", "/audit/events", "/access/rejected"} <= set(paths)

    async def fail(*_: object) -> Appended:
        assert broken is not None
        raise broken("fault")

    if broken is not None:
        monkeypatch.setattr(core.journal, "append", fail)
        monkeypatch.setattr(core.follower, "ensure_fresh", fail)
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)  # type: ignore[arg-type]  # two spellings of ASGI
    async with httpx.AsyncClient(transport=transport, base_url=core.issuer) as http:
        encoded = [secret for path in paths for secret in await send_everywhere(http, path)]
    text = logged.getvalue()
    assert re.findall(rf"{MARK}\.[\w.%]+", text) == []
    assert [secret for secret in encoded if secret in text] == []
    assert {(line.get("trace_id"), line.get("span_id")) for line in ours(logged)} <= {(TRACE_ID, SPAN_ID)}
    levels = {line["level"] for line in ours(logged)}
    expected: dict[type[Exception] | None, set[str]] = {JournalTimeout: {"warning"}, ZeroDivisionError: {"error"}}
    assert levels == expected.get(broken, set())


@pytest.mark.asyncio(loop_scope="session")
async def test_no_secret_of_a_real_exchange_is_logged(
    world: World, logged: io.StringIO, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Tokens that were issued, introspected and revoked, and secrets that were good, are not in the log either."""
    token = await world.issue(world.service)
    opaque = await world.issue(await world.worker(token_format="opaque"))
    for text in (token, opaque, token + "x", "tly_at_" + "A" * 71):
        await world.introspect(text)
        await world.revoke(text, world.other)
    await world.call(TOKEN, GRANT, headers=fresh_party().basic)
    await world.call(TOKEN, GRANT | world.service.post, headers=world.service.basic)
    for error in (JournalTimeout("late"), ZeroDivisionError("fault")):
        with monkeypatch.context() as patch:

            async def fail(_: Append, error: Exception = error) -> Appended:
                raise error

            patch.setattr(world.core.journal, "append", fail)
            for path in (TOKEN, INTROSPECT, REVOKE):
                form = GRANT | {"token": token + "x"}
                await world.call(path, form, headers=world.service.basic, received=False)
    assert {"warning", "error"} <= {line["level"] for line in ours(logged)}
    assert [secret for secret in world.secrets if secret in logged.getvalue()] == []


async def test_password_of_the_database_is_not_logged(settings: Settings, logged: io.StringIO) -> None:
    """A database that is away, or that refuses the password, is told without it."""
    assert settings.database_url is not None
    good = httpx.URL(settings.database_url)
    wrong = str(good.copy_with(password="wr0ng-pa55word-of-the-database"))
    away = f"postgresql://app:pa55word-of-one-that-is-away@127.0.0.1:1/{good.path}"
    for url in (wrong, away):
        with pytest.raises(Exception) as failed:  # noqa: PT011 whatever it is, it must not tell
            async with open_worker(msgspec.structs.replace(settings, database_url=url)):
                pass
        logging.getLogger("service.test").error("cannot start: %s", failed.value, exc_info=failed.value)
    assert "pa55word" not in logged.getvalue()
    assert {line["level"] for line in ours(logged)} >= {"error"}
