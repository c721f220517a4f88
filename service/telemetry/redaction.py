"""Takes out of a text what looks like a secret.

The service never logs one. This is for what others say: a library's error that quotes an address with its password, a
header or a parameter (promise 5).
"""

from __future__ import annotations

import re

_TAKEN = "..."

_NAMED = r"""(?:password|passwd|secret|master_key|client_assertion|code_verifier|(?:access|refresh|id)_token)
    ["']?\s*[=:]\s*"""
"""A name that ends so, whatever stands before, and what is between it and its value."""

# Each part takes time in proportion to the text alone: what may be repeated without an end begins with words that are
# seldom, or ends with what it cannot hold.
_LIKE_A_SECRET = re.compile(
    rf"""
      (?P<handle>tly_[a-z]{{2}}_|whsec_|\beyJ)[A-Za-z0-9_.~+/=-]{{8,}}
    | (?P<user>\b[a-z][a-z0-9+.-]{{0,30}}://[^\s/@:]*:)[^\s/]+(?=@)
    | (?P<header>\bauthorization["']?\s*[=:]\s*["']?(?:basic|bearer|dpop)\s+)[^\s,;"']+
    | (?P<scheme>\b(?:basic|bearer|dpop)\s+)[A-Za-z0-9._~+/=-]{{16,}}
    | (?P<double>{_NAMED}b?")[^"\\]*(?:\\.[^"\\]*)*
    | (?P<single>{_NAMED}b?')[^'\\]*(?:\\.[^'\\]*)*
    | (?P<bare>{_NAMED})[^\s&,;"']+
    """,
    re.IGNORECASE | re.VERBOSE | re.DOTALL,
)


def redacted(text: str) -> str:
    """The text with `...` for handles, JWTs, webhook secrets, passwords of URLs, credentials of an Authorization header
    and values of secret parameters, in quotation marks up to the closing one; what tells which kind it was stays.
    """
    return _LIKE_A_SECRET.sub(lambda found: (found[found.lastgroup or 0] or "") + _TAKEN, text)
