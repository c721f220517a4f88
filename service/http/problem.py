"""Problems: how endpoints that are not OAuth ones say what is wrong (RFC 9457)."""

from __future__ import annotations

from http import HTTPStatus

import msgspec
from msgspec import UNSET, UnsetType

from service.errors import BadParameter, Rejection
from service.http.response import ANY_ORIGIN, EXPOSED, Answers, Response

_HEADERS = (
    (b"content-type", b"application/problem+json"),
    (b"cache-control", b"no-store"),
    (b"x-content-type-options", b"nosniff"),
    ANY_ORIGIN,
    EXPOSED,
)


class Problem(msgspec.Struct, frozen=True, kw_only=True):
    """The body of a problem: `title` is the status in words, `detail` what is wrong this time, `parameter` where."""

    type: str = "about:blank"
    title: str
    status: int
    detail: str | UnsetType = UNSET
    parameter: str | UnsetType = UNSET


def problem_refusal(rejection: Rejection) -> Response:
    """The answer of a rejection: its public half, and the parameter that is wrong."""
    parameter = rejection.parameter if isinstance(rejection, BadParameter) else UNSET
    return _problem(rejection.status, rejection.description, parameter)._replace(headers=rejection.headers)


def problem_unavailable(retry_after: int) -> Response:
    """503: what was asked could not be committed, or not be known. `retry_after` is in seconds."""
    answered = _problem(503, "The service cannot answer now. Try again.")
    return answered._replace(headers=((b"retry-after", str(retry_after).encode()),))


def problem_server_error() -> Response:
    """500: a fault of this server; the log has it, the answer says nothing."""
    return _problem(500, "The service failed to answer.")


def _problem(status: int, detail: str, parameter: str | UnsetType = UNSET) -> Response:
    body = Problem(title=HTTPStatus(status).phrase, status=status, detail=detail, parameter=parameter)
    return Response(status, msgspec.json.encode(body), (), _HEADERS)


PROBLEM_ANSWERS = Answers(problem_refusal, problem_unavailable, problem_server_error)
