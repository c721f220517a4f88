"""Requests whose gateway puts its own words before the address of the request that it asks about: Envoy's `ext_authz`.

    /verify/audience=https%3A%2F%2Fapi.example.com%2Fusers&scope=read:users/users/7?page=2
            ~~~~~~~~~~~~~~~~~~~~~ what is needed ~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~

Envoy asks with the method, path and query of the original request, after a prefix of its configuration. What is needed
is therefore in that prefix, up to the next slash, written as the query of `/verify` is, with `%2F` for a slash. It
stands before all that a caller can write, so that nothing in a request changes it: no header does, nor its own query.
"""

from __future__ import annotations

from typing import Any

from litestar.types import ASGIApp, Receive, Scope, Send

from service.verify.address import ADDRESSES, ORIGINAL

PREFIX = "/verify/"


def prefixed(verify: ASGIApp) -> ASGIApp:
    """The endpoint for such requests: they are handed to `verify` as if they had come in the usual way."""

    async def endpoint(scope: Scope, receive: Receive, send: Send) -> None:
        await verify(_usual(scope), receive, send)

    return endpoint


def _usual(scope: Scope) -> Scope:
    """What is needed as the query, and the address of the original request in the header, whatever was there before."""
    written = bytes(scope.get("raw_path") or b"")
    needs, _, path = written.removeprefix(PREFIX.encode()).partition(b"/")
    original = b"/" + path + b"?" + scope["query_string"]
    headers = [*((name, value) for name, value in scope["headers"] if name not in ADDRESSES), (ORIGINAL, original)]
    usual: Any = {**scope, "query_string": needs, "headers": headers}
    return usual  # type: ignore[no-any-return]  # a scope as it was, but for two fields
