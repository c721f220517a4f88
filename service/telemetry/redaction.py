"""Takes out of a text what looks like a secret.

The service never logs one. This is for what others say: a library's error that quotes an address with its password, a
header or a parameter (promise 5).
"""

from __future__ import annotations

import re

_TAKEN = "..."

_LIKE_A_SECRET = re.compile(
    r"""
      (?P<handle>tly_[a-z]{2}_|whsec_|\beyJ)[A-Za-z0-9_.~+/=-]{8,}
    | (?P<user>\b[a-z][a-z0-9+.-]*://[^\s/@:]*:)[^\s/]+(?=@)
    | (?P<scheme>\b(?:basic|bearer|dpop)\s+)[A-Za-z0-9._~+/=-]{16,}
    | (?P<name>\b(?:password|passwd|client_secret|client_assertion|code_verifier|(?:access|refresh|id)_token)
        ["']?\s*[=:]\s*["']?)[^\s&,;"']+
    """,
    re.IGNORECASE | re.VERBOSE,
)


def redacted(text: str) -> str:
    """The text with `...` for handles, JWTs, webhook secrets, passwords of URLs, credentials of an Authorization header
    and values of secret parameters; what tells which kind it was stays.
    """
    return _LIKE_A_SECRET.sub(lambda found: (found[found.lastgroup or 0] or "") + _TAKEN, text)
