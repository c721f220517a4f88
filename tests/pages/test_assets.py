from __future__ import annotations

import hashlib
import re
from typing import Any, cast

import httpx
import pytest

from service.endpoints.assets import asset_endpoints
from service.endpoints.core import Core
from service.http.request import HttpRequest
from service.pages.asset_files import ASSETS, Asset, asset_path

every_asset = pytest.mark.parametrize("asset", ASSETS.values(), ids=ASSETS)


async def _ask(method: str, asset: Asset) -> httpx.Response:
    serve = asset_endpoints(cast(Core, None))[asset.path]

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await (await serve(HttpRequest(scope, receive))).send(send)

    transport = httpx.ASGITransport(app=app)
    async with httpx.AsyncClient(transport=transport, base_url="https://auth.example.com") as http:
        return await http.request(method, asset.path)


@every_asset
async def test_an_asset_is_kept_for_good(asset: Asset) -> None:
    """Caches keep it: what is in it is in its address. Nobody takes it for something else, and no other site has it."""
    answer = await _ask("GET", asset)
    assert answer.status_code == 200
    assert answer.content == asset.body
    assert answer.headers["cache-control"] == "public, max-age=31536000, immutable"
    assert answer.headers["content-type"] == asset.content_type
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["cross-origin-resource-policy"] == "same-origin"
    assert hashlib.sha256(answer.content).hexdigest()[:16] in asset.path


@every_asset
async def test_an_asset_is_only_read(asset: Asset) -> None:
    """Nothing can be posted to it."""
    answer = await _ask("POST", asset)
    assert (answer.status_code, answer.headers["allow"], answer.content) == (405, "GET, HEAD", b"")


@every_asset
def test_an_asset_needs_no_other_site(asset: Asset) -> None:
    """No address stands in it but the names of XML vocabularies."""
    addresses = set(re.findall(rb"https?://[^\s\"']+", asset.body))
    assert addresses <= {b"http://www.w3.org/2000/svg"}


def test_names() -> None:
    """The files there are."""
    assert sorted(ASSETS) == ["form_post.js", "mark.svg", "pages.css", "passkeys.js"]
    assert re.fullmatch(r"/assets/pages\.[0-9a-f]{16}\.css", asset_path("pages.css"))
