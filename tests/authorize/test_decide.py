"""What comes next, decided from a request and who is signed in: no clock, no I/O."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from projections.access_model import Client
from projections.accounts import Account, Passkey
from projections.sessions import Session
from schema.events import ClientSettings
from service.accounts.acr import ACR_VALUES, satisfies
from service.authorize.decide import Consent, Give, Present, SignIn, asked_scopes, decide
from service.authorize.request import AuthorizationRequest
from service.errors import Rejection
from tests.authorize.scene import CALLBACK, CHALLENGE, LOOPBACK

NOW = 1_000_000
BEFORE, AFTER = 10, 30
PASSKEY = Passkey(credential_id="c", public_key="k", label="", added_at=0)
ASKED = frozenset({"openid", "pay"})
REQUEST = AuthorizationRequest(
    client_since=0,
    client_id="app",
    redirect_uri=CALLBACK,
    response_mode="query",
    scopes=ASKED,
    resources=("https://a.example",),
    code_challenge=CHALLENGE,
    after=20,
)
WEB = Client(settings=ClientSettings(client_id="app", auth_method="none"))
HOUSE = Client(settings=ClientSettings(client_id="app", auth_method="none", first_party=True))
CONFIDENTIAL = Client(settings=ClientSettings(client_id="app", auth_method="client_secret_basic"))


def asked(**changes: Any) -> AuthorizationRequest:
    """The request, with changes; prompts are written as in a request."""
    if "prompt" in changes:
        changes["prompt"] = frozenset(changes["prompt"].split())
    return msgspec.structs.replace(REQUEST, **changes)


def present(
    *,
    fresh: bool = False,
    age: int = 60,
    acr: str = "1fa",
    subject: str = "zoe",
    possible: frozenset[str] = ASKED,
    allowed: frozenset[str] = ASKED,
    **account: Any,
) -> Present:
    """Somebody who signed in, before the request or (fresh) after it."""
    session = Session(subject="zoe", auth_time=NOW - age, acr=acr, position=AFTER if fresh else BEFORE)
    return Present(session, Account(subject="zoe", name="zoe", **account), subject, possible, allowed)


def refusal(*arguments: Any, **more: Any) -> tuple[str, str]:
    """Error and reason of what is refused."""
    with pytest.raises(Rejection) as caught:
        decide(*arguments, **more)
    return caught.value.error, caught.value.reason


def test_all_is_well() -> None:
    """Who is signed in and allowed it before gives it at once."""
    assert decide(REQUEST, WEB, present(), NOW) == Give(ASKED, ASKED, frozenset())


def test_nobody_is_signed_in() -> None:
    """Somebody must sign in; where nobody may be asked, the client is told."""
    assert decide(REQUEST, WEB, None, NOW) == SignIn("")
    assert refusal(asked(prompt="none"), WEB, None, NOW) == ("login_required", "not_signed_in")


@pytest.mark.parametrize(
    "changes", [{"prompt": "login"}, {"prompt": "select_account"}, {"max_age": 0}, {"max_age": 59}]
)
def test_old_sign_in_will_not_do(changes: dict[str, Any]) -> None:
    """It must be done again, and once it was, that is enough, however long the rest takes."""
    assert decide(asked(**changes), WEB, present(), NOW) == SignIn("")
    assert isinstance(decide(asked(**changes), WEB, present(fresh=True), NOW + 3_600), Give)


def test_young_sign_in_will_do() -> None:
    """`max_age` counts seconds, the last of them too; where nobody may be asked, the client is told."""
    assert isinstance(decide(asked(max_age=60), WEB, present(), NOW), Give)
    assert refusal(asked(max_age=59, prompt="none"), WEB, present(), NOW) == ("login_required", "sign_in_too_old")
    assert refusal(asked(max_age=0, prompt="none"), WEB, present(age=0), NOW) == ("login_required", "sign_in_too_old")


def test_hinted_person() -> None:
    """Somebody else must sign in; who signs in as a third person is not asked for ever."""
    request = asked(subjects=("amy",))
    assert decide(request, WEB, present(), NOW) == SignIn("")
    assert isinstance(decide(request, WEB, present(subject="amy"), NOW), Give)
    assert refusal(request, WEB, present(fresh=True), NOW) == ("login_required", "other_person_signed_in")
    silent = asked(subjects=("amy",), prompt="none")
    assert refusal(silent, WEB, present(), NOW) == ("login_required", "other_person_signed_in")
    assert refusal(asked(subjects=("amy", "zoe")), WEB, present(fresh=True, subject="amy"), NOW)[0] == "login_required"


def test_voluntary_acr() -> None:
    """A stronger sign-in is asked for once, where the account has what it takes; without, it goes on."""
    request = asked(acr_values=("phr", "2fa"))
    assert decide(request, WEB, None, NOW) == SignIn("phr")
    assert decide(request, WEB, present(has_totp=True), NOW) == SignIn("2fa")
    assert decide(request, WEB, present(passkeys=(PASSKEY,)), NOW) == SignIn("phr")
    assert isinstance(decide(request, WEB, present(), NOW), Give)
    assert isinstance(decide(request, WEB, present(has_totp=True, fresh=True), NOW), Give)
    assert isinstance(decide(request, WEB, present(acr="2fa"), NOW), Give)
    silent = asked(acr_values=("phr",), prompt="none")
    assert isinstance(decide(silent, WEB, present(passkeys=(PASSKEY,)), NOW), Give)
    assert isinstance(decide(asked(acr_values=("urn:other",)), WEB, present(), NOW), Give)


def test_essential_acr() -> None:
    """Without it nothing is given."""
    request = asked(acr_values=("2fa",), acr_essential=True)
    unmet = ("unmet_authentication_requirements", "acr_not_had")
    assert decide(request, WEB, None, NOW) == SignIn("2fa")
    assert decide(request, WEB, present(has_totp=True), NOW) == SignIn("2fa")
    assert refusal(request, WEB, present(), NOW) == unmet
    assert refusal(request, WEB, present(has_totp=True, fresh=True), NOW) == unmet
    assert isinstance(decide(request, WEB, present(acr="phr"), NOW), Give)
    silent = asked(acr_values=("2fa",), acr_essential=True, prompt="none")
    assert refusal(silent, WEB, present(has_totp=True), NOW) == ("login_required", "sign_in_too_weak")
    unknown = asked(acr_values=("urn:other",), acr_essential=True)
    assert refusal(unknown, WEB, None, NOW) == ("unmet_authentication_requirements", "acr_unknown")


def test_consent() -> None:
    """What was not allowed before is asked for; where nobody may be asked, the client is told."""
    some = present(allowed=frozenset({"openid"}))
    assert decide(REQUEST, WEB, some, NOW) == Consent(ASKED, frozenset({"pay"}), REQUEST.resources)
    assert refusal(asked(prompt="none"), WEB, some, NOW) == ("consent_required", "consent_needed")
    assert decide(REQUEST, WEB, some, NOW, ASKED) == Give(ASKED, ASKED, frozenset({"pay"}))
    assert isinstance(decide(REQUEST, WEB, some, NOW, frozenset({"pay"})), Consent)
    assert isinstance(decide(REQUEST, HOUSE, some, NOW), Give)


def test_prompt_consent() -> None:
    """It always asks, once."""
    for client in (WEB, HOUSE):
        assert decide(asked(prompt="consent"), client, present(), NOW) == Consent(ASKED, frozenset(), REQUEST.resources)
        assert isinstance(decide(asked(prompt="consent"), client, present(), NOW, ASKED), Give)


def test_unproven_native_app() -> None:
    """Only a client that can prove itself, or is the operator's own, answers to the person's device unseen."""
    native = asked(redirect_uri=LOOPBACK)
    assert isinstance(decide(native, WEB, present(), NOW), Consent)
    assert isinstance(decide(native, CONFIDENTIAL, present(), NOW), Give)
    assert isinstance(decide(native, HOUSE, present(), NOW), Give)
    silent = asked(redirect_uri=LOOPBACK, prompt="none")
    assert refusal(silent, WEB, present(), NOW) == ("interaction_required", "unproven_app")


def test_nothing_to_give() -> None:
    """Keeping access is nothing by itself."""
    keep = frozenset({"offline_access"})
    nothing = present(possible=keep)
    denied = ("access_denied", "no_scope_of_person")
    assert refusal(asked(scopes=ASKED | keep), WEB, nothing, NOW) == denied
    assert refusal(REQUEST, HOUSE, present(possible=frozenset()), NOW) == denied


_REQUESTS = st.builds(
    asked,
    prompt=st.sampled_from(["", "none", "login", "consent", "login consent", "select_account"]),
    max_age=st.none() | st.integers(0, 120),
    acr_values=st.lists(st.sampled_from(["1fa", "2fa", "phr", "urn:x"]), max_size=3).map(tuple),
    acr_essential=st.booleans(),
    subjects=st.sampled_from([(), ("zoe",), ("amy",)]),
    scopes=st.sets(st.sampled_from(["openid", "pay", "offline_access"]), min_size=1).map(frozenset),
    userinfo_claims=st.sampled_from([(), ("email",)]),
    redirect_uri=st.sampled_from([CALLBACK, LOOPBACK]),
)
_SETS = st.sets(st.sampled_from(["openid", "pay", "offline_access", "email"])).map(frozenset)
_PRESENT = st.builds(
    present,
    fresh=st.booleans(),
    age=st.integers(0, 120),
    acr=st.sampled_from(["1fa", "2fa", "phr"]),
    subject=st.sampled_from(["zoe", "amy"]),
    possible=_SETS,
    allowed=_SETS,
    has_totp=st.booleans(),
    passkeys=st.sampled_from([(), (PASSKEY,)]),
)


@given(_REQUESTS, st.sampled_from([WEB, HOUSE, CONFIDENTIAL]), st.none() | _PRESENT, _SETS)
def test_what_always_holds(
    request: AuthorizationRequest, client: Client, who: Present | None, said_yes: frozenset[str]
) -> None:
    """Nothing is given unasked, unallowed, by nobody or by the wrong person; nobody is shown anything under
    `prompt=none`; and nobody who just signed in is sent to sign in again.
    """
    try:
        decision = decide(request, client, who, NOW, said_yes)
    except Rejection:
        return
    silent = "none" in request.prompt
    if isinstance(decision, SignIn):
        assert not silent
        assert who is None or who.session.position <= request.after
        return
    assert who is not None
    assert set(request.subjects) <= {who.subject}
    if isinstance(decision, Consent):
        assert not silent
        assert decision.scopes <= asked_scopes(request) & who.possible
        assert decision.new == decision.scopes - who.allowed
        return
    assert decision.scopes <= request.scopes & who.possible
    assert decision.scopes <= decision.wanted
    assert client.settings.first_party or decision.wanted <= who.allowed | said_yes
    assert decision.new <= said_yes
    if request.acr_essential and request.acr_values:
        assert any(satisfies(who.session.acr, each) for each in request.acr_values if each in ACR_VALUES)
