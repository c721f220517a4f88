"""What counts as one network: an IPv4 /24 or an IPv6 /48, in which a machine's own address changes all the time."""

from __future__ import annotations

from functools import lru_cache
from ipaddress import IPv6Address, ip_address, ip_network

_PREFIX_4 = 24
_PREFIX_6 = 48


@lru_cache(maxsize=65_536)
def network_of(address: str) -> str:
    """The network of an address, such as `192.0.2.0/24`; what is no address stays as it is.

    An IPv4 address within IPv6 (`::ffff:192.0.2.1`) is the IPv4 address.
    """
    try:
        parsed = ip_address(address)
    except ValueError:
        return address
    if isinstance(parsed, IPv6Address):
        if parsed.ipv4_mapped is None:
            return str(ip_network((int(parsed), _PREFIX_6), strict=False))
        parsed = parsed.ipv4_mapped
    return str(ip_network((int(parsed), _PREFIX_4), strict=False))
