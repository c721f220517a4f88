"""What every endpoint is, but for those that Litestar serves."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from service.http.request import HttpRequest
from service.http.response import Sendable

Endpoint = Callable[[HttpRequest], Awaitable[Sendable]]
