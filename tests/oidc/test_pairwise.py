from __future__ import annotations

import base64
import hashlib
from typing import Any, NamedTuple

import jwt
import pytest

from projections.access_model import Client
from tests.oidc.receiver import Receiver
from tests.oidc.world import OidcWorld
from tests.people import Browser

pytestmark = pytest.mark.asyncio(loop_scope="session")

VERIFIER = "v" * 43
CHALLENGE = base64.urlsafe_b64encode(hashlib.sha256(VERIFIER.encode()).digest()).rstrip(b"=").decode()
SCOPE = "openid read:files"


class Seen(NamedTuple):
    """What one client, and its API, were told of a person."""

    subjects: dict[str, str]
    sid: str
    id_token: str


def unverified(token: str) -> dict[str, Any]:
    """The claims of a JWT."""
    claims: dict[str, Any] = jwt.decode(token, options={"verify_signature": False})
    return claims


async def app(world: OidcWorld, host: str, **settings: Any) -> Client:
    """A client of a host whose people are not asked for consent."""
    rights: dict[str, Any] = {
        "first_party": True,
        "subject_type": "pairwise",
        "redirect_uris": (f"https://{host}/callback",),
        "post_logout_redirect_uris": (f"https://{host}/",),
    }
    return await world.client(**(rights | settings))


async def sign_in_to(world: OidcWorld, browser: Browser, client: Client) -> Seen:
    """The whole way: authorize, redeem the code, ask userinfo, let the API introspect."""
    uri = client.settings.redirect_uris[0]
    answered = await browser.get(
        "/oauth2/authorize",
        client_id=client.client_id,
        redirect_uri=uri,
        response_type="code",
        scope=SCOPE,
        code_challenge=CHALLENGE,
        code_challenge_method="S256",
    )
    form = {
        "grant_type": "authorization_code",
        "client_id": client.client_id,
        "redirect_uri": uri,
        "code": answered.sent_back["code"],
        "code_verifier": VERIFIER,
    }
    tokens = (await world.http.post("/oauth2/token", data=form)).json()
    access, claims = tokens["access_token"], unverified(tokens["id_token"])
    world.secrets |= {access, tokens["id_token"], form["code"]}
    userinfo = (await world.http.get("/oauth2/userinfo", headers={"authorization": f"Bearer {access}"})).json()
    active = (await world.http.post("/oauth2/introspect", data={"token": access}, headers=world.api.basic)).json()
    told = {
        "ID token": claims["sub"],
        "userinfo": userinfo["sub"],
        "introspection": active["sub"],
    }
    if client.settings.token_format == "jwt":
        told["access token"] = unverified(access)["sub"]
    return Seen(told, claims["sid"], tokens["id_token"])


@pytest.mark.parametrize("token_format", ["jwt", "opaque"])
async def test_pairwise_subjects_differ_by_sector_alone(oidc: OidcWorld, token_format: str) -> None:
    """A client is told the same everywhere and each time, as is another of its host; one of another host is told
    another, and none the account's.
    """
    person = await oidc.person()
    browser = oidc.browser(await oidc.session(person))
    one = await app(oidc, "one.example.com", token_format=token_format)
    same = await app(oidc, "one.example.com", token_format=token_format)
    two = await app(oidc, "two.example.com", token_format=token_format)
    subjects = []
    for client in (one, one, same, two):
        seen = await sign_in_to(oidc, browser, client)
        (subject,) = set(seen.subjects.values())
        subjects.append(subject)
    assert subjects[0] == subjects[1] == subjects[2]
    assert len({subjects[0], subjects[3], person.subject}) == 3
    again = oidc.browser(await oidc.session(person))
    assert {subjects[3]} == set((await sign_in_to(oidc, again, two)).subjects.values())


async def test_public_subject_is_the_account_s_everywhere(oidc: OidcWorld) -> None:
    """Where nothing else was chosen."""
    person = await oidc.person()
    browser = oidc.browser(await oidc.session(person))
    seen = await sign_in_to(oidc, browser, await app(oidc, "one.example.com", subject_type="public"))
    assert {person.subject} == set(seen.subjects.values())


async def test_sessions_do_not_tell_what_subjects_hide(oidc: OidcWorld) -> None:
    """Two clients of other sectors that compare `sid` learn nothing; each has its own, the same each time."""
    session = await oidc.session(await oidc.person())
    browser = oidc.browser(session)
    one, two = await app(oidc, "one.example.com"), await app(oidc, "two.example.com")
    sids = [(await sign_in_to(oidc, browser, client)).sid for client in (one, one, two)]
    assert sids[0] == sids[1]
    assert len({*sids, str(session.id)}) == 3


async def test_pairwise_client_signs_out_at_once_and_is_told(oidc: OidcWorld, receiver: Receiver) -> None:
    """Its ID token leads to the session although it does not have its id; the logout token says the same `sid`."""
    session = await oidc.session(await oidc.person())
    browser = oidc.browser(session)
    client = await app(oidc, "one.example.com", backchannel_logout_uri=receiver.uri)
    seen = await sign_in_to(oidc, browser, client)
    back = client.settings.post_logout_redirect_uris[0]
    page = await browser.get("/oauth2/logout", id_token_hint=seen.id_token, post_logout_redirect_uri=back)
    assert (page.status, page.location) == (303, back)
    await oidc.core.backchannel.settled()
    (token,) = receiver.tokens
    claims = unverified(token)
    assert (seen.subjects["ID token"], seen.sid) == (claims["sub"], claims["sid"])
    asked = await browser.get("/oauth2/authorize", **_silently(client))
    assert asked.sent_back["error"] == "login_required"


def _silently(client: Client) -> dict[str, str | list[str]]:
    return {
        "client_id": client.client_id,
        "redirect_uri": client.settings.redirect_uris[0],
        "response_type": "code",
        "scope": SCOPE,
        "code_challenge": CHALLENGE,
        "code_challenge_method": "S256",
        "prompt": "none",
    }
