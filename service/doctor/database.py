"""Postgres: what the service's login may do, and whether a commit is one."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator

from service.doctor.facts import DatabaseFacts, RoleFacts
from service.doctor.finding import Check, Finding, Group, listed
from service.doctor.places import is_private

_OTHER_LOGIN = (
    "let TALLYSTICK_DATABASE_URL name a login of its own that is a member of tallystick_app alone, and"
    " TALLYSTICK_OWNER_DATABASE_URL the owner, for `tallystick migrate` (docs/operations.md)"
)

UNSEEN = Check(
    "database-unreachable",
    ("fail",),
    "Postgres answers",
    "Nothing is issued or revoked without Postgres, and most of these checks need it.",
    "look at TALLYSTICK_DATABASE_URL, and whether Postgres runs",
)
SUPERUSER = Check(
    "database-role-superuser",
    ("fail",),
    "the service's login is no superuser",
    "A mistake in the service, or a stolen password, could change the record and reach the machine; the record proves"
    " something because the service's role cannot change it.",
    "ALTER ROLE {role} NOSUPERUSER; or " + _OTHER_LOGIN,
)
OWNER = Check(
    "database-role-owner",
    ("fail",),
    "the service's login owns nothing",
    "An owner can give itself any right, and change or drop the events.",
    _OTHER_LOGIN,
)
WRITES = Check(
    "database-role-writes-journal",
    ("fail",),
    "the service's login can append events, and not change or delete them",
    "The journal proves what happened because nobody who runs the service can rewrite it.",
    "REVOKE INSERT, UPDATE, DELETE, TRUNCATE ON ALL TABLES IN SCHEMA journal FROM {role}, tallystick_app",
)
CREATES_ROLES = Check(
    "database-role-creates-roles",
    ("fail",),
    "the service's login cannot make roles",
    "Who can make roles can give itself others' rights.",
    "ALTER ROLE {role} NOCREATEROLE",
)
POWERS = Check(
    "database-role-powers",
    ("warn",),
    "the service's login has no power over the server",
    "The service needs none of these; each is a way out of this database for who has the login.",
    "ALTER ROLE {role} NOCREATEDB NOREPLICATION NOBYPASSRLS; REVOKE each role that is named FROM {role}",
)
NOT_DURABLE = Check(
    "database-not-durable",
    ("fail", "warn"),
    "a commit that is acknowledged is on the disk",
    "With one of these off a power cut takes revocations and issuances that were answered: a revoked token would be"
    " active again.",
    "ALTER SYSTEM SET {setting} = on; SELECT pg_reload_conf()",
)
NO_CHECKSUMS = Check(
    "database-no-checksums",
    ("info",),
    "pages have checksums",
    "Without checksums a page that the disk damaged is read as if it were good.",
    "stop Postgres, then `pg_checksums --enable`",
)
OLD_VERSION = Check(
    "database-version-old",
    ("warn",),
    "this version of Postgres is still maintained",
    "Versions get no security fixes five years after their release.",
    "upgrade Postgres by pg_upgrade or a replica",
)
PLAIN = Check(
    "database-not-encrypted",
    ("fail", "warn"),
    "the connection to Postgres stays on this machine, or is encrypted",
    "Events, password hashes and the login's own proof go over the network in clear; RFC 9700 section 4.13 is about"
    " the same mistake in front of the server.",
    "add ?sslmode=verify-full&sslrootcert=… to TALLYSTICK_DATABASE_URL",
)
UNVERIFIED = Check(
    "database-not-verified",
    ("warn",),
    "the server at the other end is verified, where it is another machine",
    "Encryption without verification is encryption with whoever is in between.",
    "add ?sslmode=verify-full&sslrootcert=… to TALLYSTICK_DATABASE_URL",
)
ANALYST = Check(
    "database-analyst-reads-more",
    ("fail",),
    "analysts read the usage figures and nothing else",
    "Events name people, addresses and tokens; vaults hold password hashes and keys.",
    "REVOKE ALL ON {relations} FROM tallystick_analyst, PUBLIC",
)
VAULT = Check(
    "database-vault-open",
    ("warn",),
    "no other login reads password hashes and wrapped keys",
    "With a copy of the vault passwords can be guessed at without limit by who has the master key, and it is better"
    " that two must be stolen.",
    "REVOKE ALL ON ALL TABLES IN SCHEMA vault FROM {role}, and pg_read_all_data;"
    " a login for backups needs it, and care",
)
LOCKS = Check(
    "database-locks-open",
    ("warn",),
    "logins of others cannot hold the service up by locks",
    "By advisory locks any login of this database can keep the relay, consumers and changes waiting.",
    "as a superuser, run what docs/operations.md tells under Real servers",
)
MD5 = Check(
    "database-password-md5",
    ("warn",),
    "new passwords of logins are kept for SCRAM",
    "An MD5 verifier is as good as the password to who copies it; SCRAM's is not (RFC 7677).",
    "ALTER SYSTEM SET password_encryption = 'scram-sha-256'; then set each login's password anew",
)
CHECKS = (
    UNSEEN,
    SUPERUSER,
    OWNER,
    WRITES,
    CREATES_ROLES,
    POWERS,
    NOT_DURABLE,
    NO_CHECKSUMS,
    OLD_VERSION,
    PLAIN,
    UNVERIFIED,
    ANALYST,
    VAULT,
    LOCKS,
    MD5,
)


def examine(facts: DatabaseFacts) -> Iterator[Finding]:
    """The findings on Postgres."""
    yield from _role(facts.role)
    yield from _durability(facts)
    yield from _server(facts)
    yield from _network(facts)
    yield from _others(facts)


def _role(role: RoleFacts) -> Iterator[Finding]:
    """A superuser may do all the rest: that is one finding."""
    if role.superuser:
        yield SUPERUSER.found(f"the service logs in as {role.name}, a superuser", role.name, role=role.name)
        return
    if role.owns:
        yield OWNER.found(f"the service logs in as {role.name}, which owns {listed(role.owns)}", role.name)
    elif role.writes:
        yield WRITES.found(f"{role.name} may {'; '.join(role.writes)}", role.name, role=role.name)
    if role.creates_roles:
        yield CREATES_ROLES.found(f"{role.name} can make roles", role.name, role=role.name)
    if role.powers:
        yield POWERS.found(f"{role.name} has {listed(role.powers)}", role.name, role=role.name)


def _durability(facts: DatabaseFacts) -> Iterator[Finding]:
    off = [name for name, value in facts.durability.items() if value == "off"]
    for name in off:
        yield NOT_DURABLE.found(f"{name} is off", name, setting=name)
    for name, value in facts.defaults.items():
        if value == "off" and name not in off:
            told = f"{name} is off unless a session sets it, as the service does"
            yield NOT_DURABLE.found(told, name, severity="warn", setting=name)


def _server(facts: DatabaseFacts) -> Iterator[Finding]:
    if not facts.checksums:
        yield NO_CHECKSUMS.found("data_checksums is off", "data_checksums")
    # Major version N came out in autumn of 2007 + N, and is maintained until November five years later.
    ends = dt.date(2012 + facts.version, 11, 30)
    if facts.today > ends:
        yield OLD_VERSION.found(f"Postgres {facts.version} has been without fixes since {ends:%B %Y}")
    if facts.password_encryption == "md5":
        yield MD5.found("password_encryption is md5", "password_encryption")


def _network(facts: DatabaseFacts) -> Iterator[Finding]:
    if facts.address is None:
        return
    if not facts.encrypted:
        inside = is_private(facts.address)
        told = f"the connection to Postgres at {facts.address} is not encrypted"
        yield PLAIN.found(f"{told}, in a private network" if inside else told, severity="warn" if inside else "fail")
    elif not facts.verified:
        yield UNVERIFIED.found(f"the certificate of Postgres at {facts.address} is not verified")


def _others(facts: DatabaseFacts) -> Iterator[Finding]:
    if facts.analyst_reads:
        told = listed(facts.analyst_reads)
        yield ANALYST.found(f"tallystick_analyst may read {told}", *facts.analyst_reads, relations=told)
    if facts.vault_readers:
        told = listed(facts.vault_readers)
        yield VAULT.found(f"{told} may read the vault", *facts.vault_readers, role=told)
    if facts.open_functions:
        yield LOCKS.found("every login of this database may take advisory locks")


GROUP = Group("database", CHECKS, examine, missing=UNSEEN)
