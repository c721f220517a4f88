"""Requests whose gateway puts its own words before the address of the request that it asks about: Envoy's `ext_authz`.

    /verify/audience=https%3A%2F%2Fapi.example.com%2Fusers&scope=read:users/users/7?page=2
            ~~~~~~~~~~~~~~~~~~~~~ what is needed ~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~

Envoy asks with the method, path and query of the original request, after a prefix of its configuration. What is needed
is therefore in that prefix, up to the next slash, written as the query of `/verify` is, with `%2F` for a slash. It
stands before all that a caller can write, so that nothing in a request changes it: no header does, nor its own query.
"""

from __future__ import annotations

from service.http.endpoint import Endpoint
from service.http.request import HttpRequest
from service.http.response import Sendable
from service.verify.address import ADDRESSES, ORIGINAL

PREFIX = "/verify/"


def prefixed(verify: Endpoint) -> Endpoint:
    """The endpoint for such requests: they are handed to `verify` as if they had come in the usual way."""

    async def answer(request: HttpRequest) -> Sendable:
        _make_usual(request)
        return await verify(request)

    return answer


def _make_usual(request: HttpRequest) -> None:
    """What is needed as the query, and the address of the original request in the header, whatever was there before."""
    needs, _, path = (request.raw_path or b"").removeprefix(PREFIX.encode()).partition(b"/")
    original = b"/" + path + b"?" + request.query
    request.query = needs
    request.headers = {name: value for name, value in request.headers.items() if name not in ADDRESSES}
    request.headers[ORIGINAL] = original
