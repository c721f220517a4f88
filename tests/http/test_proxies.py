"""Where a request came from, by what its proxies say; and that nobody else can say so."""

from __future__ import annotations

from typing import Any

import hypothesis.strategies as st
import pytest
from hypothesis import example, given

from service.http.proxies import Proxies
from service.http.request import HttpRequest
from service.settings import Settings, SettingsError

TRUSTED = "10.0.0.0/8, 192.0.2.7, 2001:db8:1::/48"
PROXY = "10.0.0.1"


def seen(headers: dict[str, str] | list[tuple[str, str]], peer: str | None = PROXY, **settings: Any) -> tuple[Any, str]:
    """The source and scheme of a request by plain HTTP, as the service takes it."""
    proxies = Proxies.of(Settings(trusted_proxies=TRUSTED, **settings))
    assert proxies is not None
    pairs = headers.items() if isinstance(headers, dict) else headers
    scope: Any = {
        "type": "http",
        "method": "GET",
        "path": "/",
        "scheme": "http",
        "client": None if peer is None else (peer, 1),
        "headers": [(name.encode(), value.encode("latin-1")) for name, value in pairs],
    }
    request = HttpRequest(scope, nothing)
    proxies.see_through(request)
    return request.source, request.scheme


async def nothing() -> Any:
    """No body is asked for."""
    raise AssertionError


def by(header: str, proto: str | None = None, peer: str = PROXY) -> tuple[Any, str]:
    """The same by `X-Forwarded-For`."""
    return seen([("x-forwarded-for", header), *([("x-forwarded-proto", proto)] if proto is not None else [])], peer)


@pytest.mark.parametrize(
    ("header", "source"),
    [
        ("203.0.113.9", "203.0.113.9"),
        ("6.6.6.6, 203.0.113.9", "203.0.113.9"),
        ("6.6.6.6, 203.0.113.9, 192.0.2.7, 10.9.9.9", "203.0.113.9"),
        ("10.2.2.2, 10.1.1.1", "10.2.2.2"),
        ("203.0.113.9:4711", "203.0.113.9"),
        ("2001:db8::9", "2001:db8::9"),
        ("[2001:db8::9]:4711", "2001:db8::9"),
        ("203.0.113.9, 2001:db8:1::1", "203.0.113.9"),
        ("::ffff:203.0.113.9", "203.0.113.9"),
        ("203.0.113.9, ::ffff:10.0.0.2", "203.0.113.9"),
        ("203.0.113.9, unknown", PROXY),
        ("203.0.113.9, garbage, 10.0.0.2", "10.0.0.2"),
        ("fe80::1%eth0", PROXY),
        (" , ,", PROXY),
        ("", PROXY),
        ("203.0.113.9,", "203.0.113.9"),
        ("1.2.3.4.5", PROXY),
        ("010.0.0.1", PROXY),
    ],
)
def test_source_is_the_first_that_no_proxy_vouches_beyond(header: str, source: str) -> None:
    """Read from the end; what stands before a stranger's address, the stranger may have written."""
    assert by(header) == (source, "http")


@pytest.mark.parametrize("peer", ["203.0.113.9", "127.0.0.1", "11.0.0.1", "2001:db8:2::1", "not-an-address"])
def test_nobody_else_is_believed(peer: str) -> None:
    """Neither address nor scheme."""
    headers = {"x-forwarded-for": "6.6.6.6", "x-forwarded-proto": "https", "forwarded": "for=6.6.6.6;proto=https"}
    for header in ("x-forwarded-for", "forwarded"):
        assert seen(headers, peer, proxy_header=header) == (peer, "http")
    assert seen(headers, None) == (None, "http")


def test_one_header_alone_is_read() -> None:
    """A proxy that writes one passes the other on as it came."""
    both = {"x-forwarded-for": "203.0.113.9", "forwarded": "for=6.6.6.6;proto=https", "x-forwarded-proto": "http"}
    assert seen(both) == ("203.0.113.9", "http")
    both = {"x-forwarded-for": "6.6.6.6", "forwarded": "for=203.0.113.9", "x-forwarded-proto": "https"}
    assert seen(both, proxy_header="forwarded") == ("203.0.113.9", "http")


@pytest.mark.parametrize(
    ("proto", "scheme"),
    [("https", "https"), ("HTTPS", "https"), ("http", "http"), ("https, http", "http"), ("http, https", "https")],
)
def test_scheme_is_what_the_nearest_proxy_says(proto: str, scheme: str) -> None:
    """Of several the last, which it wrote."""
    assert by("203.0.113.9", proto) == ("203.0.113.9", scheme)


@pytest.mark.parametrize("proto", ["", "ws", "https https", "https\u017f", ","])
def test_scheme_that_is_none_changes_nothing(proto: str) -> None:
    """Plain stays plain."""
    proto = proto.encode("utf-8").decode("latin-1")
    assert by("203.0.113.9", proto) == ("203.0.113.9", "http")


def test_header_lines_count_as_one() -> None:
    """RFC 9110 section 5.3."""
    lines = [("x-forwarded-for", "6.6.6.6"), ("x-forwarded-for", "203.0.113.9"), ("x-forwarded-for", "10.0.0.2")]
    assert seen(lines) == ("203.0.113.9", "http")


def forwarded(header: str) -> tuple[Any, str]:
    """What a `Forwarded` header makes of a request."""
    return seen({"forwarded": header}, proxy_header="forwarded")


@pytest.mark.parametrize(
    ("header", "source", "scheme"),
    [
        ("for=203.0.113.9", "203.0.113.9", "http"),
        ("for=203.0.113.9;proto=https;by=10.0.0.1", "203.0.113.9", "https"),
        ('FOR="203.0.113.9:4711" ; Proto=HTTPS', "203.0.113.9", "https"),
        ('for="[2001:db8::9]:4711";proto="https"', "2001:db8::9", "https"),
        ("for=6.6.6.6;proto=https, for=203.0.113.9", "203.0.113.9", "http"),
        ("for=203.0.113.9;proto=https, for=10.0.0.2;proto=http", "203.0.113.9", "https"),
        ('for="a, b";x="\\"", for=203.0.113.9;proto=https', "203.0.113.9", "https"),
        ("for=_hidden;proto=https", PROXY, "https"),
        ("for=unknown", PROXY, "http"),
        ("proto=https", PROXY, "https"),
        ("for=203.0.113.9;for=6.6.6.6", PROXY, "http"),
        ("203.0.113.9", PROXY, "http"),
        ("", PROXY, "http"),
        ('for="6.6.6.6, for=203.0.113.9;proto=https', "203.0.113.9", "https"),
        ('for="x, for="[2001:db8::9]";proto=https', "2001:db8::9", "https"),
        ("for=6.6.6.6;proto=https, nonsense", PROXY, "http"),
        ("nonsense, for=203.0.113.9", "203.0.113.9", "http"),
    ],
)
def test_forwarded_is_read_as_its_rfc_says(header: str, source: str, scheme: str) -> None:
    """RFC 7239 section 4; what a stranger wrote before the proxy's own element cannot hide that."""
    assert forwarded(header) == (source, scheme)


@given(st.text(alphabet=st.characters(max_codepoint=255), max_size=60))
@example('for="')
@example('for=a;b="')
@example('for="\\')
@example("for=6.6.6.6;proto=https,")
def test_nothing_that_a_stranger_writes_hides_the_stranger(before: str) -> None:
    """Whatever stands before what the proxy adds, in either header, the source is what the proxy says."""
    assert by(f"{before}, 203.0.113.9", "http")[0] == "203.0.113.9"
    assert forwarded(f"{before}, for=203.0.113.9;proto=http") == ("203.0.113.9", "http")
    assert forwarded(f'{before}, for="[2001:db8::9]:1";proto=http') == ("2001:db8::9", "http")


def test_networks_that_are_none_are_told() -> None:
    """By the name of the variable; a network with a host's bits is a mistake, too."""
    for text in ("proxy.example.com", "10.0.0.1/8", "10.0.0.0/33"):
        with pytest.raises(SettingsError, match="TALLYSTICK_TRUSTED_PROXIES"):
            Proxies.of(Settings(trusted_proxies=text))
    assert Proxies.of(Settings(trusted_proxies=" , ")) is None
