"""Clients: how they prove who they are, and what they may do beyond their need."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from projections.access_model import Client
from schema.own_api import OWN_API
from service.access.grant_names import PERSONS_GRANTS
from service.doctor.facts import ClientFacts
from service.doctor.finding import Check, Finding, Group, Severity, listed
from service.grants import AUTHORIZATION_CODE, REFRESH_TOKEN
from service.own_api.scopes import ACCESS_REPORT, OWN_SCOPES

_APPLY = "then `tallystick apply access.yaml`"

UNSEEN = Check(
    "access-model-unseen",
    ("fail",),
    "the access model can be read",
    "Clients, resources and roles are in the journal, which is in Postgres.",
    "`tallystick client list` says what is in the way",
)
PUBLIC_SECRET = Check(
    "client-public-secret",
    ("fail",),
    "no public client has a secret",
    "A public client cannot keep a secret; one that it has is known to everybody who has the app, and proves"
    " nothing (RFC 6749 sections 2.1 and 10.1).",
    "tallystick client disable {client}, and register it anew without a secret",
)
PUBLIC_OWN = Check(
    "client-public-credentials",
    ("fail",),
    "no public client may use client_credentials",
    "The client credentials grant is for confidential clients alone: otherwise whoever knows the id gets tokens"
    " (RFC 6749 section 4.4).",
    "take client_credentials from the grants of {client} in access.yaml, " + _APPLY,
)
PUBLIC_INTROSPECTS = Check(
    "client-public-introspects",
    ("fail",),
    "no public client may introspect",
    "Introspection without authentication lets anybody try tokens (RFC 7662 sections 2.1 and 4).",
    "take introspects from {client} in access.yaml, " + _APPLY,
)
PUBLIC_TRUSTED = Check(
    "client-public-first-party",
    ("warn",),
    "no public client with an app's redirect URI does without consent",
    "An app on the same device can pose as a public client; without consent the person signed in sees nothing of it"
    " (RFC 8252 section 8.6, RFC 6749 section 10.2).",
    "take first_party from {client} in access.yaml, " + _APPLY,
)
NOT_ROTATED = Check(
    "client-refresh-not-rotated",
    ("fail", "info"),
    "refresh tokens are rotated",
    "A stolen refresh token that stays the same is used unseen. Those of public clients must be rotated or bound to"
    " the client (RFC 9700 sections 2.2.2 and 4.14.2); those of confidential ones need its authentication as well.",
    "set refresh_rotation: true for {client} in access.yaml, " + _APPLY,
)
BOTH_KINDS = Check(
    "client-acts-for-itself-and-people",
    ("warn",),
    "no client acts both for itself and for people",
    "An API that tells a client's own token from a person's by its subject alone can be fooled by one who has both"
    " (RFC 9700 section 4.15).",
    "register a second client for client_credentials, and take the grant from {client} in access.yaml, " + _APPLY,
)
SECRET = Check(
    "client-secret-shared",
    ("info",),
    "no client that people sign in at shares a secret",
    "A secret is in two places, and goes over the network with each request; with private_key_jwt the server has"
    " the public key alone (RFC 9700 section 2.5).",
    "set auth_method: private_key_jwt and jwks for {client} in access.yaml, " + _APPLY,
)
INTROSPECTS_ALL = Check(
    "client-introspects-all",
    ("warn",),
    "no client may introspect the tokens of every API",
    "Who introspects learns who uses which API, and can try tokens; an API needs that for its own tokens alone (RFC"
    " 7662 section 4, RFC 9700 section 2.3).",
    "name the client's own API alone under introspects of {client} in access.yaml, " + _APPLY,
)
OWN_API_HELD = Check(
    "own-api-held-by-many",
    ("warn",),
    "few clients may read the record or the figures",
    "Whoever holds audit:read or usage:read sees everybody's accesses, and who holds access:report writes refusals"
    " into the record (RFC 9700 section 2.3).",
    "take the scope from those who do not need it in access.yaml, " + _APPLY,
)
CHECKS = (
    UNSEEN,
    PUBLIC_SECRET,
    PUBLIC_OWN,
    PUBLIC_INTROSPECTS,
    PUBLIC_TRUSTED,
    NOT_ROTATED,
    BOTH_KINDS,
    SECRET,
    INTROSPECTS_ALL,
    OWN_API_HELD,
)

FEW = 3
"""Clients that may hold a scope of this server's own API, readers of the record."""


def examine(facts: ClientFacts) -> Iterator[Finding]:
    """The findings on clients."""
    for client in facts.model.clients.values():
        yield from _of_client(client, facts)
    yield from _secrets_shared(facts)
    yield from _own_api(facts)


def _of_client(client: Client, facts: ClientFacts) -> Iterator[Finding]:
    name, settings = client.client_id, client.settings
    public = settings.auth_method == "none"
    for_people = any(grant in PERSONS_GRANTS for grant in settings.grants)
    if public and client.secrets:
        yield PUBLIC_SECRET.found(f"{name} is public and has a secret", name, client=name)
    if public and "client_credentials" in settings.grants:
        yield PUBLIC_OWN.found(f"{name} is public and may use client_credentials", name, client=name)
    if public and settings.introspects:
        yield PUBLIC_INTROSPECTS.found(f"{name} is public and may introspect", name, client=name)
    if public and settings.first_party and any(not uri.startswith("https:") for uri in settings.redirect_uris):
        yield PUBLIC_TRUSTED.found(f"{name} is an app, public, and people are not asked for consent", name, client=name)
    if REFRESH_TOKEN in settings.grants and not settings.refresh_rotation:
        kind = "public" if public else "confidential"
        severity: Severity = "fail" if public else "info"
        yield NOT_ROTATED.found(f"{name} ({kind}) keeps its refresh tokens", name, severity=severity, client=name)
    if for_people and "client_credentials" in settings.grants:
        yield BOTH_KINDS.found(f"{name} may act for itself and for people", name, client=name)
    introspectable = facts.model.resources.keys() - {OWN_API}
    if len(introspectable) > 1 and introspectable <= set(settings.introspects):
        told = f"{name} may introspect the tokens of all {len(introspectable)} APIs"
        yield INTROSPECTS_ALL.found(told, name, client=name)


def _secrets_shared(facts: ClientFacts) -> Iterator[Finding]:
    """One finding for all: it is advice, not a mistake of each."""
    names = [
        client.client_id
        for client in facts.model.clients.values()
        if client.settings.auth_method.startswith("client_secret_") and AUTHORIZATION_CODE in client.settings.grants
    ]
    if names:
        yield SECRET.found(f"by a secret that both sides hold: {listed(names)}", *sorted(names), client=listed(names))


def _own_api(facts: ClientFacts) -> Iterator[Finding]:
    """Every API may report what it refused; few need the rest."""
    holders: Counter[str] = Counter()
    for client in facts.model.clients.values():
        if client.enabled and OWN_API in client.settings.resources:
            holders.update(facts.model.scopes_of(client) & OWN_SCOPES.keys())
    apis = len(facts.model.resources.keys() - {OWN_API})
    for scope, count in sorted(holders.items()):
        allowed = max(FEW, apis) if scope == ACCESS_REPORT else FEW
        if count > allowed:
            yield OWN_API_HELD.found(f"{count} clients may ask for {scope}", scope)


GROUP = Group("clients", CHECKS, examine, missing=UNSEEN)
