import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from projections.access_model import AccessModel, Client
from projections.accounts import Accounts
from projections.grants import Grant, Token
from schema import events
from service.decisions.introspect import check_introspector, decide_active
from service.decisions.revoke import decide_revocation
from service.errors import InvalidGrant, Rejection, TokenNotActive, UnauthorizedClient
from tests.decisions.strategies import URIS, client_of, models

ISSUER = "urn:issuer"

times = st.integers(0, 100)
seldom = st.sampled_from((False, False, False, True))
callers = st.just(URIS) | st.lists(st.sampled_from(URIS)).map(tuple)


def client(client_id: str, introspects: tuple[str, ...] = ()) -> Client:
    """A client of some name, which may introspect some resources."""
    return Client(settings=events.ClientRegistered(client_id=client_id, auth_method="none", introspects=introspects))


@st.composite
def grants(draw: st.DrawFn) -> Grant:
    """A grant of some tokens, of this client or another."""
    tokens = {
        number: Token(
            client_id=draw(st.sampled_from(("alpha", "alpha", "beta"))),
            subject="alpha",
            audience=draw(st.sampled_from(URIS)),
            scope="read:a",
            issued_at=0,
            expires_at=draw(st.just(100) | times),
            digest=None,
            grant_type="client_credentials",
            source=None,
            revoked=draw(seldom),
        )
        for number in range(1, draw(st.integers(1, 3)) + 1)
    }
    return Grant(version=len(tokens), revoked=draw(seldom), tokens=tokens)


def active(model: AccessModel, caller: Client, grant: Grant, number: int, token_id: str, now: float) -> Token:
    """The token, or TokenNotActive."""
    return decide_active(
        model, Accounts(), caller, grant, number, token_id, now, issuer=ISSUER, session_end_revokes="online"
    )


def introspected(model: AccessModel, caller: Client, grant: Grant, number: int, now: float) -> Token | None:
    """The token, if it is active for the caller."""
    try:
        return active(model, caller, grant, number, f"grant.{number}", now)
    except TokenNotActive:
        return None


@settings(max_examples=300)
@given(models(), grants(), st.integers(0, 3), times, callers)
def test_active_is_exactly_this(
    model: AccessModel, grant: Grant, number: int, now: int, introspects: tuple[str, ...]
) -> None:
    """Active is what is known, for the caller's audience, not revoked, not expired, and of an enabled client."""
    token = grant.tokens.get(number)
    expected = (
        token is not None
        and token.audience in introspects
        and not (grant.revoked or token.revoked)
        and token.expires_at > now
        and token.client_id == "alpha"
        and client_of(model).enabled
    )
    found = introspected(model, client("api", introspects), grant, number, now)
    assert (token if expected else None) == found


@given(models(), grants(), st.integers(0, 4), times)
def test_once_revoked_never_active(model: AccessModel, grant: Grant, number: int, now: int) -> None:
    """No state of the access model and no time makes a revoked token active."""
    for token in grant.tokens.values():
        token.revoked = True
    assert introspected(model, client("api", URIS), grant, number, now) is None


@given(models(), grants(), st.integers(1, 3), times)
def test_a_foreign_audience_learns_nothing_but_that(model: AccessModel, grant: Grant, number: int, now: int) -> None:
    """To a caller for another audience a token is told as such before anything of its state is looked at."""
    if number in grant.tokens:
        with pytest.raises(TokenNotActive, match="token_of_other_audience"):
            active(model, client("api"), grant, number, "grant.1", now)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"revoked": True}, "token_revoked"),
        ({"expires_at": 10}, "token_expired"),
        ({"client_id": "gone"}, "client_disabled"),
        ({"audience": "urn:other"}, "token_of_other_audience"),
    ],
)
def test_the_audit_learns_why(change: dict[str, object], reason: str) -> None:
    """Each way of not being active has its own reason, and the token's id with it."""
    model = AccessModel()
    model.clients["alpha"] = client("alpha")
    grant = Grant(version=1, tokens={1: msgspec.structs.replace(_token(), **change)})
    with pytest.raises(TokenNotActive) as refused:
        active(model, client("api", URIS), grant, 1, "grant.1", 10)
    assert (reason, "grant.1") == (refused.value.reason, refused.value.token_id)


def test_tokens_of_a_disabled_client_are_not_active() -> None:
    """A disabled client's token is active for nobody until the client is enabled again."""
    model, grant = AccessModel(), Grant(version=1, tokens={1: _token()})
    for enabled in (True, False, True):
        model.clients["alpha"] = msgspec.structs.replace(client("alpha"), enabled=enabled)
        assert enabled == (introspected(model, client("api", URIS), grant, 1, 10) is not None)


def test_tokens_of_a_client_removed_before_are_not_active() -> None:
    """A token of a grant that began before its client's id was given to another one is active for nobody, though both
    be of one second.
    """
    model, grant = AccessModel(), Grant(version=1, position=7, tokens={1: _token()})
    for since, alive in ((0, True), (6, True), (8, False)):
        model.clients["alpha"] = msgspec.structs.replace(client("alpha"), since=since)
        assert alive == (introspected(model, client("api", URIS), grant, 1, 10) is not None)


def test_a_client_that_introspects_nothing_is_refused() -> None:
    """Introspection is for resources only."""
    check_introspector(client("api", URIS))
    with pytest.raises(UnauthorizedClient):
        check_introspector(client("alpha"))


def revoked(caller: Client, grant: Grant, number: int, now: float) -> events.TokenRevoked | str:
    """The event of a revocation, or the reason why there is none."""
    try:
        return decide_revocation(caller, grant, number, f"grant.{number}", now)
    except Rejection as rejection:
        return rejection.reason


@settings(max_examples=300)
@given(grants(), st.integers(0, 3), times)
def test_revocation_is_exactly_this(grant: Grant, number: int, now: int) -> None:
    """A client ends its own living tokens; another's it may not; where nothing is left there is no second event."""
    token = grant.tokens.get(number)
    expected: events.TokenRevoked | str
    if token is None:
        expected = "token_unknown"
    elif token.client_id != "alpha":
        expected = "token_of_other_client"
    elif grant.revoked or token.revoked:
        expected = "token_revoked"
    elif token.expires_at <= now:
        expected = "token_expired"
    else:
        expected = events.TokenRevoked(number=number, client_id="alpha", reason="client_request")
    assert expected == revoked(client("alpha"), grant, number, now)


@given(grants(), st.integers(1, 3), times)
def test_deciding_changes_nothing(grant: Grant, number: int, now: int) -> None:
    """A decision is pure: the grant is as it was, and the same question has the same answer."""
    before = msgspec.json.encode(grant)
    assert revoked(client("alpha"), grant, number, now) == revoked(client("alpha"), grant, number, now)
    assert before == msgspec.json.encode(grant)


def test_anothers_token_is_refused_whatever_its_state() -> None:
    """That a token of another client is revoked already is none of the caller's business."""
    grant = Grant(version=1, revoked=True, tokens={1: _token()})
    with pytest.raises(InvalidGrant):
        decide_revocation(client("beta"), grant, 1, "grant.1", 1_000)


def _token() -> Token:
    return Token(
        client_id="alpha",
        subject="alpha",
        audience=URIS[0],
        scope="read:a",
        issued_at=0,
        expires_at=100,
        digest=None,
        grant_type="client_credentials",
        source=None,
    )
