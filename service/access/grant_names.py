"""Grant types as people write them: the long URN of the device grant has a short name in files and commands."""

from __future__ import annotations

from service.grants import AUTHORIZATION_CODE, DEVICE_CODE, SUPPORTED_GRANTS

PERSONS_GRANTS = (AUTHORIZATION_CODE, DEVICE_CODE)
"""The grants that a person gives."""

_SHORT = {"device_code": DEVICE_CODE}
_WRITTEN = {grant: short for short, grant in _SHORT.items()}


def grant_named(text: str) -> str:
    """The grant type that a text names (RFC 7591 section 2); what names none stays as it is."""
    return _SHORT.get(text, text)


def written_grant(grant: str) -> str:
    """The shortest name of a grant type."""
    return _WRITTEN.get(grant, grant)


GRANT_NAMES = tuple(map(written_grant, SUPPORTED_GRANTS))
"""Every grant of this server, as people write it."""
