"""The OpenAPI document has what the application serves."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from service.endpoints.core import Core
from service.endpoints.discovery import discovery_routes
from service.endpoints.health import health_routes
from service.http.app import create_app, hot_endpoints
from service.pages.asset_files import ASSETS
from service.usage.subjects import SUBJECTS
from service.verify.prefixed import PREFIX
from tests.contracts.derived import CONTRACTS

DOCUMENT: dict[str, Any] = json.loads((CONTRACTS / "openapi.json").read_text())
METHODS = ("get", "post", "put", "delete", "patch", "head", "options")


def served(core: Core) -> set[str]:
    """The paths of the application, without the files of its pages; one that ends with a slash is a prefix."""
    routed = {path for handler in (*discovery_routes(core), *health_routes(core)) for path in handler.paths}
    return (set(hot_endpoints(core)) - {asset.path for asset in ASSETS.values()}) | routed


async def test_every_path_is_described_and_no_other(core: Core) -> None:
    """What is served is in the document, and the reverse."""
    described = {PREFIX if path == PREFIX + "{needs}" else path for path in DOCUMENT["paths"]}
    assert described == served(core)


async def test_a_method_that_is_not_described_is_refused(core: Core) -> None:
    """With 405, or by CORS; one that is described is not."""
    app: Any = create_app(core)
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as http:
        for path, operations in DOCUMENT["paths"].items():
            for method in METHODS:
                answered = await http.request(method, path.replace("{needs}", "scope=x/"))
                if method in operations:
                    assert answered.status_code != 405, (method, path)
                elif method not in {"head", "options"}:
                    assert answered.status_code == 405, (method, path, answered.status_code)


@pytest.mark.parametrize("name", SUBJECTS)
def test_the_dimensions_of_figures_are_described(name: str) -> None:
    """Every name that figures can be cut by is a parameter."""
    operation = DOCUMENT["paths"][f"/usage/{name}"]["get"]
    assert set(SUBJECTS[name].dimensions) <= {parameter["name"] for parameter in operation["parameters"]}


def test_references_lead_somewhere() -> None:
    """Each is a schema or a way to authenticate that is there."""
    components = DOCUMENT["components"]
    for name, value in _pairs(DOCUMENT):
        if name == "$ref":
            assert value.removeprefix("#/components/schemas/") in components["schemas"]
        if name == "security":
            assert {each for one in value for each in one} <= set(components["securitySchemes"])


def _pairs(node: Any) -> Iterator[tuple[str, Any]]:
    if isinstance(node, dict):
        for name, value in node.items():
            yield name, value
            yield from _pairs(value)
    elif isinstance(node, list):
        for each in node:
            yield from _pairs(each)
