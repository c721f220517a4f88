"""A typical day in one run: by far the most requests ask about tokens, and few begin or end one.

What is written keeps the proportions of the journal of such a day (`benchmarks/mix.py`: of 76 events 40 are tokens of
machines, 24 refreshed ones, 8 refusals, 4 revocations), and is a fifth of all; gateways ask a fifth of all, APIs the
rest.
"""

from __future__ import annotations

from benchmarks.load import Case, Mixed
from benchmarks.peers.clients import WORKER, Clients
from benchmarks.peers.peer import DAY, ISSUANCE_JWT, Round

INTROSPECTIONS, VERIFICATIONS, ISSUANCES, REFRESHES, REFUSALS, REVOCATIONS = 600, 200, 105, 63, 21, 11
"""Of a thousand requests."""
_OF_USES = 5


def day(clients: Clients, to_use: Round, owner: str, rotation: Case, verify: str | None = None) -> Mixed:
    """Of one server: tokens of `owner` are asked about, and others of it revoked. Where it has no `/verify` address,
    its APIs ask for what gateways would have.

    A run that is quick enough to need more revocations than a fifth of its uses ends with the last.
    """
    tokens = to_use.uses // _OF_USES
    introspection = clients.introspection_of(owner, tokens)
    verification = introspection if verify is None else clients.verification(verify, introspection)
    parts = (
        (INTROSPECTIONS, introspection),
        (VERIFICATIONS, verification),
        (ISSUANCES, clients.issuance(ISSUANCE_JWT, WORKER)),
        (REFRESHES, rotation),
        (REFUSALS, clients.refusal(WORKER)),
        (REVOCATIONS, clients.revocation_of(owner, tokens)),
    )
    return Mixed(DAY, parts)
