"""What is refused of an authorization request, and to whom that is told."""

from __future__ import annotations

from typing import Any

import pytest

from tests.authorize.scene import AUTHORIZE, USERS, WITH_QUERY, Scene, parameters_with

pytestmark = pytest.mark.asyncio(loop_scope="session")

TOLD = [
    ({"response_type": None}, "invalid_request", "missing_parameter"),
    ({"response_type": ""}, "invalid_request", "missing_parameter"),
    ({"response_type": "token"}, "unsupported_response_type", "unsupported_response_type"),
    ({"response_type": "code id_token"}, "unsupported_response_type", "unsupported_response_type"),
    ({"response_type": "none"}, "unsupported_response_type", "unsupported_response_type"),
    ({"response_mode": "fragment"}, "invalid_request", "unsupported_response_mode"),
    ({"response_mode": "query.jwt"}, "invalid_request", "unsupported_response_mode"),
    ({"request": "eyJhbGciOiJub25lIn0.e30."}, "request_not_supported", "request_object"),
    ({"request_uri": "https://app.example.com/request"}, "request_uri_not_supported", "request_uri"),
    ({"registration": "{}"}, "registration_not_supported", "registration"),
    ({"prompt": "create"}, "invalid_request", "unknown_prompt"),
    ({"prompt": "none login"}, "invalid_request", "prompt_none_and_more"),
    ({"max_age": "-1"}, "invalid_request", "malformed_max_age"),
    ({"max_age": "1.5"}, "invalid_request", "malformed_max_age"),
    ({"max_age": "\u0661"}, "invalid_request", "malformed_max_age"),
    ({"max_age": "9" * 11}, "invalid_request", "malformed_max_age"),
    ({"claims": "{"}, "invalid_request", "malformed_claims"),
    ({"scope": None}, "invalid_scope", "no_scope"),
    ({"scope": "openid  email"}, "invalid_scope", "malformed_scope"),
    ({"resource": "https://unknown.example.com"}, "invalid_target", "unknown_resource"),
    ({"resource": "no-uri"}, "invalid_target", "malformed_resource"),
    ({"state": "s" * 2_049}, "invalid_request", "parameter_too_long"),
    ({"nonce": "n" * 513}, "invalid_request", "parameter_too_long"),
    ({"login_hint": "h" * 257}, "invalid_request", "parameter_too_long"),
    ({"scope": ["openid", "email"]}, "invalid_request", "repeated_parameter"),
    ({"nonce": ["a", "b"]}, "invalid_request", "repeated_parameter"),
    ({"code_challenge": ["a", "b"]}, "invalid_request", "repeated_parameter"),
]


@pytest.mark.parametrize(("changes", "error", "reason"), TOLD)
async def test_client_is_told(scene: Scene, changes: dict[str, Any], error: str, reason: str) -> None:
    """Who asks, and where, is proven: what else is wrong goes to the redirect URI, with state and issuer, signed in or
    not.
    """
    for browser in (scene.stranger(), await scene.visitor()):
        seen = await scene.ask(browser, **{"state": "kept", **changes})
        scene.check_told(seen, error, reason)
        assert changes.get("state", "kept") == seen.answer["state"]
        assert seen.data("access.rejected")["client_id"] == "web-app"


@pytest.mark.parametrize(("changes", "error", "reason"), TOLD[::5])
async def test_redirect_uri_with_query_is_told_as_well(
    scene: Scene, changes: dict[str, Any], error: str, reason: str
) -> None:
    """An error is added to the query that the redirect URI has."""
    seen = await scene.ask(scene.stranger(), redirect_uri=WITH_QUERY, **changes)
    scene.check_told(seen, error, reason, WITH_QUERY)


async def test_state_that_is_there_twice_is_not_sent(scene: Scene) -> None:
    """Nobody knows which of them is meant."""
    seen = await scene.ask(scene.stranger(), state=["a", "b"])
    scene.check_told(seen, "invalid_request", "repeated_parameter")
    assert "state" not in seen.answer


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"client_id": None}, "missing_parameter"),
        ({"client_id": "unknown"}, "unknown_client"),
        ({"client_id": "Web-App"}, "unknown_client"),
        ({"client_id": ["web-app", "web-app"]}, "repeated_parameter"),
        ({"client_id": "c" * 65}, "parameter_too_long"),
        ({"redirect_uri": None}, "missing_parameter"),
        ({"redirect_uri": ["https://app.example.com/callback"] * 2}, "repeated_parameter"),
        ({"redirect_uri": "https://evil.example.com/"}, "redirect_uri_not_registered"),
        ({"unknown": ["a", "b"]}, "repeated_parameter"),
        ({"claims": "c" * 6_000}, "too_large"),
        ({"state": "a\nb"}, "control_character"),
    ],
)
async def test_person_is_shown(scene: Scene, changes: dict[str, Any], reason: str) -> None:
    """Until client and redirect URI are proven nobody is sent anywhere, by GET or by POST."""
    scene.check_shown(await scene.ask(scene.stranger(), **changes), reason)
    if all(isinstance(value, str | None) for value in changes.values()):
        scene.check_shown(await scene.ask(scene.stranger(), method="POST", **changes), reason)


async def test_disabled_client_is_shown(scene: Scene) -> None:
    """A client that is switched off gets nothing, and is named in the event."""
    client = await scene.client()
    await scene.disable(client)
    seen = await scene.ask(scene.stranger(), client_id=client)
    scene.check_shown(seen, "client_disabled")
    assert client == seen.data("access.rejected")["client_id"]


async def test_client_without_the_grant(scene: Scene) -> None:
    """A client that may not use codes is told so."""
    client = await scene.client(grants=("client_credentials",), auth_method="client_secret_basic")
    seen = await scene.ask(scene.stranger(), client_id=client)
    scene.check_told(seen, "unauthorized_client", "grant_not_allowed")


async def test_unconfigured_scope(scene: Scene) -> None:
    """No scope beyond those of the client is to be had, be it of an API, about the person, or of another API than is
    named.
    """
    browser = await scene.visitor()
    for scope in ("openid refund", "openid roles", "openid unknown"):
        scene.check_told(await scene.ask(browser, scope=scope), "invalid_scope", "scope_not_allowed")
    seen = await scene.ask(browser, scope="openid pay", resource=USERS)
    scene.check_told(seen, "invalid_scope", "scope_not_allowed")


async def test_what_is_unknown_is_ignored(scene: Scene) -> None:
    """Parameters of extensions, and those without a value, count as left out (RFC 6749 section 3.1)."""
    browser = await scene.visitor()
    ignored = {"display": "page", "ui_locales": "de fr", "x": "y", "acr_values": "urn:no", "max_age": "", "prompt": ""}
    assert (await scene.code(browser, **ignored)).types == ["consent.granted", "authorization.granted"]


async def test_broken_form_is_shown(scene: Scene) -> None:
    """What cannot be parsed leads nowhere."""
    browser = scene.stranger()
    seen = await scene.see(browser.get(f"{AUTHORIZE}?client_id=web-app&redirect_uri=%ZZ"))
    scene.check_shown(seen, "wrong_encoding")
    response = await scene.http.post(AUTHORIZE, json=parameters_with())
    assert response.status_code == 400


async def test_rejection_tells_the_audit_what_was_asked(scene: Scene) -> None:
    """The event names the address that is not registered; no token in it can be read."""
    secret = "tly_ac_" + "A" * 71
    seen = await scene.ask(scene.stranger(), redirect_uri=f"https://evil.example.com/?{secret}")
    assert seen.data("access.rejected")["detail"] == "https://evil.example.com/?tly_ac_..."
    assert secret not in seen.page.text
