"""All that one worker knows: access model, accounts, keys and recent grants, at one position of the journal."""

from __future__ import annotations

from projections.access_model import AccessModel
from projections.accounts import Accounts
from projections.grants import GrantCache
from projections.keyset import KeySet
from schema import events
from schema.envelope import Fact

_FOLDED_BY_GRANTS = (events.TokenIssued, events.TokenRevoked, events.GrantRevoked)
_CHANGES_NO_ANSWER = (events.TokenIssued, events.AccessRejected)


class WorkerState:
    """The folds that a worker answers from. `position` is that of the last event folded."""

    def __init__(self, grant_limit: int) -> None:
        self.access = AccessModel()
        self.accounts = Accounts()
        self.keys = KeySet()
        self.grants = GrantCache(grant_limit)
        self.position = 0

    def apply(self, fact: Fact) -> None:
        """Fold the next event. Raises whatever a fold raises on an event it cannot understand (poison)."""
        if isinstance(fact.event, _FOLDED_BY_GRANTS):
            self.grants.apply(fact)
        elif not isinstance(fact.event, events.AccessRejected):
            self.access.apply(fact)
            self.accounts.apply(fact)
            self.keys.apply(fact)
        self.position = fact.position


def takes_away(event: events.Event) -> bool:
    """Whether other workers wait to hear that this event was folded: all but issuance and rejection may end a right."""
    return not isinstance(event, _CHANGES_NO_ANSWER)
