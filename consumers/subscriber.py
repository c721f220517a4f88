"""A subscriber that cannot miss an event without knowing: sequence = position, so after N comes N + 1 or a `Gap`.

SubscriberError
├── Gap         the stream goes on elsewhere than after the last event
└── NotAnEvent  a message of the stream is not an event of the journal (poison: nothing after it is yielded)
"""

from __future__ import annotations

import datetime as dt
import fnmatch
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import aclosing
from uuid import UUID

from consumers.stream_reader import ALL, StreamMessage, StreamReader
from schema.envelope import SUBJECT_PREFIX, RecordedEvent
from schema.events import EVENT_TYPES


class SubscriberError(Exception):
    """Base of what ends a subscription."""


class Gap(SubscriberError):
    """`found` came where `expected` should have."""

    def __init__(self, expected: int, found: int) -> None:
        super().__init__(f"a gap in the stream: expected sequence {expected}, found {found}")
        self.expected = expected
        self.found = found


class NotAnEvent(SubscriberError):
    """The stream holds a message that the relay did not publish."""


def subjects_of(types: str | None = None, client: str | None = None) -> tuple[str, ...]:
    """The subjects of event types that match a shell glob, and of a client; without either, of all events.

    Raises ValueError when the glob matches no type.
    """
    if types is None:
        return ALL if client is None else (f"{SUBJECT_PREFIX}.*.*.{client}",)
    matching = fnmatch.filter(EVENT_TYPES, types)
    if not matching:
        raise ValueError(f"no event type matches {types!r}")
    return tuple(f"{SUBJECT_PREFIX}.{name}.{client or '*'}" for name in matching)


class Subscriber:
    """The events after a position, in order, as they come: `async for event in Subscriber(url, after)`.

    `after` None begins with the first event that the stream holds. `subjects` narrows them (see `subjects_of`); only
    without it is a gap seen at once. It ends after position `until`; without `follow`, also where the stream ends. It
    goes on after whatever happens to NATS; `position` is the last event that was yielded. Iterating raises Gap or
    NotAnEvent.
    """

    def __init__(
        self,
        url: str,
        after: int | None,
        *,
        subjects: Sequence[str] = ALL,
        until: int | None = None,
        follow: bool = True,
        name: str = "tallystick-subscriber",
        timeout: float = 5.0,
        retry: float = 0.5,
    ) -> None:
        self._reader = StreamReader(
            url, after, subjects=subjects, until=until, follow=follow, name=name, timeout=timeout, retry=retry
        )
        self._whole = tuple(subjects) == ALL
        self.position = after

    def __aiter__(self) -> AsyncIterator[RecordedEvent]:
        return self.events()

    async def events(self) -> AsyncGenerator[RecordedEvent, None]:
        """The events; close it (`contextlib.aclosing`) to disconnect."""
        async with aclosing(self._reader.messages()) as messages:
            async for message in messages:
                self._require_next(message.sequence)
                event = event_of(message)
                self.position = message.sequence
                yield event

    def _require_next(self, sequence: int) -> None:
        expected = sequence if self.position is None else self.position + 1
        if sequence < expected or (self._whole and sequence != expected):
            raise Gap(expected, sequence)


def event_of(message: StreamMessage) -> RecordedEvent:
    """The event that a message of the stream carries. Raises NotAnEvent."""
    headers = message.headers
    name, _, client = message.subject.removeprefix(f"{SUBJECT_PREFIX}.").rpartition(".")
    try:
        event = RecordedEvent(
            position=int(headers["ce-id"]),
            stream=UUID(headers["ce-subject"]),
            version=int(headers["ce-version"]),
            type=name,
            client=client,
            data=message.data.decode(),
            actor=headers["ce-actor"],
            source=headers.get("ce-sourceaddress"),
            trace=headers.get("traceparent"),
            recorded_at=dt.datetime.fromisoformat(headers["ce-time"]),
        )
    except (KeyError, ValueError) as error:
        raise NotAnEvent(f"the message at sequence {message.sequence} is not an event: {error}") from error
    if event.position != message.sequence or headers.get("ce-type") != f"tallystick.{name}.v1":
        raise NotAnEvent(
            f"the message at sequence {message.sequence} on {message.subject} says that it is event {event.position}"
            f" of type {headers.get('ce-type')}"
        )
    return event
