import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from projections.access_model import AccessModel
from schema import events
from service.decisions.issue import Terms, decide_terms
from service.errors import InvalidScope, InvalidTarget, Rejection, UnauthorizedClient
from service.keys.lifecycle import LONGEST_LIFETIME
from service.oidc.scopes import IDENTITY_SCOPES
from tests.decisions.strategies import GRANT_TYPE, URIS, client_of, model_of, models
from tests.projections.histories import SCOPES

A, B, C = URIS
wanted_scopes = st.one_of(
    st.none(),
    st.sampled_from(SCOPES),
    st.lists(st.sampled_from((*SCOPES, "admin")), min_size=1).map(" ".join),
    st.text(),
)
wanted_resources = st.one_of(st.none(), st.sampled_from(URIS), st.just("https://other.example.com"), st.text())


def decide(model: AccessModel, *, scope: str | None = None, resource: str | None = None) -> Terms:
    """The terms for the model's client."""
    return decide_terms(model, client_of(model), GRANT_TYPE, scope=scope, resource=resource, default_lifetime=600)


def outcome(model: AccessModel, scope: str | None, resource: str | None) -> Terms | tuple[type[Rejection], str]:
    """The terms, or the type and reason of the refusal."""
    try:
        return decide(model, scope=scope, resource=resource)
    except Rejection as rejection:
        return type(rejection), rejection.reason


def allowed_at(model: AccessModel, uri: str) -> set[str]:
    """What the client may have at a resource, told in another way than the code does."""
    settings = client_of(model).settings
    of_roles = [model.roles[name].scopes for name in settings.roles if name in model.roles]
    own = set(settings.scopes).union(*of_roles)
    return {scope for scope in model.resources[uri].scopes if scope in own}


@settings(max_examples=300)
@given(models(), wanted_scopes, wanted_resources)
def test_never_more_than_client_and_resource_allow(model: AccessModel, scope: str | None, resource: str | None) -> None:
    """Whatever is asked, no scope is granted that the client or the resource does not have."""
    terms = outcome(model, scope, resource)
    if isinstance(terms, Terms):
        granted = set(terms.scope.split())
        assert granted
        assert granted <= allowed_at(model, terms.audience)


@given(models(), wanted_scopes, wanted_resources)
def test_audience_is_a_resource_of_the_client(model: AccessModel, scope: str | None, resource: str | None) -> None:
    """A token is for a resource that exists, is the client's, and is the one named if one is named."""
    terms = outcome(model, scope, resource)
    if isinstance(terms, Terms):
        assert terms.audience in model.resources
        assert terms.audience in client_of(model).settings.resources
        assert resource in {None, terms.audience}


@given(models(), wanted_scopes, wanted_resources)
def test_granted_is_what_was_asked_or_all_that_is_allowed(
    model: AccessModel, scope: str | None, resource: str | None
) -> None:
    """A scope that is asked for is granted whole; without one it is narrowed to what client and resource allow."""
    terms = outcome(model, scope, resource)
    if isinstance(terms, Terms):
        expected = allowed_at(model, terms.audience) if scope is None else set(scope.split(" "))
        assert " ".join(sorted(expected)) == terms.scope


@given(models(), wanted_scopes, wanted_resources)
def test_only_for_a_grant_type_of_the_client(model: AccessModel, scope: str | None, resource: str | None) -> None:
    """A client gets nothing by a grant type that it was not given, and learns that before anything else."""
    refused = (UnauthorizedClient, "grant_not_allowed") == outcome(model, scope, resource)
    assert refused == (GRANT_TYPE not in client_of(model).settings.grants)


@given(models(), wanted_scopes, wanted_resources, st.integers(1, 200_000))
def test_lifetime_is_the_clients_else_the_default_within_the_longest(
    model: AccessModel, scope: str | None, resource: str | None, default: int
) -> None:
    """No token outlives the time for which its key stays published."""
    client = client_of(model)
    try:
        terms = decide_terms(model, client, GRANT_TYPE, scope=scope, resource=resource, default_lifetime=default)
    except Rejection:
        return
    assert min(client.settings.access_token_lifetime or default, LONGEST_LIFETIME) == terms.lifetime
    assert client.settings.token_format == terms.format


@given(models(), wanted_scopes, wanted_resources)
def test_deterministic(model: AccessModel, scope: str | None, resource: str | None) -> None:
    """The same state and command make the same outcome."""
    assert outcome(model, scope, resource) == outcome(model, scope, resource)


@given(models(), st.text(), st.text())
def test_what_the_audit_is_told_is_bounded(model: AccessModel, scope: str, resource: str) -> None:
    """No refusal carries more than 200 characters of the caller's text."""
    with pytest.raises(Rejection) as refused:
        decide(model, scope="read:nothing" + scope * 100, resource=resource * 100)
    assert len(refused.value.detail or "") <= 200
    assert (refused.value.detail or "").isprintable()


def example(resources: tuple[str, ...], scopes: tuple[str, ...] = ("read:a", "read:b")) -> AccessModel:
    """A client of some resources and scopes, in a model of three resources and a role."""
    settings = events.ClientRegistered(
        client_id="alpha",
        auth_method="none",
        grants=(GRANT_TYPE,),
        scopes=scopes,
        roles=("writer", "gone"),
        resources=resources,
    )
    known = {A: ("read:a", "write:a"), B: ("read:b",), C: ("read:a",)}
    return model_of(settings, known, {"writer": ("write:a",)})


@pytest.mark.parametrize(
    ("resources", "scope", "resource", "expected"),
    [
        ((A,), None, None, (A, "read:a write:a")),
        ((A,), "write:a", None, (A, "write:a")),
        ((A,), "write:a read:a write:a", A, (A, "read:a write:a")),
        ((A, B), None, B, (B, "read:b")),
        ((A, B), "read:b", None, (B, "read:b")),
        ((A, "https://gone.example.com"), None, None, (A, "read:a write:a")),
    ],
)
def test_granted(
    resources: tuple[str, ...], scope: str | None, resource: str | None, expected: tuple[str, str]
) -> None:
    """The audience and scope that a client gets, by what it has and what it names."""
    terms = decide(example(resources), scope=scope, resource=resource)
    assert expected == (terms.audience, terms.scope)


@pytest.mark.parametrize(
    ("resources", "scope", "resource", "expected"),
    [
        ((A,), "read:b", A, (InvalidScope, "scope_not_allowed")),
        ((A,), "read:a admin", None, (InvalidScope, "scope_not_allowed")),
        ((A, B), "admin", None, (InvalidScope, "scope_not_allowed")),
        ((A, B), "read:a read:b", None, (InvalidTarget, "resource_not_named")),
        ((A, B), None, None, (InvalidTarget, "resource_not_named")),
        ((A, C), "read:a", None, (InvalidTarget, "resource_not_named")),
        ((), None, None, (InvalidTarget, "no_resource")),
        ((A,), None, B, (InvalidTarget, "resource_not_allowed")),
        ((A,), None, "https://gone.example.com", (InvalidTarget, "unknown_resource")),
        ((A,), None, A + "#part", (InvalidTarget, "malformed_resource")),
        ((A,), None, "", (InvalidTarget, "malformed_resource")),
        ((A,), None, "/relative", (InvalidTarget, "malformed_resource")),
        ((A,), None, "http://[", (InvalidTarget, "malformed_resource")),
        ((A,), None, A + "/", (InvalidTarget, "unknown_resource")),
        ((A,), "", A, (InvalidScope, "malformed_scope")),
        ((A,), " read:a", A, (InvalidScope, "malformed_scope")),
        ((A,), "read:a  write:a", A, (InvalidScope, "malformed_scope")),
        ((A,), 'read:"a"', A, (InvalidScope, "malformed_scope")),
        ((A,), "read:a\n", A, (InvalidScope, "malformed_scope")),
        ((A,), "läs:a", A, (InvalidScope, "malformed_scope")),
    ],
)
def test_refused(
    resources: tuple[str, ...], scope: str | None, resource: str | None, expected: tuple[type[Rejection], str]
) -> None:
    """What a client does not get, and the reason that the audit learns."""
    assert expected == outcome(example(resources), scope, resource)


@pytest.mark.parametrize("scope", IDENTITY_SCOPES)
def test_what_is_about_a_person_is_no_clients_own(scope: str) -> None:
    """A client that people sign in at too gets none of those scopes without a person, asked for or not."""
    both = example((A,), scopes=("read:a", *IDENTITY_SCOPES))
    assert (InvalidScope, "scope_not_allowed") == outcome(both, scope, None)
    assert (InvalidScope, "scope_not_allowed") == outcome(both, f"read:a {scope}", A)
    assert decide(both).scope == "read:a write:a"


def test_refused_without_a_scope_at_the_resource() -> None:
    """A client that has no scope at a resource gets no token for it, not an empty one."""
    assert (InvalidScope, "no_scope") == outcome(example((B,), scopes=()), None, None)
