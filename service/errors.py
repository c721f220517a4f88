"""What a caller is told when a request is refused, and what only the audit is told.

    Rejection                 refused; becomes an `access.rejected` event and an RFC 6749 section 5.2 answer
    ├── InvalidRequest        400 invalid_request
    ├── InvalidClient         401 invalid_client, with WWW-Authenticate
    ├── UnauthorizedClient    400 unauthorized_client
    ├── UnsupportedGrantType  400 unsupported_grant_type
    ├── InvalidScope          400 invalid_scope
    ├── InvalidTarget         400 invalid_target (RFC 8707 section 2)
    ├── InvalidGrant          400 invalid_grant
    └── TokenNotActive        200, "active": false (RFC 7662) or nothing to revoke (RFC 7009)

The public half (`error`, `description`) keeps to the characters of RFC 6749 section 5.2; the private half (`reason`,
`detail`) goes to the event alone. `reason` is one of a fixed list of words (`docs/rejections.md`), so that it can be
counted.
"""

from __future__ import annotations

from typing import ClassVar


class Rejection(Exception):
    """A request that is refused. `token_id` or `token_digest` name the token that it was about, if any."""

    error: ClassVar[str]
    status: ClassVar[int] = 400

    def __init__(
        self,
        reason: str,
        description: str,
        *,
        detail: str | None = None,
        token_id: str | None = None,
        token_digest: str | None = None,
    ) -> None:
        super().__init__(reason)
        self.reason = reason
        self.description = description
        self.detail = detail
        self.token_id = token_id
        self.token_digest = token_digest
        self.headers: tuple[tuple[bytes, bytes], ...] = ()


class InvalidRequest(Rejection):
    """A parameter is missing, repeated or malformed, or the request is not a form POST."""

    error = "invalid_request"


class MethodNotAllowed(InvalidRequest):
    """Not a POST."""

    status = 405

    def __init__(self) -> None:
        super().__init__("method_not_allowed", "This endpoint takes POST requests only.")
        self.headers = ((b"allow", b"POST"),)


class InvalidClient(Rejection):
    """The client is unknown, disabled, or did not prove who it is. The description never tells which."""

    error = "invalid_client"
    status = 401

    def __init__(self, reason: str, *, detail: str | None = None) -> None:
        super().__init__(reason, "Client authentication failed.", detail=detail)
        self.headers = ((b"www-authenticate", b'Basic realm="tallystick", charset="UTF-8"'),)


class UnauthorizedClient(Rejection):
    """The client may not do this."""

    error = "unauthorized_client"


class UnsupportedGrantType(Rejection):
    """The grant type is not one of this server's."""

    error = "unsupported_grant_type"


class InvalidScope(Rejection):
    """The scope is malformed, unknown, or more than client and resource allow."""

    error = "invalid_scope"


class InvalidTarget(Rejection):
    """The resource is malformed, unknown, not this client's, or not named where it must be (RFC 8707)."""

    error = "invalid_target"


class InvalidGrant(Rejection):
    """The token or grant was issued to another client."""

    error = "invalid_grant"


class TokenNotActive(Rejection):
    """The token is not active for the caller: answered 200 as the RFCs say, and journalled."""

    error = "inactive_token"
    status = 200
