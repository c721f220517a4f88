"""What somebody may try with the redirect URI; each test is named for it."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.authorize.scene import CALLBACK, LOCALHOST, LOOPBACK, LOOPBACK_6, PRIVATE, WITH_QUERY, Scene

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def refused(scene: Scene, client_id: str, redirect_uri: str) -> None:
    """Nobody, signed in or not, is sent to that address; nor is any of it on the page unescaped."""
    for browser in (scene.stranger(), await scene.visitor()):
        for prompt in (None, "none"):
            seen = await scene.ask(browser, client_id=client_id, redirect_uri=redirect_uri, prompt=prompt)
            scene.check_shown(seen, "redirect_uri_not_registered")
            assert redirect_uri not in seen.page.text


@pytest.mark.parametrize("suffix", ["/", "/x", "x", "?x=1", "?", ".evil.example.com", "/../x", "%00", ";x", "#x"])
async def test_redirect_uri_with_suffix(scene: Scene, suffix: str) -> None:
    """A registered URI is no prefix."""
    await refused(scene, "web-app", CALLBACK + suffix)
    await refused(scene, "native-app", PRIVATE + suffix)


@pytest.mark.parametrize("uri", [CALLBACK.upper(), "HTTPS" + CALLBACK[5:], CALLBACK.replace("app", "APP")])
async def test_redirect_uri_in_other_case(scene: Scene, uri: str) -> None:
    """Nothing of it may be written otherwise."""
    await refused(scene, "web-app", uri)


@pytest.mark.parametrize(
    ("client_id", "uri"),
    [
        ("web-app", CALLBACK.replace(".com", ".com:443")),
        ("web-app", CALLBACK.replace(".com", ".com:8443")),
        ("native-app", LOCALHOST.replace("8765", "8766")),
        ("native-app", LOCALHOST.replace(":8765", "")),
        ("native-app", LOOPBACK.replace("127.0.0.1", "127.0.0.2:99")),
        ("native-app", LOOPBACK.replace("127.0.0.1", "localhost:99")),
        ("native-app", LOOPBACK.replace("127.0.0.1", "127.0.0.1:0")),
        ("native-app", LOOPBACK.replace("127.0.0.1", "127.0.0.1:99999")),
        ("native-app", LOOPBACK.replace("http", "https").replace("127.0.0.1", "127.0.0.1:99")),
    ],
)
async def test_redirect_uri_with_other_port(scene: Scene, client_id: str, uri: str) -> None:
    """The port is free at literal loopback addresses alone."""
    await refused(scene, client_id, uri)


async def test_loopback_port_is_free(scene: Scene) -> None:
    """There it is, for a native app learns its port only when it runs (RFC 8252 section 7.3)."""
    browser = await scene.visitor()
    for uri in (LOOPBACK, LOOPBACK.replace("127.0.0.1", "127.0.0.1:50123"), LOOPBACK_6.replace("]", "]:50123")):
        seen = await scene.code(browser, client_id="native-app", redirect_uri=uri)
        assert seen.page.headers["location"].startswith(f"{uri}?code=tly_ac_")
        assert uri == seen.data("authorization.granted")["redirect_uri"]


@pytest.mark.parametrize(
    ("client_id", "uri"),
    [
        ("web-app", CALLBACK.replace("https://", "https://user@")),
        ("web-app", CALLBACK.replace("https://app.example.com", "https://app.example.com@evil.example.com")),
        ("web-app", CALLBACK.replace("https://", "https://evil.example.com\\@")),
        ("native-app", LOOPBACK.replace("127.0.0.1", "127.0.0.1:80@evil.example.com")),
        ("native-app", LOOPBACK.replace("127.0.0.1", "127.0.0.1@evil.example.com")),
    ],
)
async def test_redirect_uri_with_userinfo(scene: Scene, client_id: str, uri: str) -> None:
    """A user name, or what looks like one, is in no registered URI."""
    await refused(scene, client_id, uri)


@pytest.mark.parametrize(
    "uri",
    [
        CALLBACK.replace("com/", "com%2F"),
        CALLBACK.replace("com/", "com/%2e%2e/"),
        CALLBACK.replace("callback", "%63allback"),
        CALLBACK.replace("com/", "com//"),
        CALLBACK.replace("com/", "com\\"),
    ],
)
async def test_redirect_uri_with_encoded_slash(scene: Scene, uri: str) -> None:
    """Nothing is decoded before it is compared."""
    await refused(scene, "web-app", uri)


async def test_redirect_uri_of_another_client(scene: Scene) -> None:
    """A URI is registered for a client, not for all."""
    await refused(scene, "web-app", PRIVATE)


async def test_open_redirect_through_prompt_none(scene: Scene) -> None:
    """An error that comes at once goes no further than a code would."""
    for uri in ("https://evil.example.com/", "//evil.example.com", "javascript:alert(1)", "data:text/html,x", "/"):
        seen = await scene.ask(scene.stranger(), redirect_uri=uri, prompt="none")
        scene.check_shown(seen, "redirect_uri_not_registered")


_PIECES = st.sampled_from(
    [CALLBACK, WITH_QUERY, LOOPBACK, ":1", ":65535", ":65536", "@", "/", "?", "x", "https://", "\\"]
)
_TEXTS = st.lists(_PIECES | st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=2), min_size=1, max_size=3)


@given(_TEXTS.map("".join).filter(bool) | st.integers(0, 99_999).map(lambda port: f"http://127.0.0.1:{port}/callback"))
async def test_any_redirect_uri(scene: Scene, uri: str) -> None:
    """An answer redirects only to a text that is registered, the port of a literal loopback address aside."""
    portless = re.sub(r"^http://127\.0\.0\.1:[1-9][0-9]{0,4}/", "http://127.0.0.1/", uri)
    for client_id, registered in (("web-app", [CALLBACK, WITH_QUERY]), ("native-app", [LOOPBACK, LOCALHOST, PRIVATE])):
        seen = await scene.ask(scene.stranger(), client_id=client_id, redirect_uri=uri, prompt="none")
        if seen.page.status == 303:
            assert uri in registered or (client_id == "native-app" and portless in registered)
            assert seen.page.headers["location"].startswith(uri)
        else:
            scene.check_shown(seen, "redirect_uri_not_registered")
