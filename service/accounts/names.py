"""What accounts may be called, and the ids that tokens name them by."""

from __future__ import annotations

import re
import uuid
from collections.abc import Iterator

from service.access.errors import Mistake, NameUnknown, quoted
from service.accounts.text import NotAllowed, normal_name

_NAME_LIMIT = 64
_NAME_CHARACTERS = "letters, digits and ASCII signs without spaces, in one writing direction (RFC 8265 section 3)"
# What browsers take in <input type=email> (HTML section 4.10.5.1.5), within the lengths of RFC 5321 section 4.5.3.1.
_LABEL = r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
_EMAIL = re.compile(rf"[A-Za-z0-9.!#$%&'*+/=?^_`{{|}}~-]{{1,64}}@{_LABEL}(?:\.{_LABEL})*")
_EMAIL_LIMIT = 254


def new_subject() -> str:
    """A fresh subject: 122 random bits, so it tells nothing and is never used again."""
    return str(uuid.uuid4())


def name_mistakes(name: str) -> Iterator[Mistake]:
    """The rules for the name of an account."""
    try:
        fits = len(normal_name(name)) <= _NAME_LIMIT
    except NotAllowed:
        fits = False
    if not fits:
        yield Mistake(("name",), f"{quoted(name)} must be 1 to {_NAME_LIMIT} {_NAME_CHARACTERS}")


def email_mistakes(email: str) -> Iterator[Mistake]:
    """The rules for an email address: its syntax alone."""
    if len(email) > _EMAIL_LIMIT or not _EMAIL.fullmatch(email):
        yield Mistake(("email",), f"{quoted(email)} is no email address")


def known_as(name: str) -> str:
    """The normal form of a name that somebody typed. Raises NameUnknown where no account can have it."""
    try:
        return normal_name(name)
    except NotAllowed:
        raise NameUnknown("account", name) from None
