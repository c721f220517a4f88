"""What the files of `deploy/gateways/` and their document say of themselves, without running anything."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from service.verify.needs import read_needs
from tests.gateways.running import FILES, KINDS
from tests.gateways.targets import AMBIGUOUS, HARMLESS

ALL = sorted(folder.name for folder in FILES.iterdir())
UNTESTED = sorted(set(ALL) - set(KINDS))
NAMES = ("subject", "client", "scope", "roles", "token-id", "acr")
DOCUMENT = Path(__file__).parents[2] / "docs" / "gateways.md"
_NEEDS = re.compile(r"(?:/verify[?/]|[ \"])(audience=[^\s\"/;]+(?:://[^\s\";]+)?)/?[\s\";]")


def text_of(gateway: str) -> str:
    """All its files."""
    return "\n".join(file.read_text() for file in sorted((FILES / gateway).iterdir()))


def loaded(path: Path) -> Any:
    """A YAML file."""
    return YAML(typ="safe").load(path.read_text())


def test_every_gateway_is_here() -> None:
    """Seven, of which five are run."""
    assert [*sorted(KINDS), "apisix", "kong"] == sorted(KINDS) + UNTESTED
    assert sorted(ALL) == sorted(["nginx", "haproxy", "traefik", "caddy", "envoy", "kong", "apisix"])


@pytest.mark.parametrize("gateway", ALL)
def test_files_say_whether_they_are_tested(gateway: str) -> None:
    """And so does the document, which leads to each."""
    assert ("untested" in text_of(gateway).lower()) == (gateway in UNTESTED)
    document = DOCUMENT.read_text()
    assert f"(../deploy/gateways/{gateway}/)" in document
    (row,) = [line for line in document.splitlines() if line.startswith("|") and f"/{gateway}/)" in line]
    assert ("untested" in row) == (gateway in UNTESTED)


@pytest.mark.parametrize("gateway", ALL)
def test_what_is_needed_can_be_read_by_verify(gateway: str) -> None:
    """Each file asks for the same of its two paths."""
    found = {read_needs(needs.encode())[:2] for needs in _NEEDS.findall(text_of(gateway)) if "urn:none" not in needs}
    api = "https://api.example.com/users"
    assert found == {(api, frozenset({"read:users"})), (api, frozenset({"write:users"}))}
    assert "TALLYSTICK_TRUSTED_PROXIES" in text_of(gateway)


@pytest.mark.parametrize("gateway", sorted(set(ALL) - {"envoy"}))
def test_each_identity_header_is_named(gateway: str) -> None:
    """Envoy takes all that begin as they do."""
    text = text_of(gateway).lower()
    for name in NAMES:
        assert name in text, name


@pytest.mark.parametrize("path", sorted(FILES.glob("*/*.yaml")), ids=lambda path: path.name)
def test_yaml_is_yaml(path: Path) -> None:
    """Without a key twice."""
    assert isinstance(loaded(path), dict)


def test_apisix_refuses_what_can_be_read_in_two_ways() -> None:
    """By a rule of its uri-blocker, which looks for it in the request as it was written, on every route."""
    for route in loaded(FILES / "apisix" / "apisix.yaml")["routes"]:
        blocker = route["plugins"]["uri-blocker"]
        assert (blocker["rejected_code"], blocker["case_insensitive"]) == (400, True)
        (rule,) = blocker["block_rules"]
        for target in AMBIGUOUS:
            assert re.search(rule, target, re.IGNORECASE), target
        for target in HARMLESS:
            assert not re.search(rule, f"{target}?at=/../x//y", re.IGNORECASE), target


def test_apisix_asks_before_every_route_but_health() -> None:
    """By the names that its forward-auth has."""
    routes = loaded(FILES / "apisix" / "apisix.yaml")["routes"]
    asked = {route["uri"]: route["plugins"].get("forward-auth") for route in routes}
    assert {uri for uri, plugin in asked.items() if plugin is None} == {"/health"}
    for plugin in filter(None, asked.values()):
        assert [name.lower() for name in plugin["upstream_headers"]] == [f"x-auth-{name}" for name in NAMES]
        assert "Authorization" in plugin["request_headers"]
        assert "WWW-Authenticate" in plugin["client_headers"]
        assert (plugin["allow_degradation"], plugin["status_on_error"]) == (False, 503)
