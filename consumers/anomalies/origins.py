"""What callers have in common: the site behind an address, and the software behind a user agent."""

from __future__ import annotations

import re
from functools import lru_cache

from schema.networks import network_of

NO_AGENT = "no user agent"
_CACHED = 65_536
_COMMENT = re.compile(r"\([^()]*\)")
_LONGEST = 80


def site_of(address: str) -> str:
    """One attacker's place: an IPv4 address, or the /48 of an IPv6 one, of which somebody has all addresses."""
    return network_of(address) if ":" in address else address


@lru_cache(maxsize=_CACHED)
def software_of(agent: str | None) -> str:
    """The products of a user agent without their versions (RFC 9110 section 10.1.5), such as `billing okhttp`."""
    if not agent:
        return NO_AGENT
    products = _COMMENT.sub(" ", agent).split()
    return " ".join(product.partition("/")[0] for product in products)[:_LONGEST] or NO_AGENT


def some(things: tuple[str, ...] | list[str], what: str) -> str:
    """The one thing, or how many, such as `192.0.2.7` or `3 addresses`."""
    return things[0] if len(things) == 1 else f"{len(things)} {what}"
