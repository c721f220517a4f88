"""From where a request came, and how, where proxies stand in between that may be believed.

One header tells of it, the one that the proxies write: `X-Forwarded-For` with `X-Forwarded-Proto`, or `Forwarded`
(RFC 7239). It is read from its end, which the nearest proxy wrote: every address that is a trusted proxy's vouches for
the one before it, and the first that is not is where the request came from. What stands before that anybody may have
written. From anybody else the header says nothing.
"""

from __future__ import annotations

import re
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Literal, NamedTuple

from service.http.request import HttpRequest
from service.settings import Settings, SettingsError

ProxyHeader = Literal["x-forwarded-for", "forwarded"]
Address = IPv4Address | IPv6Address

_SCHEMES = frozenset({"http", "https"})
_PORT = re.compile(r":\d{1,5}$")
# A pair of RFC 7239 section 4: a token, and a token or a quoted string, without what would be escaped in it.
_PAIR = re.compile(r'[ \t]*([!#$%&\'*+.^_`|~0-9A-Za-z-]+)=(?:"([^"\\]*)"|([^\s"\\]+))[ \t]*')


class Hop(NamedTuple):
    """What a proxy says of the connection that it took: from which address, by which scheme. None: it does not say."""

    address: Address | None
    scheme: str | None


class Proxies:
    """The networks whose proxies are believed, and the header that they write."""

    def __init__(self, networks: tuple[IPv4Network | IPv6Network, ...], header: ProxyHeader) -> None:
        self._networks = networks
        self._header = header

    @classmethod
    def of(cls, settings: Settings) -> Proxies | None:
        """The proxies of the settings, None where there are none. Raises SettingsError."""
        texts = [text.strip() for text in settings.trusted_proxies.split(",") if text.strip()]
        try:
            networks = tuple(ip_network(text) for text in texts)
        except ValueError as error:
            raise SettingsError(f"TALLYSTICK_TRUSTED_PROXIES: {error}") from None
        return cls(networks, settings.proxy_header) if networks else None

    def see_through(self, request: HttpRequest) -> bool:
        """Make it the request as its first trusted proxy got it. Returns whether it came from one, that says so."""
        nearest = None if request.source is None else _address(request.source)
        if nearest is None or not self._trusts(nearest):
            return False
        source, scheme = nearest, request.scheme
        hops = self._hops(request)
        if not hops:
            return False
        for hop in hops:
            scheme = hop.scheme or scheme
            if hop.address is None:
                break
            source = hop.address
            if not self._trusts(source):
                break
        request.source, request.scheme = str(source), scheme
        return True

    def are_at(self, peer: str) -> bool:
        """Whether an address is that of one of them."""
        address = _address(peer)
        return address is not None and self._trusts(address)

    def _trusts(self, address: Address) -> bool:
        return any(address in network for network in self._networks)

    def _hops(self, request: HttpRequest) -> list[Hop]:
        """What the proxies say, the nearest first."""
        if self._header == "forwarded":
            return [_hop(_pairs(element)) for element in reversed(_split(_value(request, b"forwarded")))]
        schemes = _split(_value(request, b"x-forwarded-proto"))
        scheme = schemes[-1].lower() if schemes and schemes[-1].lower() in _SCHEMES else None
        nodes = [Hop(_node(text), scheme) for text in reversed(_split(_value(request, b"x-forwarded-for")))]
        return nodes or ([] if scheme is None else [Hop(None, scheme)])


def _value(request: HttpRequest, name: bytes) -> str:
    """A header's values, in order."""
    return request.headers.get(name, b"").decode("latin-1")


def _split(text: str) -> list[str]:
    return [part.strip() for part in text.split(",") if part.strip()]


def _pairs(element: str) -> dict[str, str] | None:
    """The pairs of an element of `Forwarded`, None where it is none.

    What is between two commas or semicolons is looked at by itself, quoted or not: no proxy writes these into a value,
    and a quotation that a stranger began must not swallow what a proxy wrote after it.
    """
    pairs: dict[str, str] = {}
    for text in element.split(";"):
        found = _PAIR.fullmatch(text)
        if found is None or found[1].lower() in pairs:
            return None
        pairs[found[1].lower()] = found[3] if found[2] is None else found[2]
    return pairs


def _hop(pairs: dict[str, str] | None) -> Hop:
    if pairs is None:
        return Hop(None, None)
    scheme = pairs.get("proto", "").lower()
    return Hop(_node(pairs.get("for", "")), scheme if scheme in _SCHEMES else None)


def _node(text: str) -> Address | None:
    """The address of a node, whatever its port (RFC 7239 section 6); None where it is hidden or none."""
    if text.startswith("["):
        return _address(text[1:].partition("]")[0])
    return _address(text) or _address(_PORT.sub("", text))


def _address(text: str) -> Address | None:
    """An address; of an IPv4 address that is written as one of IPv6, the former (RFC 4291 section 2.5.5.2)."""
    try:
        address = ip_address(text)
    except ValueError:
        return None
    if isinstance(address, IPv6Address):
        if address.scope_id:
            return None
        return address.ipv4_mapped or address
    return address
