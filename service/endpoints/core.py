"""What the endpoints work with, put together in `service/bootstrap.py`."""

from __future__ import annotations

from typing import NamedTuple

from projections.grants import Grant
from projections.sessions import Session
from projections.state import WorkerState
from service.accounts.passwords import Passwords
from service.accounts.vault import TotpVault
from service.audit.streams import AuditStreams
from service.client_auth.authenticate import Authenticator
from service.journal.follow import Follower
from service.journal.load import StreamLoader
from service.journal.postgres import PostgresJournal
from service.keys.ring import KeyRing
from service.limits.limits import Limits
from service.oidc.backchannel import Backchannel
from service.settings import Settings
from service.telemetry.metrics import Metrics
from service.telemetry.tracing import Tracing
from service.tokens.digest import Digester
from service.tokens.find import TokenFinder
from service.tokens.seal import Sealer
from service.tokens.subjects import Subjects
from service.usage.counting import IntrospectionCounts
from service.usage.observing import Observer


class Core(NamedTuple):
    """One worker's parts."""

    settings: Settings
    issuer: str
    state: WorkerState
    journal: PostgresJournal
    follower: Follower
    authenticator: Authenticator
    ring: KeyRing
    grants: StreamLoader[Grant]
    sessions: StreamLoader[Session]
    tokens: TokenFinder
    digester: Digester
    sealer: Sealer
    subjects: Subjects
    passwords: Passwords
    totp: TotpVault
    metrics: Metrics
    tracing: Tracing
    backchannel: Backchannel
    introspections: IntrospectionCounts
    observer: Observer
    audit: AuditStreams
    limits: Limits
