"""The composition root: the only place that puts parts together."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import logging
import socket
import uuid
from collections.abc import AsyncIterator, Sequence
from functools import partial
from urllib.parse import urlsplit

from projections.state import WorkerState
from schema.envelope import Fact
from service.accounts.passwords import Passwords
from service.accounts.vault import TotpVault
from service.anomalies.role import make_partitions
from service.audit.streams import AuditStreams
from service.client_auth.assertion import AssertionVerifier
from service.client_auth.authenticate import Authenticator
from service.device.polls import forget_devices
from service.endpoints.core import Core
from service.endpoints.gauges import Gauges
from service.http.app import create_app
from service.http.connections import Connections
from service.http.server import serve
from service.http.tls import TlsFiles
from service.journal.follow import Follower
from service.journal.load import StreamLoader
from service.journal.postgres import PostgresJournal
from service.journal.relay_role import run_relay as relay_until
from service.keys.manage import KeyManager, read_keys
from service.keys.master import MasterKeyError, load_keys
from service.keys.ring import KeyRing
from service.keys.vault import Vault
from service.limits.limits import Limits
from service.limits.sharing import forget_buckets
from service.oidc.backchannel import Backchannel
from service.own_api.ensure import ensure_own_api
from service.parts import Part, run_parts
from service.projecting.role import run_projections
from service.sessions.aftermath import Aftermath
from service.settings import Settings, SettingsError
from service.sign_in.recall import recall_login_failures
from service.telemetry.commits import CommittedEvents
from service.telemetry.metrics import Metrics, committed
from service.telemetry.tallied import write_tallies
from service.telemetry.tracing import Tracing
from service.tokens.digest import Digester
from service.tokens.find import TokenFinder
from service.tokens.seal import Sealer
from service.tokens.subjects import Subjects
from service.usage.counting import IntrospectionCounts
from service.usage.observing import Observer
from service.webhooks.role import run_webhooks

log = logging.getLogger(__name__)

_GAUGE_SECONDS = 1.0


def issuer_of(settings: Settings) -> str:
    """The issuer identifier (RFC 8414 section 2). Raises SettingsError when none is set, or it cannot be one."""
    if settings.issuer is None:
        raise SettingsError("TALLYSTICK_ISSUER is not set: it is the public address of this server")
    try:
        parts = urlsplit(settings.issuer)
        whole = parts.scheme in {"http", "https"} and parts.hostname and not parts.query and not parts.fragment
    except ValueError:
        whole = False
    if not whole or "#" in settings.issuer or "?" in settings.issuer:
        raise SettingsError("TALLYSTICK_ISSUER must be an https:// address without query and fragment")
    return settings.issuer.rstrip("/")


def database_of(settings: Settings) -> str:
    """The service's database URL. Raises SettingsError when none is set."""
    if settings.database_url is None:
        raise SettingsError("TALLYSTICK_DATABASE_URL is not set")
    return settings.database_url


@contextlib.asynccontextmanager
async def open_journal(settings: Settings) -> AsyncIterator[PostgresJournal]:
    """A journal without a feed, for commands and chores. Raises JournalUnavailable or SettingsError."""
    journal = PostgresJournal(
        database_of(settings),
        deadline=max(settings.commit_deadline, 10.0),
        limit=settings.commit_queue_limit,
        batch=settings.commit_batch_limit,
    )
    await journal.start()
    try:
        yield journal
    finally:
        await journal.stop()


@contextlib.asynccontextmanager
async def open_worker(settings: Settings) -> AsyncIterator[Core]:
    """All parts of one worker, running. Raises JournalUnavailable, MasterKeyError or SettingsError."""
    url, issuer = database_of(settings), issuer_of(settings)
    keys = load_keys(settings)
    failures_kept = max(settings.login_failures_per_account, settings.login_failures_per_source)
    state = WorkerState(settings.grant_cache_limit, settings.session_cache_limit, failures_kept)
    follower = Follower(url, state, uuid.uuid4(), settings.staleness_bound)
    counted = CommittedEvents()

    def fold_and_count(facts: Sequence[Fact]) -> None:
        follower.committed(facts)
        counted.count(facts)

    journal = PostgresJournal(
        url,
        deadline=settings.commit_deadline,
        limit=settings.commit_queue_limit,
        batch=settings.commit_batch_limit,
        on_committed=fold_and_count,
        on_commit=committed,
    )
    await journal.start()
    vault = Vault(journal, keys.wrapping)
    await KeyManager(journal, vault, settings.key_publish_ahead).ensure_first(settings.signing_alg)
    await ensure_own_api(journal)
    await follower.start(journal)
    await recall_login_failures(journal, state.login_failures, follower.loaded, settings.login_failures_window)
    digester = Digester(keys.digests)
    passwords = Passwords(keys.passwords, settings)
    ring = KeyRing(state.keys, vault)
    grants, sessions = StreamLoader(state.grants, journal), StreamLoader(state.sessions, journal)
    subjects, metrics = Subjects(keys.pairwise), Metrics()
    audiences = frozenset({issuer, f"{issuer}/oauth2/token"})
    core = Core(
        settings=settings,
        issuer=issuer,
        state=state,
        journal=journal,
        follower=follower,
        authenticator=Authenticator(
            state.access, digester, AssertionVerifier(audiences, digester, settings.assertion_max_lifetime)
        ),
        ring=ring,
        grants=grants,
        sessions=sessions,
        tokens=TokenFinder(grants, ring, digester, issuer),
        digester=digester,
        sealer=Sealer(keys.sealing),
        subjects=subjects,
        passwords=passwords,
        totp=TotpVault(journal, keys.wrapping),
        metrics=metrics,
        tracing=Tracing(),
        backchannel=Backchannel(
            issuer=issuer,
            access=state.access,
            subjects=subjects,
            ring=ring,
            sessions=sessions,
            journal=journal,
            metrics=metrics,
        ),
        introspections=IntrospectionCounts(journal, settings.usage_interval),
        observer=Observer(journal, state.token_sources),
        audit=AuditStreams(url, settings),
        limits=Limits(settings, journal, metrics),
    )
    chores = (
        asyncio.create_task(_keep_gauges(core), name="gauges"),
        asyncio.create_task(core.introspections.run(), name="introspection-counts"),
        asyncio.create_task(core.limits.run(), name="limits"),
    )
    try:
        yield core
    finally:
        for chore in chores:
            chore.cancel()
        await core.audit.stop()
        await core.observer.stop()
        await core.introspections.record()
        await core.limits.keep_in_step()
        await core.backchannel.stop()
        await follower.stop()
        await journal.stop()
        passwords.close()
        core.tracing.stop()
        write_tallies()


async def run_worker(settings: Settings, listener: socket.socket) -> None:
    """Serve HTTP on a bound socket until SIGINT or SIGTERM. Raises as `open_worker` does."""
    tls = TlsFiles.of(settings)
    connections = Connections.of(settings)
    async with open_worker(settings) as core:
        _keep_from_collecting()
        aftermath = asyncio.create_task(Aftermath(core).run(), name="sessions-aftermath")
        try:
            await serve(create_app(core), listener, tls=tls, connections=connections, on_stop=core.audit.close)
        finally:
            aftermath.cancel()
            await asyncio.gather(aftermath, return_exceptions=True)


def _keep_from_collecting() -> None:
    """What a start made stays: without this, each full collection looked at all of it, for 20 to 45 ms."""
    gc.collect()
    gc.freeze()


async def ensure_master_key(settings: Settings) -> None:
    """Make the master key of a new home; refuse to make, or to use, another one than that of the data.

    Raises MasterKeyError, UnwrapError, JournalUnavailable or SettingsError.
    """
    async with open_journal(settings) as journal:
        try:
            keys = load_keys(settings)
        except MasterKeyError:
            if await journal.head() > 0:
                raise
            keys = load_keys(settings, create=True)
        current = (await read_keys(journal)).current
        if current is not None:
            await Vault(journal, keys.wrapping).get(current.kid)


async def run_relay(settings: Settings, stop: asyncio.Event) -> None:
    """Publish the journal until `stop` is set, and do the chores while leading.

    Raises JournalUnavailable, MasterKeyError or SettingsError.
    """
    issuer_of(settings)
    wrapping_key = load_keys(settings).wrapping
    async with open_journal(settings) as journal:
        keys = KeyManager(journal, Vault(journal, wrapping_key), settings.key_publish_ahead)
        await relay_until(settings, stop, lambda: do_chores(journal, keys))


async def run_projector(settings: Settings, stop: asyncio.Event) -> None:
    """Fold the projections that live in the database until `stop` is set. Raises SettingsError."""
    await run_projections(settings, stop)


async def run_consumers(settings: Settings, stop: asyncio.Event) -> None:
    """Watch for abuse and send webhooks until `stop` is set; a mistake in one of these does not end the other.

    At the start it raises JournalUnavailable, MasterKeyError or SettingsError.
    """
    url, issuer = database_of(settings), issuer_of(settings)
    if settings.nats_url is None:
        raise SettingsError("TALLYSTICK_NATS_URL is not set")
    wrapping_key = load_keys(settings).wrapping
    async with open_journal(settings) as journal:
        anomalies = make_partitions(url, settings.nats_url, settings, journal)
        webhooks = partial(run_webhooks, url, issuer, settings, journal, wrapping_key)
        parts = (Part("anomalies", "anomalies-", anomalies.run), Part("webhooks", "webhook:", webhooks))
        await run_parts(journal, stop, parts)


async def do_chores(journal: PostgresJournal, keys: KeyManager) -> None:
    """What must be done now and then, by one process: partitions made ahead, used-up keys and devices that asked
    forgotten, keys on their way.
    """
    await journal.fetch("SELECT journal.ensure_partitions(3)")
    await journal.fetch("SELECT journal.forget_once()")
    await forget_devices(journal)
    await forget_buckets(journal)
    await keys.do_what_is_due()


async def _keep_gauges(core: Core) -> None:
    gauges = Gauges(core)
    while True:
        await gauges.note()
        await asyncio.sleep(_GAUGE_SECONDS)
