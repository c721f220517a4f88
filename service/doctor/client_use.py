"""Clients that nobody uses, scopes that nobody asks for, and secrets that are old."""

from __future__ import annotations

import datetime as dt
from collections import defaultdict
from collections.abc import Iterator

from projections.access_model import Client
from service.doctor.facts import ClientFacts
from service.doctor.finding import Check, Finding, Group, days_since, listed

_APPLY = "then `tallystick apply access.yaml`"

SECRET_OLD = Check(
    "client-secret-old",
    ("warn",),
    "no client secret is older than a year",
    "Whoever saw the secret since, in a backup, a log or as a former colleague, can still use it (NIST SP 800-57"
    " part 1 section 5.3).",
    "tallystick client rotate-secret {client} --overlap 24h",
)
UNUSED = Check(
    "client-unused",
    ("warn",),
    "every client was used within 90 days",
    "What nobody uses nobody watches: its secret is forgotten somewhere, and works (RFC 9700 section 2.3 asks for the"
    " least privilege).",
    "tallystick client disable {client}",
)
SCOPES_UNUSED = Check(
    "client-scopes-unused",
    ("warn",),
    "every scope that a client holds was used within 90 days",
    "A stolen credential is worth what it may ask for; tokens and clients should have the least that they need (RFC"
    " 9700 section 2.3).",
    "take them from {client} or its roles in access.yaml, "
    + _APPLY
    + "; `tallystick usage unused` lists those never used",
)
USE_UNKNOWN = Check(
    "usage-not-folded",
    ("warn",),
    "the usage figures are there",
    "Without them nobody knows which clients and scopes are not used.",
    "start `tallystick project`; `tallystick projections list` says how far it is",
)
DISABLED = Check(
    "client-disabled-lingers",
    ("info",),
    "no client has been disabled for 90 days",
    "A disabled client is enabled by one command, with its old secret; if it will not come back, it should go.",
    "leave {client} out of access.yaml, then `tallystick apply --prune access.yaml`",
)
CHECKS = (SECRET_OLD, UNUSED, SCOPES_UNUSED, USE_UNKNOWN, DISABLED)

LINGERS = dt.timedelta(days=90)
OLD = dt.timedelta(days=365)


def examine(facts: ClientFacts) -> Iterator[Finding]:
    """The findings on the age and use of clients."""
    for client in facts.model.clients.values():
        yield from _ages(client, facts)
    yield from _use(facts)


def _ages(client: Client, facts: ClientFacts) -> Iterator[Finding]:
    name = client.client_id
    made = facts.moments.secret.get(name)
    if client.enabled and client.secrets and made is not None and facts.now - made > OLD:
        yield SECRET_OLD.found(f"{name} has had its secret for {days_since(made, facts.now)} days", name, client=name)
    since = facts.moments.disabled.get(name)
    if not client.enabled and since is not None and facts.now - since > LINGERS:
        yield DISABLED.found(f"{name} has been disabled for {days_since(since, facts.now)} days", name, client=name)


def _use(facts: ClientFacts) -> Iterator[Finding]:
    if not facts.folded:
        yield USE_UNKNOWN.found("no usage figures are folded yet")
        yield from (check.unseen("no usage figures are folded yet") for check in (UNUSED, SCOPES_UNUSED))
        return
    clients = facts.model.clients
    idle = {use.client for use in facts.unused}
    for use in facts.unused:
        client = clients.get(use.client)
        if client is not None and client.enabled:
            days = days_since(use.unused_since, facts.now)
            told = (
                f"not used for {days} days"
                if use.last_issued
                else f"never used since it was registered {days} days ago"
            )
            yield UNUSED.found(f"{use.client} was {told}", use.client, client=use.client)
    scopes = defaultdict(set)
    for held in facts.unused_scopes:
        client = clients.get(held.client)
        if client is not None and client.enabled and held.client not in idle:
            scopes[held.client].add(held.scope)
    for name, unused in scopes.items():
        yield SCOPES_UNUSED.found(f"{name} has not used {listed(unused)} for 90 days", name, client=name)


GROUP = Group("use of clients", CHECKS, examine)
