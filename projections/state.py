"""All that one worker knows, at one position: access model, accounts, consents and keys; recent grants, sessions,
failed guesses and where tokens were seen.
"""

from __future__ import annotations

from projections.access_model import AccessModel
from projections.accounts import Accounts
from projections.consents import Consents
from projections.grant_cache import GrantCache
from projections.keyset import KeySet
from projections.login_failures import LoginFailures
from projections.sessions import SessionCache
from projections.token_sources import TokenSources
from projections.wrong_user_codes import WrongUserCodes
from schema import events
from schema.envelope import Fact

_OF_GRANTS = (
    events.TokenIssued,
    events.TokenRefreshed,
    events.TokenRevoked,
    events.GrantRevoked,
    events.AuthorizationGranted,
    events.AuthorizationRedeemed,
    events.DeviceRequested,
    events.DeviceApproved,
    events.DeviceDenied,
    events.DeviceRedeemed,
    events.TokenReuseDetected,
)
_OF_SESSIONS = (events.SessionStarted, events.SessionRenewed, events.SessionEnded, events.LogoutNotified)
_OF_NO_ANSWER = (
    events.AuthorizationDenied,
    events.AccessThrottled,
    events.UsageRecorded,
    events.AuditRead,
    events.WebhookRegistered,
    events.WebhookUpdated,
    events.WebhookSecretRotated,
    events.WebhookDisabled,
    events.WebhookEnabled,
    events.WebhookRemoved,
    events.AnomalyDetected,
    events.AnomalyExtended,
    events.AnomalyAnswered,
    events.AnomalyAcknowledged,
)
_TAKE_NOTHING_AWAY = (
    *_OF_NO_ANSWER,
    events.TokenSourceObserved,
    events.AccessRejected,
    events.LoginFailed,
    events.TokenIssued,
    events.TokenRefreshed,
    events.AuthorizationGranted,
    events.AuthorizationRedeemed,
    events.DeviceRequested,
    events.DeviceApproved,
    events.DeviceRedeemed,
    events.SessionStarted,
    events.LogoutNotified,
)


class WorkerState:
    """The folds that a worker answers from. `position` is that of the last event folded."""

    def __init__(self, grant_limit: int, session_limit: int = 100_000, failures_kept: int = 50) -> None:
        self.access = AccessModel()
        self.accounts = Accounts()
        self.consents = Consents()
        self.keys = KeySet()
        self.grants = GrantCache(grant_limit)
        self.sessions = SessionCache(session_limit)
        self.login_failures = LoginFailures(failures_kept)
        self.wrong_user_codes = WrongUserCodes(failures_kept)
        self.token_sources = TokenSources()
        self.position = 0

    def apply(self, fact: Fact) -> None:
        """Fold the next event. Raises whatever a fold raises on an event it cannot understand (poison)."""
        if isinstance(fact.event, _OF_GRANTS):
            self.grants.apply(fact)
        elif isinstance(fact.event, _OF_SESSIONS):
            self.sessions.apply(fact)
        elif isinstance(fact.event, events.LoginFailed):
            self.login_failures.apply(fact)
        elif isinstance(fact.event, events.AccessRejected):
            self.wrong_user_codes.apply(fact)
        elif isinstance(fact.event, events.TokenSourceObserved):
            self.token_sources.apply(fact.event)
        elif not isinstance(fact.event, _OF_NO_ANSWER):
            self.access.apply(fact)
            self.accounts.apply(fact)
            self.consents.apply(fact)
            self.keys.apply(fact)
        self.position = fact.position


def takes_away(event: events.Event) -> bool:
    """Whether others wait to hear that this event was folded: all but what gives or refuses may end a right."""
    return not isinstance(event, _TAKE_NOTHING_AWAY)
