"""What the decisions are asked about, for Hypothesis."""

from __future__ import annotations

from hypothesis import strategies as st

from projections.access_model import AccessModel, Client
from schema import events
from schema.envelope import Fact
from schema.streams import client_stream, resource_stream, role_stream
from tests.projections.histories import MOMENT, SCOPES

URIS = ("https://a.example.com", "https://b.example.com", "urn:c")
ROLES = ("reader", "writer")
GRANT_TYPE = "client_credentials"

scope_sets = st.lists(st.sampled_from(SCOPES), unique=True).map(tuple)
uri_sets = st.lists(st.sampled_from(URIS), unique=True).map(tuple)
some_uris = st.one_of(st.sampled_from(URIS).map(lambda uri: (uri,)), st.just(URIS), uri_sets)

clients = st.builds(
    events.ClientRegistered,
    client_id=st.just("alpha"),
    auth_method=st.just("client_secret_basic"),
    grants=st.sampled_from(((GRANT_TYPE,), (GRANT_TYPE, "refresh_token"), ())),
    scopes=scope_sets,
    roles=st.lists(st.sampled_from(ROLES), unique=True).map(tuple),
    resources=some_uris,
    introspects=uri_sets,
    token_format=st.sampled_from(("jwt", "opaque")),
    access_token_lifetime=st.none() | st.integers(1, 200_000),
)


@st.composite
def models(draw: st.DrawFn) -> AccessModel:
    """Some resources, some roles, and the client `alpha`."""
    model = AccessModel()
    for uri in draw(st.just(URIS) | uri_sets):
        described = dict.fromkeys(draw(scope_sets), "…")
        model.apply(
            Fact(1, resource_stream(uri), 1, events.ResourceRegistered(uri=uri, scopes=described), MOMENT),
        )
    for name in draw(st.lists(st.sampled_from(ROLES), unique=True)):
        model.apply(
            Fact(1, role_stream(name), 1, events.RoleRegistered(name=name, scopes=draw(scope_sets)), MOMENT),
        )
    model.apply(Fact(1, client_stream("alpha"), 1, draw(clients), MOMENT))
    if draw(st.booleans()):
        model.apply(Fact(1, client_stream("alpha"), 2, events.ClientDisabled(client_id="alpha"), MOMENT))
    return model


def client_of(model: AccessModel) -> Client:
    """The model's client."""
    return model.clients["alpha"]


def model_of(
    settings: events.ClientRegistered, resources: dict[str, tuple[str, ...]], roles: dict[str, tuple[str, ...]]
) -> AccessModel:
    """A model of one client, with resources and roles by their scopes."""
    model = AccessModel()
    for uri, scopes in resources.items():
        registered = events.ResourceRegistered(uri=uri, scopes=dict.fromkeys(scopes, "…"))
        model.apply(Fact(1, resource_stream(uri), 1, registered, MOMENT))
    for name, scopes in roles.items():
        model.apply(Fact(1, role_stream(name), 1, events.RoleRegistered(name=name, scopes=scopes), MOMENT))
    model.apply(Fact(1, client_stream(settings.client_id), 1, settings, MOMENT))
    return model
