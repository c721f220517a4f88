"""What people type, in the normal forms of RFC 8265: typed on another device, a name or password is the same text."""

from __future__ import annotations

from precis_i18n import get_profile
from precis_i18n.profile import Profile

_NAME = get_profile("UsernameCaseMapped")
_PASSWORD = get_profile("OpaqueString")


class NotAllowed(Exception):
    """A text is empty or has characters that its profile does not allow. It holds nothing of the text."""


def normal_name(text: str) -> str:
    """A name as it is compared and kept: lower case, NFC, full width made half (RFC 8265 section 3.3).

    Raises NotAllowed for spaces, control, invisible and compatibility characters, and for mixed writing directions.
    """
    return _enforced(_NAME, text)


def normal_password(text: str) -> str:
    """A password as it is hashed: NFC, every kind of space the ASCII one, case kept (RFC 8265 section 4.2).

    Raises NotAllowed for control, invisible and unassigned characters.
    """
    return _enforced(_PASSWORD, text)


def _enforced(profile: Profile, text: str) -> str:
    try:
        return profile.enforce(text)
    except UnicodeError:
        # This exception has the whole text as an attribute, so it must not become the context of ours.
        pass
    raise NotAllowed
