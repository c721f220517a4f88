"""Redirect URIs are compared as text, but for the port of a literal loopback address."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.authorize.redirects import csp_source, is_native, is_registered, shown, with_answer

REGISTERED = (
    "https://app.example.com/cb",
    "https://app.example.com:8443/cb?tenant=1",
    "http://127.0.0.1/cb",
    "http://127.0.0.1:9000/exact?x=1",
    "http://[::1]/cb",
    "http://localhost:8765/cb",
    "http://127.0.0.2:8765/cb",
    "com.example.app:/cb",
)


@pytest.mark.parametrize("uri", [*REGISTERED, "http://127.0.0.1:1/cb", "http://127.0.0.1:65535/cb"])
def test_registered(uri: str) -> None:
    """The very text is, and a loopback address with any port (RFC 8252 section 7.3)."""
    assert is_registered(uri, REGISTERED)


@pytest.mark.parametrize(
    "uri",
    ["http://127.0.0.1:55555/exact?x=1", "http://127.0.0.1/exact?x=1", "http://[::1]:55555/cb", "http://[::1]:1/cb"],
)
def test_loopback_port_is_free(uri: str) -> None:
    """One that is registered with a port, or none, is meant with every port, at IPv4 and IPv6."""
    assert is_registered(uri, REGISTERED)


@pytest.mark.parametrize(
    "uri",
    [
        "",
        "https://app.example.com/cb/",
        "https://app.example.com/cb?",
        "https://app.example.com/cb#",
        "https://app.example.com:443/cb",
        "https://app.example.com:8444/cb?tenant=1",
        "HTTPS://app.example.com/cb",
        "https://user@app.example.com/cb",
        "http://127.0.0.1:0/cb",
        "http://127.0.0.1:/cb",
        "http://127.0.0.1:080/cb",
        "http://127.0.0.1:65536/cb",
        "http://127.0.0.1:٤٢/cb",
        "http://127.0.0.1:80@evil.example/cb",
        "http://127.0.0.1:80.evil.example/cb",
        "http://127.0.0.1.evil.example/cb",
        "http://127.0.0.1:9000/exact",
        "http://127.0.0.1:9000/exact?x=1&y=2",
        "http://127.0.0.1:9000/cb/../exact?x=1",
        "https://127.0.0.1:9000/cb",
        "http://127.0.0.2:9999/cb",
        "http://localhost:9999/cb",
        "http://localhost/cb",
        "http://127.1/cb",
        "http://2130706433/cb",
        "http://[::1%25lo]/cb",
        "http://[0:0:0:0:0:0:0:1]/cb",
        "http://127.0.0.1/cb\n",
        "com.example.app:/cb/",
        "com.example.app://cb",
    ],
)
def test_not_registered(uri: str) -> None:
    """No other text is: nothing of it is understood, so nothing can deceive."""
    assert not is_registered(uri, REGISTERED)


_PIECES = st.sampled_from(
    [*REGISTERED, "http://", "https://", "127.0.0.1", "[::1]", "localhost", ":", "/", "@", "/cb", "?x=1", "#", ".."]
) | st.integers(0, 70_000).map(lambda port: f":{port}")
_TEXTS = st.lists(_PIECES | st.text(max_size=3), max_size=5).map("".join)
_PORTS = st.tuples(st.sampled_from(REGISTERED), st.integers(0, 70_000)).map(
    lambda pair: re.sub(r"^(http://[^/:]+|http://\[::1\])(:\d+)?(?=/)", rf"\1:{pair[1]}", pair[0])
)


@given(_TEXTS | _PORTS)
def test_only_registered_texts_are(text: str) -> None:
    """Whatever is taken is, once ports of literal loopback addresses are cut out by hand, one that is registered."""
    taken = is_registered(text, REGISTERED)
    if text in REGISTERED:
        assert taken
    for host in ("http://127.0.0.1", "http://[::1]"):
        rest = text.removeprefix(host)
        if rest == text or text in REGISTERED:
            continue
        port, slash, path = rest.partition("/")
        valid = port == "" or (port[:1] == ":" and port[1:] in map(str, range(1, 65_536)))
        registered = [
            re.sub(r":\d+", "", uri.removeprefix(host), count=1) for uri in REGISTERED if uri.startswith(host)
        ]
        assert taken == (valid and slash + path in registered)
        return
    assert taken == (text in REGISTERED)


@pytest.mark.parametrize(
    ("uri", "expected"),
    [
        ("https://a.example/cb", "https://a.example/cb?code=a+b%26"),
        ("https://a.example/cb?", "https://a.example/cb?code=a+b%26"),
        ("https://a.example/cb?x=1", "https://a.example/cb?x=1&code=a+b%26"),
        ("https://a.example/cb?x=1&", "https://a.example/cb?x=1&code=a+b%26"),
        ("com.example.app:/cb", "com.example.app:/cb?code=a+b%26"),
    ],
)
def test_answer_is_added(uri: str, expected: str) -> None:
    """To the query that there is, form-encoded, and nothing else of the URI changes."""
    assert expected == with_answer(uri, {"code": "a b&"})


@pytest.mark.parametrize(
    ("uri", "expected"),
    [
        ("https://a.example/cb?x=1", "https://a.example"),
        ("https://a.example:8443/cb", "https://a.example:8443"),
        ("http://127.0.0.1:4000/cb", "http://127.0.0.1:4000"),
        ("http://[::1]:4000/cb", "http:"),
        ("com.example.app:/cb", "com.example.app:"),
        ("https://a.example;script-src/cb", "https:"),
        ("https://a.example,b/cb", "https:"),
    ],
)
def test_csp_source(uri: str, expected: str) -> None:
    """A policy names the origin where it can, and nothing of a URI can end the directive."""
    assert expected == csp_source(uri)


def test_shown() -> None:
    """People are told the host, with its port, or the scheme."""
    assert [shown("https://a.example:8443/x"), shown("com.example.app:/x")] == ["a.example:8443", "com.example.app:"]


def test_native() -> None:
    """Everything but https is answered on the person's device."""
    assert [is_native(uri) for uri in ("https://a.example/", "http://[::1]/", "com.example:/")] == [False, True, True]
