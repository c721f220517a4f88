"""Handles: opaque strings that carry a readable prefix, 256 random bits and a checksum.

    tly_cs_<secret: 43><checksum: 6>                   client secret
    tly_at_<grant id: 22><secret: 43><checksum: 6>     opaque access token
    tly_rt_<grant id: 22><secret: 43><checksum: 6>     refresh token
    tly_ac_<grant id: 22><secret: 43><checksum: 6>     authorization code
    tly_dc_<grant id: 22><secret: 43><checksum: 6>     device code
    tly_ss_<session id: 22><secret: 43><checksum: 6>   session cookie

All parts but the prefix are base64url without padding; the checksum is the CRC-32 of what stands before it. So secret
scanners find handles by their prefix, a mistyped one is told from a guessed one, and a token leads to its grant
without an index.
"""

from __future__ import annotations

import os
import zlib
from base64 import urlsafe_b64decode, urlsafe_b64encode
from binascii import Error as Base64Error
from uuid import UUID

ACCESS_TOKEN = "tly_at_"
REFRESH_TOKEN = "tly_rt_"
AUTHORIZATION_CODE = "tly_ac_"
DEVICE_CODE = "tly_dc_"
SESSION = "tly_ss_"
CLIENT_SECRET = "tly_cs_"

_SECRET_BYTES = 32
_ID_LENGTH, _SECRET_LENGTH, _CHECK_LENGTH = 22, 43, 6
_PREFIX_LENGTH = 7
_HANDLE_LENGTH = _PREFIX_LENGTH + _ID_LENGTH + _SECRET_LENGTH + _CHECK_LENGTH


class MalformedHandle(Exception):
    """Not a handle: another shape, or its checksum does not fit (a typing mistake, a cut-off copy)."""


def new_client_secret() -> str:
    """A fresh client secret of 256 random bits."""
    return _checked(CLIENT_SECRET + _base64url(os.urandom(_SECRET_BYTES)))


def new_access_token(grant_id: UUID) -> str:
    """A fresh opaque access token of a grant."""
    return new_handle(ACCESS_TOKEN, grant_id)


def parse_access_token(text: str) -> UUID:
    """The grant that an opaque access token leads to. Raises MalformedHandle."""
    return parse_handle(ACCESS_TOKEN, text)


def new_handle(prefix: str, stream: UUID) -> str:
    """A fresh handle that leads to a stream: a grant, or a session."""
    return _checked(prefix + _base64url(stream.bytes) + _base64url(os.urandom(_SECRET_BYTES)))


def parse_handle(prefix: str, text: str) -> UUID:
    """The stream that a handle leads to; whether it is genuine only its digest tells. Raises MalformedHandle."""
    if len(text) != _HANDLE_LENGTH or not text.startswith(prefix) or _checked(text[:-_CHECK_LENGTH]) != text:
        raise MalformedHandle
    written = text[_PREFIX_LENGTH:][:_ID_LENGTH]
    try:
        raw = urlsafe_b64decode(written + "==")
    except Base64Error:
        # Anyone can compute a checksum: what stands before it need not be base64url.
        raise MalformedHandle from None
    if _base64url(raw) != written:
        raise MalformedHandle
    return UUID(bytes=raw)


def _checked(body: str) -> str:
    try:
        return body + _base64url(zlib.crc32(body.encode("ascii")).to_bytes(4, "big"))
    except UnicodeEncodeError:
        raise MalformedHandle from None


def _base64url(raw: bytes) -> str:
    return urlsafe_b64encode(raw).rstrip(b"=").decode("ascii")
