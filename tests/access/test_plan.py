from __future__ import annotations

from typing import Any

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from projections.access_model import AccessModel
from schema.events import ClientDisabled, ClientSettings
from service.access.difference import difference
from service.access.plan import SETTINGS, Plan, Wanted, client_change, make_plan, normal, rotation, uses_secret
from tests.access.folding import PAYMENTS, USERS, fold

NAMES = st.sampled_from(["a", "b", "c"])
TEXTS = st.lists(NAMES, unique=True).map(tuple)
SETTINGS_OF: st.SearchStrategy[dict[str, Any]] = st.fixed_dictionaries(
    {
        "auth_method": st.sampled_from(["client_secret_basic", "client_secret_post", "private_key_jwt", "none"]),
        "grants": TEXTS,
        "scopes": TEXTS,
        "roles": TEXTS,
        "resources": TEXTS,
        "introspects": TEXTS,
        "redirect_uris": TEXTS,
        "token_format": st.sampled_from(["jwt", "opaque"]),
        "access_token_lifetime": st.none() | st.integers(1, 86_400),
        "client_name": st.sampled_from(["", "An application"]),
        "first_party": st.booleans(),
        "refresh_rotation": st.booleans(),
        "subject_type": st.sampled_from(["public", "pairwise"]),
        "post_logout_redirect_uris": TEXTS,
        "backchannel_logout_uri": st.none() | NAMES,
        "jwks": st.lists(st.fixed_dictionaries({"kid": NAMES, "note": NAMES}), max_size=2).map(tuple),
    }
)


@st.composite
def wanted(draw: st.DrawFn) -> Wanted:
    """Any resources, roles and clients; whether they fit together is not a plan's business."""
    clients = draw(st.dictionaries(NAMES, SETTINGS_OF))
    return Wanted(
        draw(st.dictionaries(NAMES, st.dictionaries(NAMES, st.text(max_size=3)))),
        draw(st.dictionaries(NAMES, TEXTS)),
        {client_id: ClientSettings(client_id=client_id, **fields) for client_id, fields in clients.items()},
    )


def settings_of(settings: ClientSettings) -> dict[str, Any]:
    """All fields that make a difference."""
    return {name: getattr(normal(settings), name) for name in SETTINGS}


def content(model: AccessModel) -> Wanted:
    """What a model holds."""
    return Wanted(
        {uri: resource.scopes for uri, resource in model.resources.items()},
        {name: tuple(sorted(role.scopes)) for name, role in model.roles.items()},
        {client_id: normal(client.settings) for client_id, client in model.clients.items()},
    )


def assert_holds(model: AccessModel, expected: Wanted) -> None:
    """The model has at least what is expected, exactly as expected."""
    held = content(model)
    for uri, scopes in expected.resources.items():
        assert held.resources[uri] == scopes
    for name, listed in expected.roles.items():
        assert held.roles[name] == tuple(sorted(listed))
    for client_id, settings in expected.clients.items():
        assert settings_of(held.clients[client_id]) == settings_of(settings)


@given(wanted(), wanted(), st.booleans())
def test_a_plan_makes_the_model_what_is_wanted(first: Wanted, second: Wanted, prune: bool) -> None:
    """Folding a plan gives what was wanted; with prune nothing else; and planning again gives nothing."""
    model = fold(AccessModel(), make_plan(AccessModel(), first, prune=False).steps)
    plan = make_plan(model, second, prune=prune)
    fold(model, plan.steps)
    assert_holds(model, second)
    sections = range(3)
    if prune:
        assert [content(model)[each].keys() for each in sections] == [second[each].keys() for each in sections]
    else:
        assert_holds(model, Wanted(*(_without(first[each], second[each]) for each in sections)))
    assert make_plan(model, second, prune=prune) == Plan((), plan.kept)


@given(wanted(), wanted())
def test_a_client_has_a_secret_when_it_needs_one(first: Wanted, second: Wanted) -> None:
    """After a plan each client that authenticates by a secret has one, and no other client has."""
    model = fold(AccessModel(), make_plan(AccessModel(), first, prune=False).steps)
    fold(model, make_plan(model, second, prune=False).steps)
    for client in model.clients.values():
        assert bool(client.secrets) == uses_secret(client.settings)


@given(wanted())
def test_order_of_steps_never_refers_to_what_is_not_there(what: Wanted) -> None:
    """Things are made from resources to clients and removed from clients to resources, one step a stream."""
    model = fold(AccessModel(), (made := make_plan(AccessModel(), what, prune=False)).steps)
    removed = make_plan(model, Wanted(), prune=True)
    order = ["resource", "role", "client"]
    assert [step.kind for step in made.steps] == sorted((step.kind for step in made.steps), key=order.index)
    assert [step.kind for step in removed.steps] == sorted(
        (step.kind for step in removed.steps), key=order.index, reverse=True
    )
    assert len({step.stream for step in made.steps}) == len(made.steps)
    assert content(fold(model, removed.steps)) == Wanted()


def test_what_was_removed_can_be_made_again() -> None:
    """A removed client's stream goes on: the new registration follows the removal."""
    what = Wanted(clients={"a": ClientSettings(client_id="a", auth_method="none")})
    model = fold(AccessModel(), make_plan(AccessModel(), what, prune=False).steps)
    fold(model, make_plan(model, Wanted(), prune=True).steps)
    again = make_plan(model, what, prune=False)
    assert [(step.action, step.expected_version) for step in again.steps] == [("add", 2)]


def test_a_disabled_client_stays_disabled() -> None:
    """Applying a file changes settings, not whether a client is enabled."""
    settings = ClientSettings(client_id="a", auth_method="client_secret_basic")
    model = fold(AccessModel(), make_plan(AccessModel(), Wanted(clients={"a": settings}), prune=False).steps)
    fold(model, [client_change(model, ClientDisabled(client_id="a"))])
    changed = Wanted(clients={"a": msgspec.structs.replace(settings, token_format="opaque")})
    fold(model, make_plan(model, changed, prune=False).steps)
    assert (model.clients["a"].enabled, model.clients["a"].settings.token_format) == (False, "opaque")


def test_a_rotation_keeps_the_older_secret_for_a_time() -> None:
    """The step of a rotation has the new digest, and an end for the one before."""
    settings = ClientSettings(client_id="a", auth_method="client_secret_basic")
    model = fold(AccessModel(), make_plan(AccessModel(), Wanted(clients={"a": settings}), prune=False).steps)
    fold(model, [rotation(model, model.clients["a"], 1_000)])
    assert [secret.expires_at for secret in model.clients["a"].secrets] == [1_000, None]


def test_the_difference_reads_well() -> None:
    """+ added, ~ changed with each field before → after, - removed; what is kept is mentioned."""
    worker = ClientSettings(client_id="worker", auth_method="none", resources=(USERS,))
    before = Wanted({USERS: {"read": "Read", "old": "Old"}, PAYMENTS: {}}, {"r": ("read",)}, {"worker": worker})
    model = fold(AccessModel(), make_plan(AccessModel(), before, prune=False).steps)
    after = Wanted(
        {USERS: {"read": "Read all", "new": ""}},
        {"r2": ()},
        {
            "worker": ClientSettings(
                client_id="worker",
                auth_method="client_secret_post",
                resources=(USERS,),
                scopes=("read", "new"),
                access_token_lifetime=600,
                jwks=({"kty": "RSA"}, {"kid": "k1"}),
            )
        },
    )
    changes = [
        f"~ resource {USERS}",
        "    scopes.new: none → no description",
        "    scopes.old: Old → none",
        "    scopes.read: Read → Read all",
        "+ role r2",
        "~ client worker",
        "    auth_method: none → client_secret_post",
        "    scopes: none → new, read",
        "    access_token_lifetime: the server's → 10m",
        "    jwks: none → a RSA key without kid, k1",
        "    secret: a new one",
    ]
    kept = f"kept, although not in the file: resource {PAYMENTS}, role r"
    assert difference(make_plan(model, after, prune=False)) == [*changes, kept]
    assert difference(make_plan(model, after, prune=True)) == [*changes, "- role r", f"- resource {PAYMENTS}"]
    assert difference(make_plan(model, before, prune=True)) == ["nothing to change"]


def test_the_difference_shows_what_is_about_people() -> None:
    """A new client shows what is not as it is anyway, a changed one every change, in words."""
    plain = ClientSettings(client_id="app", auth_method="client_secret_basic", token_format="jwt")
    named = msgspec.structs.replace(
        plain,
        grants=("urn:ietf:params:oauth:grant-type:device_code",),
        client_name="An application",
        first_party=True,
        refresh_rotation=False,
        subject_type="pairwise",
        post_logout_redirect_uris=("https://a/bye",),
        backchannel_logout_uri="https://a/logout",
    )
    assert difference(make_plan(AccessModel(), Wanted(clients={"app": named}), prune=False)) == [
        "+ client app",
        "    auth_method: client_secret_basic",
        "    grants: device_code",
        "    client_name: An application",
        "    first_party: yes",
        "    refresh_rotation: no",
        "    subject_type: pairwise",
        "    post_logout_redirect_uris: https://a/bye",
        "    backchannel_logout_uri: https://a/logout",
        "    secret: a new one",
    ]
    model = fold(AccessModel(), make_plan(AccessModel(), Wanted(clients={"app": plain}), prune=False).steps)
    assert difference(make_plan(model, Wanted(clients={"app": named}), prune=False)) == [
        "~ client app",
        "    grants: none → device_code",
        "    client_name: none → An application",
        "    first_party: no → yes",
        "    refresh_rotation: yes → no",
        "    subject_type: public → pairwise",
        "    post_logout_redirect_uris: none → https://a/bye",
        "    backchannel_logout_uri: none → https://a/logout",
    ]


def _without(mapping: Any, other: Any) -> Any:
    return {name: value for name, value in mapping.items() if name not in other}
