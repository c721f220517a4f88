"""What the endpoints work with, put together in `service/bootstrap.py`."""

from __future__ import annotations

from typing import NamedTuple

from projections.state import WorkerState
from service.client_auth.authenticate import Authenticator
from service.journal.follow import Follower
from service.journal.postgres import PostgresJournal
from service.keys.ring import KeyRing
from service.settings import Settings
from service.telemetry.metrics import Metrics
from service.telemetry.tracing import Tracing
from service.tokens.digest import Digester
from service.tokens.find import TokenFinder


class Core(NamedTuple):
    """One worker's parts."""

    settings: Settings
    issuer: str
    state: WorkerState
    journal: PostgresJournal
    follower: Follower
    authenticator: Authenticator
    ring: KeyRing
    tokens: TokenFinder
    digester: Digester
    metrics: Metrics
    tracing: Tracing
