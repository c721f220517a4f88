"""Which events a reader asks for: read from the query, held against one event at a time.

`service/audit/pages.py` says the same in SQL; a property test holds the two, and the journal, equal.
"""

from __future__ import annotations

import datetime as dt
import fnmatch
import re
from collections.abc import Mapping
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Any, NamedTuple
from uuid import UUID

import msgspec

from schema.envelope import RecordedEvent
from schema.events import EVENT_TYPES
from service.http.query import Query, bad_parameter
from service.printable import printable
from service.usage.periods import EARLIEST, LATEST

Network = IPv4Network | IPv6Network

FILTERS = ("type", "client", "subject", "grant", "source", "since", "until")
REPEATABLE = ("type",)

_SHOWN = 200
_GLOBS = 20
_LONGEST_GLOB = 100
_MAPPED = 96
_RFC_3339 = re.compile(r"\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(\.\d+)?([Zz]|[+-]\d\d:\d\d)")


class _About(msgspec.Struct):
    """Of an event's data, whom it is about."""

    subject: Any = None


_about = msgspec.json.Decoder(_About)


class Filters(NamedTuple):
    """What events must be; None where anything will do. `asked` are the filters as they came, for the record.

    `subject` is the one in an event's data: of tokens, grants, sessions and consents whom they are for, of account
    events the account. `since` is the first moment, `until` the one after the last.
    """

    types: frozenset[str] | None = None
    client: str | None = None
    subject: str | None = None
    grant: UUID | None = None
    network: Network | None = None
    since: dt.datetime | None = None
    until: dt.datetime | None = None
    asked: Mapping[str, str] = {}

    def match(self, event: RecordedEvent) -> bool:
        """Whether an event is asked for."""
        return (
            (self.types is None or event.type in self.types)
            and (self.client is None or event.client == self.client)
            and (self.grant is None or event.stream == self.grant)
            and (self.since is None or event.recorded_at >= self.since)
            and (self.until is None or event.recorded_at < self.until)
            and (self.network is None or within(event.source, self.network))
            and (self.subject is None or _about.decode(event.data).subject == self.subject)
        )


def read_filters(query: Query) -> Filters:
    """The filters of a query. Raises BadParameter."""
    given = {name: query[name][0] for name in FILTERS if name in query}
    return Filters(
        types=_types(query["type"]) if "type" in query else None,
        client=given.get("client"),
        subject=given.get("subject"),
        grant=_grant(given["grant"]) if "grant" in given else None,
        network=_network(given["source"]) if "source" in given else None,
        since=_moment("since", given["since"]) if "since" in given else None,
        until=_moment("until", given["until"]) if "until" in given else None,
        asked={name: printable(",".join(query[name]), _SHOWN) for name in given},
    )


def within(source: str | None, network: Network) -> bool:
    """Whether a source address is one of a network. An IPv4 address within IPv6 is the IPv4 address."""
    if source is None or "%" in source:
        return False
    try:
        address = ip_address(source)
    except ValueError:
        return False
    return _unmapped(address) in network


def _unmapped(address: IPv4Address | IPv6Address) -> IPv4Address | IPv6Address:
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return address if mapped is None else mapped


def _types(globs: tuple[str, ...]) -> frozenset[str]:
    if len(globs) > _GLOBS:
        raise bad_parameter("type", f"is given more than {_GLOBS} times")
    found: set[str] = set()
    for glob in globs:
        if len(glob) > _LONGEST_GLOB:
            raise bad_parameter("type", f"is longer than {_LONGEST_GLOB} characters")
        # Not fnmatch.filter, which keeps the patterns of tens of thousands of globs.
        matching = set(filter(re.compile(fnmatch.translate(glob)).match, EVENT_TYPES))
        if not matching:
            raise bad_parameter("type", "matches no type of event")
        found.update(matching)
    return frozenset(found)


def _grant(text: str) -> UUID:
    try:
        return UUID(text)
    except ValueError:
        raise bad_parameter("grant", "is not the id of a grant") from None


def _network(text: str) -> Network:
    try:
        network = ip_network(text, strict=False)
    except ValueError:
        raise bad_parameter("source", "is neither an IP address nor a network, such as 192.0.2.0/24") from None
    if isinstance(network, IPv6Network) and "%" in text:
        raise bad_parameter("source", "has a zone")
    if isinstance(network, IPv6Network) and network.prefixlen >= _MAPPED:
        mapped = network.network_address.ipv4_mapped
        if mapped is not None:
            return IPv4Network((mapped, network.prefixlen - _MAPPED))
    return network


def _moment(name: str, text: str) -> dt.datetime:
    try:
        if not _RFC_3339.fullmatch(text):
            raise ValueError(text)
        moment = dt.datetime.fromisoformat(text.upper()).astimezone(dt.UTC)
    except (ValueError, OverflowError):
        raise bad_parameter(name, "is not a time, such as 2026-01-31T12:00:00Z (a + is written %2B)") from None
    if not EARLIEST <= moment < LATEST:
        raise bad_parameter(name, "is not a moment between the years 2000 and 2200")
    return moment
