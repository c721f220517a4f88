"""The functions of Kong's configuration, in LuaJIT with a stand-in for what Kong gives them: Kong itself is not run.

`make gateways` runs these.
"""

from __future__ import annotations

import importlib
from typing import Any

import pytest
from ruamel.yaml import YAML

from tests.gateways.running import FILES
from tests.gateways.targets import AMBIGUOUS, HARMLESS

pytestmark = pytest.mark.gateways

CALLER = "198.51.100.4"
IDENTITY = {"X-Auth-Subject": "zoe", "X-Auth-Client": "app", "X-Auth-Scope": "read:users", "X-Auth-Token-Id": "1.1"}
SPOOFED = ("x-auth-subject", "x_auth_subject", "x-auth_roles", "x.auth.acr", "x~auth-client", "forwarded")

_STAND_IN = """
return function(headers, status, answered, path)
  local seen = { cleared = {}, set = {} }
  kong = {
    ctx = { shared = {} },
    client = { get_ip = function() return "198.51.100.4" end },
    request = {
      get_headers = function() return headers end,
      get_path_with_query = function() return "/users/7?page=2" end,
      get_raw_path = function() return path end,
      get_scheme = function() return "https" end,
    },
    service = { request = {
      clear_header = function(name) seen.cleared[name] = true end,
      set_header = function(name, value) seen.set[name] = value end,
    } },
    response = { exit = function(code, body, headers)
      seen.exit = { code = code, body = body, headers = headers }
      error(seen)
    end },
  }
  package.loaded["resty.http"] = { new = function() return {
    set_timeout = function() end,
    request_uri = function(_, url, options)
      seen.url, seen.told = url, options.headers
      return status and { status = status, headers = answered, body = "body" } or nil
    end,
  } end }
  return seen
end
"""


class Ran:
    """What the functions of a route did with a request."""

    def __init__(
        self,
        route: str,
        status: int | None,
        headers: dict[str, Any],
        answered: dict[str, str],
        path: str = "/users/7",
    ) -> None:
        lupa = importlib.import_module("lupa.luajit21")  # only `make gateways` installs it
        lua = lupa.LuaRuntime()
        self.seen = lua.execute(_STAND_IN)(lua.table_from(headers), status, lua.table_from(answered), path)
        for function in _functions(route):
            try:
                lua.execute(function)
            except lupa.LuaError:
                if self.seen.exit is None:
                    raise
                break


def _functions(route: str) -> list[str]:
    (service,) = YAML(typ="safe").load((FILES / "kong" / "kong.yaml").read_text())["services"]
    (found,) = (each for each in service["routes"] if each["name"] == route)
    (plugin,) = found["plugins"]
    functions: list[str] = plugin["config"]["access"]
    return functions


def test_who_may_pass_goes_on_with_who_it_is() -> None:
    """And Tallystick was told of the request what it must know, in Kong's own words."""
    sent = {"authorization": "Bearer x", "user-agent": "curl", "x-forwarded-for": "6.6.6.6", "cookie": "secret"}
    seen = Ran("users", 200, sent, IDENTITY).seen
    assert seen.exit is None
    assert dict(seen.set) == IDENTITY | {"X-Auth-Roles": "", "X-Auth-Acr": ""}
    assert seen.url.endswith("/verify?audience=https://api.example.com/users&scope=read:users")
    assert dict(seen.told) == {
        "Authorization": "Bearer x",
        "User-Agent": "curl",
        "X-Original-URI": "/users/7?page=2",
        "X-Forwarded-For": CALLER,
        "X-Forwarded-Proto": "https",
    }


@pytest.mark.parametrize(("status", "told"), [(401, 401), (403, 403), (429, 429), (500, 503), (302, 503), (None, 503)])
def test_who_may_not_is_answered(status: int | None, told: int) -> None:
    """With the challenge; whatever is no answer lets nobody pass."""
    challenge = {"WWW-Authenticate": "Bearer", "Retry-After": "7"}
    seen = Ran("admin", status, {}, challenge).seen
    assert seen.exit.code == told
    assert dict(seen.set) == {}
    if told != 503:
        assert dict(seen.exit.headers) == challenge
    assert seen.url.endswith("&scope=write:users")


@pytest.mark.parametrize("route", ["users", "admin", "health"])
def test_nothing_of_who_asks_comes_from_outside(route: str) -> None:
    """In no spelling; other headers stay."""
    seen = Ran(route, 200, dict.fromkeys(SPOOFED, "spoofed") | {"x-author": "zoe", "accept": "*/*"}, IDENTITY).seen
    assert set(seen.cleared) == set(SPOOFED)


@pytest.mark.parametrize("route", ["users", "admin", "health"])
def test_path_that_can_be_read_in_two_ways_is_refused(route: str) -> None:
    """Before anybody is asked; others pass."""
    for target in AMBIGUOUS:
        seen = Ran(route, 200, {}, IDENTITY, target.partition("?")[0]).seen
        assert seen.exit is not None, target
        assert (seen.exit.code, seen.url) == (400, None), target
    for target in HARMLESS:
        assert Ran(route, 200, {}, IDENTITY, target).seen.exit is None, target


def test_health_asks_nobody() -> None:
    """It is open."""
    seen = Ran("health", 500, {}, {}).seen
    assert (seen.url, seen.exit) == (None, None)
