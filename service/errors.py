"""What a caller is told when a request is refused, and what only the audit is told.

    Rejection                 refused; becomes an `access.rejected` event and an RFC 6749 section 5.2 answer
    ├── InvalidRequest        400 invalid_request
    │   └── BadParameter      the same for a request for data, which is told the parameter
    ├── InvalidClient         401 invalid_client, with WWW-Authenticate
    ├── UnauthorizedClient    400 unauthorized_client
    ├── UnsupportedGrantType  400 unsupported_grant_type
    ├── InvalidScope          400 invalid_scope
    ├── InvalidTarget         400 invalid_target (RFC 8707 section 2)
    ├── InvalidGrant          400 invalid_grant
    ├── SlowDown              400 slow_down (RFC 8628 section 3.5)
    ├── ExpiredToken          400 expired_token (the same)
    ├── AccessDenied          400 access_denied (RFC 6749 section 4.1.2.1, RFC 8628 section 3.5)
    ├── TooManyAttempts       429 too_many_attempts, with Retry-After
    ├── TooManyRequests       429 too_many_requests, with Retry-After and RateLimit; counted, not journalled
    ├── TooBusy               503 temporarily_unavailable, with Retry-After
    ├── RequestNotSupported …  what a client is told by way of the browser (RFC 6749 section 4.1.2.1, OpenID Connect
    │                         Core section 3.1.2.6); see the end of this module
    ├── InvalidToken          401 invalid_token (RFC 6750 section 3.1)
    │   └── NoToken           the same where there was none: the challenge has no error (section 3)
    ├── InsufficientScope     403 insufficient_scope (RFC 6750 section 3.1)
    └── TokenNotActive        200, "active": false (RFC 7662) or nothing to revoke (RFC 7009)

The public half (`error`, `description`) keeps to the characters of RFC 6749 section 5.2; the private half (`reason`,
`detail`) goes to the event alone. `reason` is one of a fixed list of words (`docs/rejections.md`), so that it can be
counted.
"""

from __future__ import annotations

from typing import ClassVar


class Rejection(Exception):
    """A request that is refused. `token_id` or `token_digest` name the token that it was about, if any.

    `status` is that of the answer; who answers in another way than this server usually does sets it.
    """

    error: ClassVar[str]
    status: int = 400

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
    """Not a POST, or whatever else is `allowed`."""

    status = 405

    def __init__(self, *, allowed: str = "POST") -> None:
        super().__init__("method_not_allowed", f"This endpoint takes {allowed} requests only.")
        self.headers = ((b"allow", allowed.encode()),)


class BadParameter(InvalidRequest):
    """A parameter of a request for data is none that there is, is there twice, or says nothing that can be done."""

    def __init__(self, reason: str, parameter: str, description: str) -> None:
        super().__init__(reason, description, detail=parameter)
        self.parameter = parameter


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


class SlowDown(Rejection):
    """A device asked too soon after the last time; it must wait longer from now on."""

    error = "slow_down"


class ExpiredToken(Rejection):
    """The device code is too old."""

    error = "expired_token"


class AccessDenied(Rejection):
    """The person did not let the client have what it asked for, or cannot."""

    error = "access_denied"


class TooManyAttempts(Rejection):
    """Too many guesses failed of late. `retry_after` is in seconds."""

    error = "too_many_attempts"
    status = 429

    def __init__(self, reason: str, description: str, retry_after: int, *, detail: str | None = None) -> None:
        super().__init__(reason, description, detail=detail)
        self.headers = ((b"retry-after", str(retry_after).encode()),)


class TooManyRequests(Rejection):
    """The caller is over a limit. It is counted (`access.throttled`), and has no event of its own."""

    error = "too_many_requests"
    status = 429


class TooBusy(Rejection):
    """There is no room for it here and now. `retry_after` is in seconds."""

    error = "temporarily_unavailable"
    status = 503

    def __init__(self, reason: str, description: str, retry_after: int) -> None:
        super().__init__(reason, description)
        self.headers = ((b"retry-after", str(retry_after).encode()),)


class InvalidToken(Rejection):
    """The access token is none of ours, or not active."""

    error = "invalid_token"
    status = 401


class NoToken(InvalidToken):
    """There is no access token where one must be."""


class InsufficientScope(Rejection):
    """The access token is good, but not for this."""

    error = "insufficient_scope"
    status = 403


class TokenNotActive(Rejection):
    """The token is not active for the caller: answered 200 as the RFCs say, and journalled."""

    error = "inactive_token"
    status = 200


class RequestNotSupported(Rejection):
    """A request object by value is nothing for this server (OpenID Connect Core section 6.1)."""

    error = "request_not_supported"


class RequestUriNotSupported(Rejection):
    """Nor is one by reference (section 6.2)."""

    error = "request_uri_not_supported"


class RegistrationNotSupported(Rejection):
    """Nor are a client's settings in a request (section 7.2.1)."""

    error = "registration_not_supported"


class UnsupportedResponseType(Rejection):
    """Only codes are given (RFC 6749 section 4.1.2.1)."""

    error = "unsupported_response_type"


class LoginRequired(Rejection):
    """Somebody must sign in, and may not be asked to (OpenID Connect Core section 3.1.2.6)."""

    error = "login_required"


class ConsentRequired(Rejection):
    """Somebody must allow it, and may not be asked to."""

    error = "consent_required"


class InteractionRequired(Rejection):
    """Somebody must see that it happens, and may not be shown."""

    error = "interaction_required"


class UnmetAuthenticationRequirements(Rejection):
    """Nobody can sign in, or did, as strongly as is demanded (OpenID Connect's specification of this error code)."""

    error = "unmet_authentication_requirements"
