from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from projections.access_model import AccessModel
from projections.accounts import Account
from projections.grants import Person
from schema import events
from service.decisions.issue import Terms
from service.decisions.person import Asked, decide_asked, decide_person_terms, scopes_of_person
from service.errors import InvalidScope, InvalidTarget, Rejection, UnauthorizedClient
from service.oidc.scopes import IDENTITY_SCOPES
from tests.decisions.strategies import ROLES, URIS, client_of, model_of, scope_sets, uri_sets
from tests.projections.histories import SCOPES

A, B, C = URIS
ISSUER = "https://auth.example.com"
GRANT_TYPE = "authorization_code"
WORDS = (*SCOPES, *IDENTITY_SCOPES, "admin")
role_sets = st.lists(st.sampled_from(ROLES), unique=True)
asked_scopes = st.lists(st.sampled_from(WORDS), min_size=1, unique=True).map(" ".join)
optional_scopes = st.none() | asked_scopes | st.text(max_size=3)
named_uris = st.lists(st.sampled_from((*URIS, "https://other.example.com")), unique=True, max_size=2).map(tuple)


def account(*roles: str) -> Account:
    """Zoe, with these roles."""
    return Account(subject="zoe", name="zoe", roles=frozenset(roles))


def given_by_zoe(scope: str, resources: tuple[str, ...]) -> Person:
    """What zoe gave at some time, whatever she and the client may have now."""
    return Person(
        client_id="alpha",
        subject="zoe",
        session="s",
        scope=scope,
        resources=resources,
        auth_time=90,
        amr=("pwd",),
        acr="1fa",
    )


def client_with(**changes: Any) -> events.ClientRegistered:
    """A client that people sign in at."""
    return events.ClientRegistered(client_id="alpha", auth_method="none", grants=(GRANT_TYPE,), **changes)


@st.composite
def models(draw: st.DrawFn) -> AccessModel:
    """Some resources and roles, and the client `alpha`, which may have scopes about the person too."""
    about_person = st.lists(st.sampled_from(tuple(IDENTITY_SCOPES)), unique=True).map(tuple)
    client = client_with(
        scopes=(*draw(scope_sets), *draw(about_person)), roles=tuple(draw(role_sets)), resources=draw(uri_sets)
    )
    known = {uri: draw(scope_sets) for uri in draw(st.just(URIS) | uri_sets)}
    return model_of(client, known, {name: draw(scope_sets) for name in draw(role_sets)})


def asked_of(model: AccessModel, scope: str | None, resources: tuple[str, ...] = ()) -> Asked | tuple[object, str]:
    """What the client asks for, or the type and reason of the refusal."""
    try:
        return decide_asked(model, client_of(model), GRANT_TYPE, scope, resources)
    except Rejection as rejection:
        return type(rejection), rejection.reason


def terms_of(
    model: AccessModel, who: Account, person: Person, scope: str | None = None, resource: str | None = None
) -> Terms | tuple[object, str]:
    """The terms of a token under the person's grant, or the type and reason of the refusal."""
    try:
        return decide_person_terms(
            model, client_of(model), who, person, issuer=ISSUER, scope=scope, resource=resource, default_lifetime=600
        )
    except Rejection as rejection:
        return type(rejection), rejection.reason


def own_apis(model: AccessModel) -> set[str]:
    """The APIs of the client that exist."""
    return set(client_of(model).settings.resources) & set(model.resources)


def may_ask(model: AccessModel, apis: set[str]) -> set[str]:
    """What the client may have at some APIs and about the person, told in another way than the code does."""
    settings = client_of(model).settings
    own = set(settings.scopes).union(*(model.roles[name].scopes for name in settings.roles if name in model.roles))
    of_apis = {scope for api in apis for scope in model.resources[api].scopes}
    return own & {*of_apis, *IDENTITY_SCOPES}


@settings(max_examples=300)
@given(models(), optional_scopes, named_uris)
def test_nothing_is_asked_that_the_client_may_not(model: AccessModel, scope: str | None, uris: tuple[str, ...]) -> None:
    """Whatever is asked for is the client's, at APIs that are its own and that were named if any were."""
    asked = asked_of(model, scope, uris)
    if isinstance(asked, Asked):
        assert set((scope or "").split(" ")) == asked.scopes
        assert asked.scopes <= may_ask(model, own_apis(model) & set(uris) if uris else own_apis(model))
        assert set(asked.resources) <= own_apis(model)
        assert not uris or set(uris) == set(asked.resources)


@given(models(), role_sets)
def test_a_scope_that_a_role_has_takes_such_a_role(model: AccessModel, roles: list[str]) -> None:
    """A person gives the scopes of their roles, and those of no role at all."""
    governed = {scope for role in model.roles.values() for scope in role.scopes}
    assert governed <= model.governed
    theirs = {scope for name in roles if name in model.roles for scope in model.roles[name].scopes}
    assert {word for word in WORDS if word in theirs or word not in model.governed} == scopes_of_person(
        model, account(*roles), WORDS
    )


@settings(max_examples=300)
@given(models(), role_sets, asked_scopes, uri_sets, optional_scopes, st.none() | st.sampled_from((*URIS, ISSUER)))
def test_never_more_than_grant_client_and_person_have_now(
    model: AccessModel,
    roles: list[str],
    granted: str,
    apis: tuple[str, ...],
    scope: str | None,
    resource: str | None,
) -> None:
    """Whatever a grant says, a token holds what it gave, as far as client, API and person still have it."""
    terms = terms_of(model, account(*roles), given_by_zoe(granted, apis), scope, resource)
    if not isinstance(terms, Terms):
        return
    held, at = set(terms.scope.split(" ")), {terms.audience} - {ISSUER}
    assert at <= own_apis(model) & set(apis)
    assert resource in {None, terms.audience}
    assert held <= set(granted.split(" ")) & set((scope or granted).split(" "))
    assert held <= may_ask(model, at)
    assert held <= scopes_of_person(model, account(*roles), WORDS)


def example(**changes: Any) -> AccessModel:
    """A client of two of three APIs; the role `writer` governs `write:a`."""
    fields = {"scopes": ("read:a", "write:a", "read:b", "openid", "email"), "resources": (A, B)} | changes
    known = {A: ("read:a", "write:a"), B: ("read:b",), C: ("read:c",)}
    return model_of(client_with(**fields), known, {"writer": ("write:a",)})


@pytest.mark.parametrize(
    ("scope", "resources", "expected"),
    [
        ("openid", (), ()),
        ("openid read:a", (), (A,)),
        ("read:b read:a", (), (A, B)),
        ("openid", (B,), (B,)),
        ("read:a", (A,), (A,)),
    ],
)
def test_asked(scope: str, resources: tuple[str, ...], expected: tuple[str, ...]) -> None:
    """The APIs are those named, else those that have one of the scopes."""
    assert Asked(frozenset(scope.split(" ")), expected) == asked_of(example(), scope, resources)


@pytest.mark.parametrize(
    ("scope", "resources", "expected"),
    [
        (None, (), (InvalidScope, "no_scope")),
        ("", (), (InvalidScope, "malformed_scope")),
        ("profile", (), (InvalidScope, "scope_not_allowed")),
        ("read:c", (), (InvalidScope, "scope_not_allowed")),
        ("read:b", (A,), (InvalidScope, "scope_not_allowed")),
        ("openid", (C,), (InvalidTarget, "resource_not_allowed")),
        ("openid", ("https://other.example.com",), (InvalidTarget, "unknown_resource")),
        ("openid", ("/relative",), (InvalidTarget, "malformed_resource")),
    ],
)
def test_asked_too_much(scope: str | None, resources: tuple[str, ...], expected: tuple[object, str]) -> None:
    """What a client may not ask a person for, and the reason that the audit learns."""
    assert expected == asked_of(example(), scope, resources)


def test_only_by_a_grant_type_of_the_client() -> None:
    """A client asks by the grants that it has."""
    model = example()
    with pytest.raises(UnauthorizedClient) as refused:
        decide_asked(model, client_of(model), "urn:ietf:params:oauth:grant-type:device_code", "openid", ())
    assert refused.value.reason == "grant_not_allowed"


GIVEN = given_by_zoe("email openid read:a read:b write:a", (A, B))


@pytest.mark.parametrize(
    ("model", "roles", "scope", "resource", "expected"),
    [
        (example(), ("writer",), None, None, (A, "email openid read:a write:a")),
        (example(), (), None, None, (A, "email openid read:a")),
        (example(), (), "read:b", B, (B, "read:b")),
        (example(resources=(B,)), ("writer",), None, None, (B, "email openid read:b")),
        (example(resources=()), (), None, None, (ISSUER, "email openid")),
        (example(scopes=("read:a",)), (), None, None, (A, "read:a")),
    ],
)
def test_terms(
    model: AccessModel, roles: tuple[str, ...], scope: str | None, resource: str | None, expected: tuple[str, str]
) -> None:
    """Audience and scope, as client and person have them by now."""
    terms = terms_of(model, account(*roles), GIVEN, scope, resource)
    assert isinstance(terms, Terms)
    assert expected == (terms.audience, terms.scope)


@pytest.mark.parametrize(
    ("model", "scope", "resource", "expected"),
    [
        (example(), "profile", None, (InvalidScope, "scope_not_granted")),
        (example(), "write:a", None, (InvalidScope, "no_scope")),
        (example(), "read:b", A, (InvalidScope, "no_scope")),
        (example(), None, C, (InvalidTarget, "resource_not_granted")),
        (example(resources=(B,)), None, A, (InvalidTarget, "resource_not_granted")),
        (example(scopes=("admin",)), None, None, (InvalidScope, "no_scope")),
    ],
)
def test_no_terms(model: AccessModel, scope: str | None, resource: str | None, expected: tuple[object, str]) -> None:
    """What neither grant nor client nor a person without roles has is in no token."""
    assert expected == terms_of(model, account(), GIVEN, scope, resource)


def test_a_role_of_the_client_opens_no_api_that_it_lost() -> None:
    """A scope that came by a role goes with the API: a grant from before gives no token for it."""
    model = example(scopes=("openid",), roles=("writer",), resources=(B,))
    assert terms_of(model, account("writer"), given_by_zoe("openid write:a", (A,)), "write:a") == (
        InvalidScope,
        "no_scope",
    )
