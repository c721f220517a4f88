"""What a request needs, as its gateway says it: the query of `/verify`.

    audience=https://api.example.com/users&scope=read:users&role=clerk&max_age=5

It is the gateway's own configuration and has few different values, so that each is read once.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import NamedTuple

from service.http.query import Query, bad_parameter, read_query

_PARAMETERS = ("audience", "scope", "role", "max_age")
_REPEATABLE = ("scope", "role")
_LONGEST_AGE = 3_600
_KEPT = 1_024
_WORD = re.compile(r"[\x21\x23-\x5b\x5d-\x7e]+")


class Needs(NamedTuple):
    """The API that the token must be for, its scopes and its person's roles, and for how many seconds the gateway may
    keep the answer.
    """

    audience: str
    scopes: frozenset[str]
    roles: frozenset[str]
    max_age: int


@lru_cache(maxsize=_KEPT)
def read_needs(query: bytes) -> Needs:
    """What the query asks for. Raises InvalidRequest or BadParameter: a misspelt need must not become no need."""
    found = read_query(query, _PARAMETERS, _REPEATABLE)
    if "audience" not in found:
        raise bad_parameter("audience", "is missing: it says for which API the token must be")
    return Needs(found["audience"][0], _words(found, "scope"), _words(found, "role"), _max_age(found))


def _words(query: Query, name: str) -> frozenset[str]:
    """What stands between spaces, of the characters that RFC 6749 section 3.3 lets a scope have: a scope is told in the
    challenge.
    """
    words: set[str] = set()
    for value in query.get(name, ()):
        found = [word for word in value.split(" ") if word]
        if not found or not all(map(_WORD.fullmatch, found)):
            raise bad_parameter(name, "has words of other characters than scopes may have, or no word")
        words.update(found)
    return frozenset(words)


def _max_age(query: Query) -> int:
    (text,) = query.get("max_age", ("0",))
    digits = text.isascii() and text.isdecimal() and len(text) <= len(str(_LONGEST_AGE))
    if not digits or int(text) > _LONGEST_AGE:
        raise bad_parameter("max_age", f"is not a number of seconds up to {_LONGEST_AGE}")
    return int(text)
