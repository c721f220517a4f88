"""Notes when an API says that a token came from a network that is new for its grant (RFC 7662 section 2.1).

An API may tell from where the token that it asks about came to it. The network of the token's issuance is known, and
so are those noted before; only a new one becomes a `token.source_observed` event. The answer does not wait for it.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from ipaddress import ip_address

from projections.grants import Token
from projections.token_sources import TokenSources
from schema.envelope import Context
from schema.events import TokenSourceObserved
from schema.networks import network_of
from schema.streams import new_stream
from service.errors import InvalidRequest
from service.journal.port import Append, Journal, JournalError
from service.printable import printable
from service.tokens.find import FoundToken

log = logging.getLogger(__name__)

_UNDER_WAY = 256
_SHOWN_AGENT = 200


class Told:
    """What an API tells of who brought it the token: an address, and perhaps a user agent."""

    __slots__ = ("source", "user_agent")

    def __init__(self, source: str, user_agent: str | None) -> None:
        self.source = source
        self.user_agent = user_agent


def told(form: Mapping[str, str]) -> Told | None:
    """The parameters `source_address` and `user_agent`; None without an address. Raises InvalidRequest."""
    address = form.get("source_address")
    if address is None:
        return None
    try:
        # A zone (RFC 4007) is a name of the API's own machine: text of any length that tells nothing here.
        source = str(ip_address(address if "%" not in address else ""))
    except ValueError:
        raise InvalidRequest("bad_source_address", "source_address is not an IP address.") from None
    agent = form.get("user_agent")
    return Told(source, None if agent is None else printable(agent, _SHOWN_AGENT))


class Observer:
    """Journals what is new, in the background; what cannot be journalled now may be observed again."""

    def __init__(self, journal: Journal, seen: TokenSources) -> None:
        self._journal = journal
        self._seen = seen
        self._under_way: set[asyncio.Task[None]] = set()

    def observe(self, found: FoundToken, token: Token, introspector: str, told_by: Told, context: Context) -> None:
        """An API saw an active token come from an address."""
        network, grant_id = network_of(told_by.source), str(found.grant_id)
        if token.source is not None and network == network_of(token.source):
            return
        if len(self._under_way) >= _UNDER_WAY or not self._seen.is_new(grant_id, network):
            return
        self._seen.note(grant_id, network)
        event = TokenSourceObserved(
            client_id=token.client_id,
            subject=token.subject,
            token_id=found.token_id,
            introspector=introspector,
            source=told_by.source,
            issued_from=token.source,
            user_agent=told_by.user_agent,
        )
        task = asyncio.create_task(self._note(event, grant_id, network, context))
        self._under_way.add(task)
        task.add_done_callback(self._under_way.discard)

    async def stop(self) -> None:
        """Wait for what is under way."""
        await asyncio.gather(*self._under_way)

    async def _note(self, event: TokenSourceObserved, grant_id: str, network: str, context: Context) -> None:
        try:
            await self._journal.append(Append(new_stream(), 0, (event,), context))
        except JournalError as error:
            self._seen.forget(grant_id, network)
            log.warning("where a token came from is not journalled: %s", error)
