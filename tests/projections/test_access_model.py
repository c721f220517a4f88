from collections.abc import Iterable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from projections.access_model import NO_CHANGE, AccessModel, Secret
from projections.state import WorkerState
from schema import events
from schema.envelope import Fact
from schema.streams import client_stream, resource_stream, role_stream
from tests.projections.histories import MOMENT, NAMES, Writer, access_histories


def folded(facts: Iterable[Fact]) -> AccessModel:
    """The model that some facts make."""
    model = AccessModel()
    for fact in facts:
        model.apply(fact)
    return model


def contents(model: AccessModel) -> tuple[object, ...]:
    """All that a model holds."""
    return (
        model.resources,
        model.roles,
        model.clients,
        model.governed,
        {name: model.version_of(client_stream(name)) for name in NAMES},
    )


def reread(facts: Iterable[Fact]) -> list[Fact]:
    """The facts as they come back from the journal: encoded and decoded."""
    return [fact._replace(event=events.decode(fact.event.TYPE, events.encode(fact.event))) for fact in facts]


def client(*changes: events.Event) -> AccessModel:
    """A model of one client to which this happened."""
    writer = Writer()
    registered = events.ClientRegistered(
        client_id="alpha", auth_method="client_secret_basic", scopes=("read:a",), roles=("beta",), secret_digest="one"
    )
    for event in (registered, *changes):
        writer.write(client_stream("alpha"), event)
    return folded(writer.facts)


@given(access_histories())
def test_rebuilt_from_the_journal_equals_live(facts: list[Fact]) -> None:
    """The model folded from stored bytes is the one folded from the events as they happened."""
    assert contents(folded(facts)) == contents(folded(reread(facts)))


@given(access_histories(), st.data())
def test_scopes_are_never_those_of_an_earlier_moment(facts: list[Fact], data: st.DataObject) -> None:
    """Asking for a client's scopes between any two events changes no later answer."""
    asked, model = AccessModel(), folded(facts)
    for fact in facts:
        asked.apply(fact)
        for known in asked.clients.values():
            if data.draw(st.booleans()):
                asked.scopes_of(known)
    answers = {name: asked.scopes_of(known) for name, known in asked.clients.items()}
    assert {name: model.scopes_of(known) for name, known in model.clients.items()} == answers


@given(access_histories())
def test_scopes_are_the_clients_own_and_those_of_its_roles(facts: list[Fact]) -> None:
    """A role that does not exist, or no longer, gives nothing."""
    model = folded(facts)
    for known in model.clients.values():
        of_roles = [set(model.roles[name].scopes) for name in known.settings.roles if name in model.roles]
        assert set(known.settings.scopes).union(*of_roles) == model.scopes_of(known)


@given(access_histories())
def test_a_worker_folds_the_same_model(facts: list[Fact]) -> None:
    """A worker's state holds the same model, at the position of the last event."""
    state = WorkerState(grant_limit=10)
    for fact in facts:
        state.apply(fact)
    assert contents(folded(facts)) == contents(state.access)
    assert len(facts) == state.position


def test_registered_client_has_its_secret() -> None:
    """A client comes enabled, with the secret it was given."""
    known = client().clients["alpha"]
    assert ((Secret("one"),), True) == (known.secrets, known.enabled)


def test_rotation_keeps_the_secret_before_until_its_time() -> None:
    """The newest secret has no end; the one before it ends when the rotation said."""
    rotated = events.ClientSecretRotated(client_id="alpha", secret_digest="two", previous_expire_at=500)
    assert (Secret("one", 500), Secret("two")) == client(rotated).clients["alpha"].secrets


@given(st.lists(st.integers(0, 1_000), min_size=1, max_size=5))
def test_only_the_newest_secret_is_without_end(ends: list[int]) -> None:
    """However often it is rotated, every secret but the newest ends, and none later than a rotation said."""
    rotations = [
        events.ClientSecretRotated(client_id="alpha", secret_digest=f"digest-{number}", previous_expire_at=end)
        for number, end in enumerate(ends)
    ]
    *previous, newest = client(*rotations).clients["alpha"].secrets
    assert Secret(f"digest-{len(ends) - 1}") == newest
    assert all(secret.expires_at is not None and secret.expires_at <= ends[-1] for secret in previous)


def test_update_keeps_secrets_and_standing() -> None:
    """New settings neither bring a disabled client back nor take its secrets."""
    updated = events.ClientUpdated(client_id="alpha", auth_method="client_secret_post", scopes=("write:a",))
    known = client(events.ClientDisabled(client_id="alpha"), updated).clients["alpha"]
    assert (("write:a",), (Secret("one"),), False) == (known.settings.scopes, known.secrets, known.enabled)


@pytest.mark.parametrize("method", ["private_key_jwt", "none"])
def test_a_client_that_uses_no_secret_has_none(method: events.AuthMethod) -> None:
    """Secrets end with the method that needs them, also when the method comes back."""
    away = events.ClientUpdated(client_id="alpha", auth_method=method)
    back = events.ClientUpdated(client_id="alpha", auth_method="client_secret_basic")
    assert client(away).clients["alpha"].secrets == ()
    assert client(away, back).clients["alpha"].secrets == ()


def test_disabled_enabled_removed() -> None:
    """A client is disabled until it is enabled, and gone once removed."""
    off, on = events.ClientDisabled(client_id="alpha"), events.ClientEnabled(client_id="alpha")
    assert [client(*steps).clients["alpha"].enabled for steps in ((off,), (off, on))] == [False, True]
    assert client(events.ClientRemoved(client_id="alpha")).clients == {}


@pytest.mark.parametrize(
    "event",
    [
        events.ClientUpdated(client_id="nobody", auth_method="none"),
        events.ClientSecretRotated(client_id="nobody", secret_digest="x", previous_expire_at=1),
        events.ClientDisabled(client_id="nobody"),
        events.ClientEnabled(client_id="nobody"),
        events.ClientRemoved(client_id="nobody"),
        events.ResourceRemoved(uri="nothing"),
        events.RoleRemoved(name="nothing"),
    ],
    ids=lambda event: event.TYPE,
)
def test_a_change_of_what_does_not_exist_is_poison(event: events.Event) -> None:
    """A fold raises on an event that makes no sense; it never passes it over."""
    with pytest.raises(KeyError):
        AccessModel().apply(Fact(1, client_stream("nobody"), 1, event, MOMENT))


@pytest.mark.parametrize(
    "taken_away", [events.RoleRemoved(name="admin"), events.RoleUpdated(name="admin")], ids=["removed", "dropped it"]
)
def test_a_scope_that_a_role_had_stays_governed(taken_away: events.Event) -> None:
    """Taking a role away opens its scopes to nobody, until its resource has dropped the scope and taken it anew."""
    writer, api = Writer(), "https://api.example.com"
    scopes = {"write:users": "Change users", "read:users": "Read users"}
    writer.write(resource_stream(api), events.ResourceRegistered(uri=api, scopes=scopes))
    writer.write(role_stream("admin"), events.RoleRegistered(name="admin", scopes=("write:users",)))
    writer.write(role_stream("admin"), taken_away)
    assert {"write:users"} == folded(writer.facts).governed
    writer.write(resource_stream(api), events.ResourceUpdated(uri=api, scopes={"read:users": "Read users"}))
    writer.write(resource_stream(api), events.ResourceUpdated(uri=api, scopes=scopes))
    assert set() == folded(writer.facts).governed


def test_the_access_model_is_changed_by_what_it_is_made_of_alone() -> None:
    """What is left out when the model is read: all that this version knows, but for its own."""
    of_the_model = events.EVENT_TYPES.keys() - NO_CHANGE
    assert {name.partition(".")[0] for name in of_the_model} == {"resource", "role", "client"}
    assert {"role.granted", "role.withdrawn", "account.registered", "consent.granted"} <= NO_CHANGE
    assert "client.renamed" not in NO_CHANGE
