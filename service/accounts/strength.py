"""Which passwords are refused: too short, too long, not typeable everywhere, or easy to guess."""

from __future__ import annotations

import re
from collections.abc import Iterator

from zxcvbn import zxcvbn

from service.accounts.text import NotAllowed, normal_password

_SHORTEST = 8
_LONGEST = 1_024
_MINIMUM_SCORE = 3
"""Of zxcvbn's 0 to 4: withstands 10^8 guesses."""

_ESTIMATED = 72
"""The estimate takes time that grows with the square of the length; what follows can only make guessing harder."""


def password_problem(password: str, *personal: str) -> str | None:
    """Why a password is refused, or None. `personal` is what is known of its owner: worth nothing in a password."""
    if len(password) > _LONGEST:
        return f"is longer than {_LONGEST} characters"
    try:
        normal = normal_password(password)
    except NotAllowed:
        normal = None
    if normal is None:
        return "has control, invisible or unassigned characters (RFC 8265 section 4)" if password else "is empty"
    if len(normal) < _SHORTEST:
        return f"is shorter than {_SHORTEST} characters"
    estimate = zxcvbn(normal[:_ESTIMATED], user_inputs=sorted(set(_words(personal))), max_length=_ESTIMATED)
    if estimate["score"] >= _MINIMUM_SCORE:
        return None
    advice = (estimate["feedback"]["warning"], *estimate["feedback"]["suggestions"])
    return " ".join(("is too easy to guess.", *filter(None, advice)))


def _words(personal: tuple[str, ...]) -> Iterator[str]:
    for text in personal:
        yield from filter(None, (text, *re.split(r"[\W_]+", text)))
