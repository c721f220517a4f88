"""The body of a report: the accesses that an API refused."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from types import MappingProxyType
from typing import Annotated

import msgspec
from msgspec import Meta

from service.http.query import bad_parameter
from service.printable import printable

LARGEST = 262_144
"""Bytes of a report."""

_LONGEST_AGE = 86_400.0
_EARLY = 60.0

REASONS: Mapping[str, str] = MappingProxyType(
    {
        "no_token": "invalid_token",
        "two_authorizations": "invalid_request",
        "token_in_query": "invalid_request",
        "token_malformed": "invalid_token",
        "token_algorithm": "invalid_token",
        "token_header": "invalid_token",
        "unknown_key": "invalid_token",
        "bad_token_signature": "invalid_token",
        "bad_claims": "invalid_token",
        "missing_claim": "invalid_token",
        "token_expired": "invalid_token",
        "token_not_yet_valid": "invalid_token",
        "token_of_other_issuer": "invalid_token",
        "token_of_other_audience": "invalid_token",
        "token_bound_to_key": "invalid_token",
        "token_not_active": "invalid_token",
        "token_revoked": "invalid_token",
        "scope_missing": "insufficient_scope",
        "role_missing": "insufficient_scope",
        "acr_too_low": "insufficient_user_authentication",
        "sign_in_too_old": "insufficient_user_authentication",
    }
)
"""Why an API refuses, in the words that go into `access.rejected` (docs/rejections.md), each with what the caller is
told (RFC 6750 section 3.1, RFC 9470 section 3).
"""

Short = Annotated[str, Meta(max_length=256)]
Long = Annotated[str, Meta(max_length=2_048)]


class Rejected(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One refusal. `at` is in seconds since 1970; `id` is the API's own: a refusal that is told again is taken once."""

    id: Annotated[str, Meta(min_length=8, max_length=64)]
    at: float
    method: Annotated[str, Meta(max_length=16)]
    route: Short
    reason: Short
    status: Annotated[int, Meta(ge=400, le=499)]
    required_scope: Long = ""
    present_scope: Long | None = None
    client_id: Short | None = None
    token_id: Short | None = None
    source_address: Short | None = None
    user_agent: Short | None = None


class Report(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A batch of the API whose audience is `api`. `dropped` refusals more could not be kept until they were told."""

    api: Long
    rejections: Annotated[tuple[Rejected, ...], Meta(max_length=100)] = ()
    dropped: Annotated[int, Meta(ge=0, le=2**53)] = 0


_decoder = msgspec.json.Decoder(Report)


def read_report(body: bytes, now: float) -> Report:
    """The report in a body. Raises BadParameter."""
    try:
        report = _decoder.decode(body)
    except msgspec.ValidationError as error:
        problem, _, path = str(error).partition(" - at `$.")
        raise bad_parameter(path.rstrip("`") or "report", f"cannot be taken: {_plain(problem)}") from None
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise bad_parameter("report", "is no JSON") from None
    for number, rejected in enumerate(report.rejections):
        if rejected.reason not in REASONS:
            raise bad_parameter(f"rejections[{number}].reason", "is none of the reasons that there are")
        if not now - _LONGEST_AGE <= rejected.at <= now + _EARLY:
            raise bad_parameter(f"rejections[{number}].at", "is more than a day ago, or yet to come")
        if rejected.source_address is not None and not _is_address(rejected.source_address):
            raise bad_parameter(f"rejections[{number}].source_address", "is not an IP address")
    return report


def _is_address(text: str) -> bool:
    try:
        return not getattr(ipaddress.ip_address(text), "scope_id", None)
    except ValueError:
        return False


def _plain(problem: str) -> str:
    """msgspec's words in the characters of RFC 6749 section 5.2."""
    return printable(problem, 200).replace('"', "'").replace("\\", "/")
