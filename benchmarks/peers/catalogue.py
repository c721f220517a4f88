"""All peers, in the order in which they are measured."""

from __future__ import annotations

from benchmarks.peers.authlib_flask.peer import AuthlibFlask
from benchmarks.peers.django_oauth_toolkit.peer import DjangoOAuthToolkit
from benchmarks.peers.hydra.peer import Hydra
from benchmarks.peers.keycloak.peer import Keycloak
from benchmarks.peers.node_oidc_provider.peer import NodeOidcProvider
from benchmarks.peers.peer import Peer

PEERS: tuple[Peer, ...] = (NodeOidcProvider(), DjangoOAuthToolkit(), AuthlibFlask(), Keycloak(), Hydra())
