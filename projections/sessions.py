"""Sessions: who is signed in at which browser, in memory, bounded."""

from __future__ import annotations

import msgspec

from projections.accounts import Account
from projections.stream_cache import AWAKE, StreamCache
from schema import events
from schema.envelope import Fact


class Session(msgspec.Struct, array_like=True, weakref=True):
    """A session. Times are in seconds; `digest` is that of the cookie that holds now.

    `position` is that of the sign-in that it rests on, `started_at` the time of the first one.
    """

    version: int = 0
    subject: str = ""
    digest: str = ""
    started_at: int = 0
    auth_time: int = 0
    expires_at: int = 0
    amr: tuple[str, ...] = ()
    acr: str = ""
    user_agent: str | None = None
    position: int = 0
    ended: bool = False

    def apply(self, fact: Fact) -> None:
        """Fold one event of this session's stream; one that was folded before changes nothing."""
        if fact.version <= self.version:
            return
        match fact.event:
            case events.SessionStarted() | events.SessionRenewed() as signed_in:
                self.subject = signed_in.subject
                self.digest = signed_in.digest
                self.started_at = self.started_at or signed_in.auth_time
                self.auth_time = signed_in.auth_time
                self.expires_at = signed_in.expires_at
                self.amr = signed_in.amr
                self.acr = signed_in.acr
                self.user_agent = signed_in.user_agent
                self.position = fact.position
            case events.SessionEnded():
                self.ended = True
        self.version = fact.version

    @property
    def until(self) -> int:
        """The moment, in seconds, from which its lifetime is over."""
        return self.expires_at

    def alive(self, account: Account | None, now: float) -> bool:
        """Whether it is one of this account's that has neither ended nor expired."""
        return (
            account is not None
            and account.subject == self.subject
            and account.enabled
            and self.position > account.sessions_after
            and not self.ended
            and self.expires_at > now
        )


class SessionCache(StreamCache[Session]):
    """The most recently started sessions, at most `limit`, of which `awake` are objects."""

    def __init__(self, limit: int, awake: int = AWAKE) -> None:
        super().__init__(limit, Session, _began, SessionPacking(), awake)


class SessionPacking:
    """Packs sessions and unpacks them, equal to what they were."""

    def __init__(self) -> None:
        self.pack = msgspec.msgpack.Encoder().encode
        self.unpack = msgspec.msgpack.Decoder(Session).decode


def _began(fact: Fact) -> int | None:
    return fact.event.auth_time if isinstance(fact.event, events.SessionStarted) else None
