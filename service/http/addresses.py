"""What an address is."""

from __future__ import annotations

from functools import lru_cache
from ipaddress import ip_address


@lru_cache(maxsize=4_096)
def is_loopback(text: str) -> bool:
    """Whether it is this machine's own (RFC 1122 section 3.2.1.3, RFC 4291 section 2.5.3); what is none is not."""
    try:
        address = ip_address(text)
    except ValueError:
        return False
    return (getattr(address, "ipv4_mapped", None) or address).is_loopback
