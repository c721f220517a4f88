"""Faults of Postgres, NATS, what follows the journal, clocks and files."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import Any

from service.doctor import (
    clock,
    database,
    files,
    nats,
    record,
)
from service.doctor.facts import Clock, Opened, Part, Readiness
from service.doctor.finding import Unseen
from tests.doctor.healthy import (
    Case,
    database_facts,
    file_facts,
    lag,
    nats_facts,
    one,
    record_facts,
)


def _role(found: str, severity: str = "fail", **role: Any) -> Case:
    return one(database.GROUP, database_facts(role), found, severity, "service")


def _database(found: str | None, severity: str = "fail", says: str = "", **changes: Any) -> Case:
    return Case(database.GROUP, database_facts(**changes), set() if found is None else {(found, severity)}, says)


DATABASE_CASES = {
    "well": _database(None),
    "unseen": Case(
        database.GROUP,
        Unseen("no connection to Postgres"),
        {("database-unreachable", "fail")} | {(check.id, "unknown") for check in database.CHECKS[1:]},
        "no connection",
    ),
    "superuser": _role("database-role-superuser", superuser=True, owns=("schema journal",), creates_roles=True),
    "owner": _role("database-role-owner", owns=("schema journal",), writes=("UPDATE journal.events",)),
    "writer": _role("database-role-writes-journal", writes=("UPDATE journal.events",)),
    "creator of roles": _role("database-role-creates-roles", creates_roles=True),
    "powers": _role("database-role-powers", "warn", powers=("CREATEDB",)),
    "no fsync": _database("database-not-durable", says="fsync is off", durability={"fsync": "off"}),
    "no synchronous commit": _database("database-not-durable", durability={"synchronous_commit": "off"}),
    "no synchronous commit by default": _database(
        "database-not-durable", "warn", defaults={"synchronous_commit": "off"}
    ),
    "one that waits for its own disk": _database(None, durability={"synchronous_commit": "local"}),
    "no checksums": _database("database-no-checksums", "info", checksums=False),
    "MD5": _database("database-password-md5", "warn", password_encryption="md5"),
    "13, past its end": _database("database-version-old", "warn", version=13),
    "14, not yet": _database(None, version=14),
    "14, past its end": _database("database-version-old", "warn", version=14, today=dt.date(2026, 12, 1)),
    "in the open": _database("database-not-encrypted", address="8.8.8.8"),
    "in a private network": _database("database-not-encrypted", "warn", address="10.1.2.3"),
    "unverified": _database("database-not-verified", "warn", address="10.1.2.3", encrypted=True),
    "verified": _database(None, address="10.1.2.3", encrypted=True, verified=True),
    "curious analysts": _database(
        "database-analyst-reads-more", says="journal.events", analyst_reads=("journal.events",)
    ),
    "vault": _database("database-vault-open", "warn", says="reports", vault_readers=("reports",)),
    "locks": _database("database-locks-open", "warn", open_functions=True),
}


def _nats(found: str | None, severity: str = "fail", says: str = "", **changes: Any) -> Case:
    return Case(nats.GROUP, nats_facts(**changes), set() if found is None else {(found, severity)}, says)


NATS_CASES = {
    "well": _nats(None),
    "unseen": Case(
        nats.GROUP,
        Unseen("no connection to NATS"),
        {("nats-unreachable", "fail")} | {(check.id, "unknown") for check in nats.CHECKS[1:]},
    ),
    "open": _nats("nats-no-authentication", open=True),
    "in the open": _nats("nats-not-encrypted", host="8.8.8.8"),
    "by a name": _nats("nats-not-encrypted", host="nats.example.com"),
    "in a private network": _nats("nats-not-encrypted", "warn", host="10.1.2.3"),
    "encrypted": _nats(None, host="8.8.8.8", encrypted=True),
    "unsynced": _nats("nats-not-synced", "warn", sync_always=False),
    "sync unseen": _nats("nats-not-synced", "unknown", "8222", sync_always=None, sync_how="http://nats:8222/varz"),
    "old": _nats("nats-version-old", "fail", "2.11", version=(2, 11)),
    "newer": _nats(None, version=(3, 0)),
    "no stream": Case(
        nats.GROUP,
        nats_facts(stream_there=False),
        {
            ("stream-missing", "fail"),
            ("stream-settings-differ", "unknown"),
            ("stream-replicas-few", "unknown"),
        },
    ),
    "other settings": _nats("stream-settings-differ", "fail", "max_age", differs=("max_age",)),
    "one replica in a cluster": _nats("stream-replicas-few", "warn", "east", cluster="east"),
    "three replicas in a cluster": _nats(None, cluster="east", replicas=3, replicas_wanted=3),
    "fewer than are set": _nats("stream-replicas-few", "warn", replicas_wanted=3),
    "readers who write": _nats("nats-audit-writes", audit_writes=True),
    "readers unknown": _nats("nats-audit-writes", "unknown", audit_writes=None),
}


def _record(found: str | None, severity: str = "fail", *lags: Any, says: str = "", **changes: Any) -> Case:
    told = set() if found is None else {(found, severity)}
    return Case(record.GROUP, record_facts(*lags, **changes), told, says)


def _part(status: str) -> Readiness:
    return Readiness({"keys": Part(status, "another master key")})


RECORD_CASES = {
    "well": _record(None),
    "unseen": Case(
        record.GROUP,
        Unseen("Postgres is away"),
        {("record-unseen", "fail")} | {(check.id, "unknown") for check in record.CHECKS[1:]},
    ),
    "unready": _record("service-not-ready", readiness=_part("unready"), says="keys is unready: another master key"),
    "degraded": _record("service-not-ready", "warn", readiness=_part("degraded")),
    "no answer": Case(record.GROUP, record_facts()._replace(readiness=None), {("service-not-ready", "unknown")}),
    "halted": _record("fold-halted", "fail", lag("relay"), lag("usage", state="halted"), says="usage halted at 7"),
    "silent": _record("fold-silent", "warn", lag("relay"), lag("anomalies-0", state="silent")),
    "never ran": _record("relay-never-ran", "fail", lag("relay", state="silent", position=0)),
    "relay silent": _record("fold-silent", "warn", lag("relay", state="silent")),
    "behind": _record("fold-behind", "warn", lag("relay"), lag("usage", position=3, seconds=61), says="4 events"),
    "a minute behind": _record(None, "", lag("relay"), lag("usage", position=3, seconds=60)),
    "longer stream": _record("stream-differs-from-journal", stream=(1, 8, 0), says="ends at 8"),
    "holes": _record("stream-differs-from-journal", stream=(1, 7, 2)),
    "cut": _record("stream-differs-from-journal", stream=(3, 7, 0)),
    "empty stream": _record(None, stream=(0, 0, 0)),
    "no stream": _record("stream-differs-from-journal", "unknown", stream=None),
}
CLOCK_CASES = {
    "well": Case(clock.GROUP, [Clock("Postgres", 0.9, 0.0), Clock("the server", -1.5, 1.0)], set()),
    "ahead": one(clock.GROUP, [Clock("Postgres", 1.1, 0.0)], "clock-skew", says="Postgres is 1.1 s ahead"),
    "behind": one(clock.GROUP, [Clock("NATS", -6.2, 1.0)], "clock-skew", "fail", "6.2 s behind"),
    "hardly": Case(clock.GROUP, [Clock("NATS", 5.0, 4.5)], set()),
    "none": Case(clock.GROUP, [], {("clock-skew", "unknown")}),
}
_OPEN = Opened(Path("/srv/it"), 0o644)
FILE_CASES = {
    "well": Case(files.GROUP, file_facts(), set()),
    "home": one(files.GROUP, file_facts(home=_OPEN), "home-open", "fail", "/srv/it has mode 644"),
    "master key": one(files.GROUP, file_facts(master_key=_OPEN), "master-key-open", "fail"),
    "secret": one(files.GROUP, file_facts(open=(_OPEN,)), "secret-file-open", "fail"),
    "environment": one(files.GROUP, file_facts({"master_key": "c2VjcmV0"}), "master-key-in-environment", "info"),
    "debug": one(files.GROUP, file_facts({"log_level": "debug"}), "log-level-debug"),
    "other settings": one(files.GROUP, file_facts(differing=("A_NAME",)), "settings-differ", says="A_NAME"),
}
