"""Where a webhook may be sent: to public addresses over https, so that no registration reaches into the own network.

What a name stands for is checked at each connection, and the connection goes to the address that was checked
(`consumers/webhooks/resolver.py`): a name that changes its mind in between (DNS rebinding) gains nothing.
"""

from __future__ import annotations

import re
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address
from urllib.parse import urlsplit

_LENGTH_LIMIT = 2_000
_LAST_PORT = 65_535
# Strict, so that no two parsers can read a URL differently: no user info, no backslash, no zone, ASCII alone.
_URL = re.compile(
    r"(?P<scheme>https?)://(?P<host>[A-Za-z0-9._-]{1,253}|\[[0-9A-Fa-f:.]{2,45}\])(?::(?P<port>[0-9]{1,5}))?"
    r"(?:[/?](?:[A-Za-z0-9._~:/?@!$&'()*+,;=-]|%[0-9A-Fa-f]{2})*)?"
)
# A host that ends so is read as an IPv4 address by some resolvers: 127.1, 2130706433, 0x7f.0.0.1.
_NUMBER = re.compile(r"(?:[0-9]+|0[xX][0-9A-Fa-f]*)\.?")
_LABEL = r"[A-Za-z0-9_](?:[A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?"
_NAME = re.compile(rf"{_LABEL}(?:\.{_LABEL})*\.?")

# What Python 3.11 to 3.14 do not agree upon, or take for global although nobody's public server is there.
# The last two are one server each: what clouds (Azure, Alibaba) tell their machines, beside the link-local address.
_NEVER_4 = tuple(
    map(
        IPv4Network,
        (
            *("0.0.0.0/8", "169.254.0.0/16", "192.0.0.0/24", "192.88.99.0/24", "224.0.0.0/3"),
            *("168.63.129.16/32", "100.100.100.200/32"),
        ),
    )
)
_LINK_LOCAL, _METADATA = IPv6Network("fe80::/10"), IPv6Address("fd00:ec2::254")
_GLOBAL_UNICAST = IPv6Network("2000::/3")
_NEVER_6 = tuple(
    map(IPv6Network, ("2001::/23", "2001:db8::/32", "2002::/16", "3fff::/20"))
)  # of RFC 6890: protocol assignments with Teredo, documentation, and 6to4, which is a way around every check
_NAT64 = IPv6Network("64:ff9b::/96")
_UNIQUE_LOCAL = IPv6Network("fc00::/7")


def target_problem(url: str, *, private: bool) -> str | None:
    """What keeps a URL from being a webhook's, None if nothing does; `private` also lets http and own addresses be.

    What the host's name stands for is not asked.
    """
    if len(url) > _LENGTH_LIMIT:
        return f"is longer than {_LENGTH_LIMIT} characters"
    if "#" in url:
        return "has a fragment (#)"
    found = _URL.fullmatch(url)
    if found is None:
        return _why_not(url)
    if found["scheme"] == "http" and not private:
        return "must be https (TALLYSTICK_WEBHOOK_PRIVATE_TARGETS allows http, and addresses of the own network)"
    if found["port"] is not None and not 0 < int(found["port"]) <= _LAST_PORT:
        return "has a port that cannot be"
    return _host_problem(found["host"], private=private)


def address_problem(address: str, *, private: bool) -> str | None:
    """What keeps an address from being connected to, None if nothing does."""
    try:
        parsed = ip_address(address)
    except ValueError:
        return "is no IP address"
    if _allowed_4(parsed, private) if isinstance(parsed, IPv4Address) else _allowed_6(parsed, private):
        return None
    return "may not be called" if private else "is not a public address"


def _why_not(url: str) -> str:
    try:
        parts = urlsplit(url)
    except ValueError:
        return "is not a URL"
    if parts.scheme not in {"http", "https"}:
        return "is not an https:// address"
    if "@" in parts.netloc:
        return "holds a user name or password"
    return "is not a URL that means the same to everybody: write it in ASCII, without a zone"


def _host_problem(host: str, *, private: bool) -> str | None:
    if host.startswith("["):
        problem = address_problem(host[1:-1], private=private)
        return f"has a host that {problem}" if problem else None
    if not _NUMBER.fullmatch(host.rstrip(".").rpartition(".")[2]):
        return None if _NAME.fullmatch(host) else "has a host that is no name"
    try:
        IPv4Address(host)
    except ValueError:
        return "has a host that is a number but no IPv4 address of four parts"
    problem = address_problem(host, private=private)
    return f"has a host that {problem}" if problem else None


def _allowed_4(address: IPv4Address, private: bool) -> bool:
    if any(address in network for network in _NEVER_4):
        return False
    return address.is_global or private


def _allowed_6(address: IPv6Address, private: bool) -> bool:
    if address.scope_id is not None:
        return False
    if address.ipv4_mapped is not None:
        return _allowed_4(address.ipv4_mapped, private)
    if address in _NAT64:
        return _allowed_4(IPv4Address(int(address) & 0xFFFF_FFFF), private)
    if address in _GLOBAL_UNICAST:
        return address.is_global and not any(address in network for network in _NEVER_6)
    if address in _LINK_LOCAL or address == _METADATA:
        return False
    return private and (address.is_loopback or address in _UNIQUE_LOCAL)
