"""What media types a caller likes, and how much (RFC 9110 section 12.5.1)."""

from __future__ import annotations

from service.http.request import HttpRequest


def accepted(request: HttpRequest) -> dict[str, float]:
    """The weight of each media range that `Accept` names, from 0 (none of it) to 1."""
    return dict(map(_weighed, request.headers.get(b"accept", b"").decode("latin-1").lower().split(",")))


def _weighed(media_range: str) -> tuple[str, float]:
    name, *parameters = (part.strip() for part in media_range.split(";"))
    for parameter in parameters:
        key, _, value = parameter.partition("=")
        if key.strip() == "q":
            try:
                return name, float(value)
            except ValueError:
                return name, 0.0
    return name, 1.0
