"""NATS: who gets in, whether what it acknowledges is on the disk, and whether the stream is as it must be."""

from __future__ import annotations

from collections.abc import Iterator

from service.doctor.facts import NatsFacts
from service.doctor.finding import Check, Finding, Group, listed
from service.doctor.places import is_loopback, is_private
from service.journal.stream import OLDEST_SERVER

UNSEEN = Check(
    "nats-unreachable",
    ("fail",),
    "NATS answers",
    "Issuance goes on without NATS, but revocations reach no subscriber, and abuse is not noticed.",
    "look at TALLYSTICK_NATS_URL, and whether NATS runs",
)
OPEN = Check(
    "nats-no-authentication",
    ("fail",),
    "NATS refuses who shows no credentials",
    "Whoever reaches the port reads who uses what, and can write into the stream, which halts the relay; the record"
    " in Postgres stays.",
    "give NATS the accounts of deploy/nats-accounts.conf, and TALLYSTICK_NATS_URL the user of the service",
)
PLAIN = Check(
    "nats-not-encrypted",
    ("fail", "warn"),
    "the connection to NATS stays on this machine, or is encrypted",
    "Events, with people, addresses and clients, and the password go over the network in clear.",
    "give NATS a `tls` block, and let TALLYSTICK_NATS_URL begin with tls://",
)
NOT_SYNCED = Check(
    "nats-not-synced",
    ("warn",),
    "JetStream writes every message to the disk before it acknowledges it",
    "By default JetStream syncs every two minutes: after a power cut the stream lacks what it acknowledged,"
    " subscribers that were ahead of it see a sequence a second time, and the relay has to make it anew.",
    "set sync_interval: always in the jetstream block of NATS' configuration, as deploy/nats.conf does",
)
OLD_VERSION = Check(
    "nats-version-old",
    ("fail",),
    "this version of NATS has atomic batches",
    "The relay publishes in atomic batches, and does not start without them (docs/adr/0004-relay.md).",
    "upgrade NATS to 2.12 or newer",
)
NO_STREAM = Check(
    "stream-missing",
    ("fail",),
    "the stream is there",
    "Nobody who subscribes sees any event.",
    "start `tallystick relay`, which makes it",
)
DIFFERS = Check(
    "stream-settings-differ",
    ("fail",),
    "the stream has the settings that its promises rest on",
    "That sequence N is event N, and that nothing is deleted or expires, rests on them.",
    "start `tallystick relay` anew, which sets what can be set; otherwise delete the stream, and the relay makes it"
    " from the journal",
)
FEW_REPLICAS = Check(
    "stream-replicas-few",
    ("warn",),
    "the stream is on as many servers as it should be",
    "In a cluster a stream with one replica is away while its server is, and lost with its disk until the relay has"
    " made it anew.",
    "export TALLYSTICK_STREAM_REPLICAS=3, and `nats stream edit TALLYSTICK --replicas 3` for the stream that is there",
)
AUDIT_WRITES = Check(
    "nats-audit-writes",
    ("fail",),
    "the user that reads the stream cannot write to it",
    "Whoever only reads could halt the relay by one message, or remove others' consumers.",
    "give NATS the accounts of deploy/nats-accounts.conf as they are (docs/audit-stream.md)",
)
CHECKS = (UNSEEN, OPEN, PLAIN, NOT_SYNCED, OLD_VERSION, NO_STREAM, DIFFERS, FEW_REPLICAS, AUDIT_WRITES)

_SAFE_REPLICAS = 3


def examine(facts: NatsFacts) -> Iterator[Finding]:
    """The findings on NATS."""
    if facts.version < OLDEST_SERVER:
        yield OLD_VERSION.found(f"NATS is {'.'.join(map(str, facts.version))}")
    yield from _access(facts)
    yield from _durability(facts)
    yield from _stream(facts)


def _access(facts: NatsFacts) -> Iterator[Finding]:
    if facts.open:
        yield OPEN.found(f"NATS at {facts.host} takes who shows no credentials")
    if not facts.encrypted and not is_loopback(facts.host):
        inside = is_private(facts.host)
        told = f"the connection to NATS at {facts.host} is not encrypted"
        yield PLAIN.found(f"{told}, in a private network" if inside else told, severity="warn" if inside else "fail")
    if facts.audit_writes:
        yield AUDIT_WRITES.found("the audit user may publish to tally.v1.>")
    elif facts.audit_writes is None:
        how = "publish to tally.v1.test._ as that user, on another server with the same accounts: it must be refused"
        yield AUDIT_WRITES.unseen("the credentials of the user that reads the stream are not known here", how)


def _durability(facts: NatsFacts) -> Iterator[Finding]:
    if facts.sync_always is None:
        yield NOT_SYNCED.unseen(
            f"NATS tells sync_interval by its monitoring port alone: {facts.sync_how}",
            "see that /varz has jetstream.config.sync_always: true, and name the port by --nats-monitoring URL; or"
            " look into NATS' configuration",
        )
    elif not facts.sync_always:
        yield NOT_SYNCED.found(f"sync_interval is not always ({facts.sync_how})")


def _stream(facts: NatsFacts) -> Iterator[Finding]:
    if not facts.stream_there:
        yield NO_STREAM.found("NATS has no stream TALLYSTICK")
        yield from (check.unseen("there is no stream") for check in (DIFFERS, FEW_REPLICAS))
        return
    if facts.differs:
        yield DIFFERS.found(f"the stream differs in {listed(facts.differs)}", *facts.differs)
    if facts.cluster and facts.replicas < _SAFE_REPLICAS:
        yield FEW_REPLICAS.found(f"the stream has {facts.replicas} of its 3 replicas in the cluster {facts.cluster}")
    elif facts.replicas < facts.replicas_wanted:
        yield FEW_REPLICAS.found(f"the stream has {facts.replicas} replicas, {facts.replicas_wanted} are set")


GROUP = Group("NATS", CHECKS, examine, missing=UNSEEN)
