"""The files that the pages use, at addresses that change with what is in them; so browsers may keep them for good."""

from __future__ import annotations

from service.endpoints.core import Core
from service.http.endpoint import Endpoint
from service.http.head import Header
from service.http.request import HttpRequest
from service.http.response import Response
from service.pages.asset_files import ASSETS, Asset

_COMMON: tuple[Header, ...] = (
    (b"x-content-type-options", b"nosniff"),
    (b"cross-origin-resource-policy", b"same-origin"),
    # A picture that somebody opens by itself is a document: it may style itself, and nothing else.
    (b"content-security-policy", b"default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'; sandbox"),
)
_FOR_GOOD = (b"cache-control", b"public, max-age=31536000, immutable")
_METHODS = ("GET", "HEAD")


def asset_endpoints(_: Core) -> dict[str, Endpoint]:
    """The files by path."""
    return {asset.path: _serve(asset) for asset in ASSETS.values()}


def serve_asset(asset: Asset) -> Response:
    """A file as an answer."""
    return Response(200, asset.body, (_FOR_GOOD, (b"content-type", asset.content_type.encode())), _COMMON)


def _serve(asset: Asset) -> Endpoint:
    found = serve_asset(asset)
    refused = Response(405, b"", ((b"allow", ", ".join(_METHODS).encode()),), _COMMON)

    async def serve(request: HttpRequest) -> Response:
        return found if request.method in _METHODS else refused

    return serve
