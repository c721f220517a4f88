"""What the guard raises, and how it is told to the caller (RFC 6750 section 3, RFC 9470 section 3)."""

from __future__ import annotations

import json
from dataclasses import dataclass, field

from tallystick_guard.access import Access, Needs

INVALID_REQUEST = "invalid_request"
INVALID_TOKEN = "invalid_token"
INSUFFICIENT_SCOPE = "insufficient_scope"
INSUFFICIENT_AUTHENTICATION = "insufficient_user_authentication"

_STATUS = {INVALID_REQUEST: 400, INVALID_TOKEN: 401, INSUFFICIENT_SCOPE: 403, INSUFFICIENT_AUTHENTICATION: 401}
_TITLES = {400: "Bad Request", 401: "Unauthorized", 403: "Forbidden", 503: "Service Unavailable"}


class GuardError(Exception):
    """Anything that keeps a request from being served. `status` is that of the answer."""

    status: int
    description: str
    retry_after: int | None = None


@dataclass(eq=False)
class Refused(GuardError):
    """The request is refused.

    `error` is a code of RFC 6750 section 3.1 or RFC 9470 section 3, empty where no token came: then the challenge says
    the scheme alone. `reason` is for the log and the audit, never for the caller. `access` is there where the token was
    good, and not enough or revoked.
    """

    error: str
    reason: str
    description: str
    needs: Needs = field(default_factory=Needs)
    access: Access | None = None

    def __post_init__(self) -> None:
        super().__init__(self.reason)

    @property
    def status(self) -> int:  # type: ignore[override]  # a plain attribute elsewhere
        """The status of the answer."""
        return _STATUS.get(self.error, 401)

    def challenge(self, realm: str, resource_metadata: str | None = None) -> str:
        """The value of `WWW-Authenticate`; `resource_metadata` is an address (RFC 9728 section 5.1)."""
        words = [f'realm="{realm}"']
        if self.error:
            words += [f'error="{self.error}"', f'error_description="{self.description}"']
        if self.error == INSUFFICIENT_SCOPE and self.needs.scopes:
            words.append(f'scope="{" ".join(sorted(self.needs.scopes))}"')
        if self.error == INSUFFICIENT_AUTHENTICATION:
            words += [f'acr_values="{" ".join(self.needs.acr)}"'] if self.needs.acr else []
            words += [f'max_age="{self.needs.max_age}"'] if self.needs.max_age is not None else []
        if resource_metadata is not None:
            words.append(f'resource_metadata="{resource_metadata}"')
        return "Bearer " + ", ".join(words)


class Unavailable(GuardError):
    """Whether the token is good cannot be known now: 503, and the caller may try again."""

    status = 503
    retry_after = 1

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.description = "The token cannot be checked now. Try again."


def body_of(error: GuardError) -> bytes:
    """The answer's body: a problem (RFC 9457), with the error code where there is one."""
    title, status = _TITLES[error.status], error.status
    body = {"type": "about:blank", "title": title, "status": status, "detail": error.description}
    if isinstance(error, Refused) and error.error:
        body["error"] = error.error
    return json.dumps(body).encode()


def headers_of(error: GuardError, realm: str, resource_metadata: str | None = None) -> list[tuple[bytes, bytes]]:
    """The answer's headers, as ASGI has them."""
    headers = [(b"content-type", b"application/problem+json"), (b"cache-control", b"no-store")]
    if isinstance(error, Refused):
        headers.append((b"www-authenticate", error.challenge(realm, resource_metadata).encode("latin-1", "replace")))
    if error.retry_after is not None:
        headers.append((b"retry-after", str(error.retry_after).encode()))
    return headers
