import datetime as dt
from uuid import UUID

import msgspec
import pytest

from schema import events
from schema.envelope import RecordedEvent, client_of, headers_of, subject_of
from tests.schema.samples import SAMPLES

STREAM = UUID("019b76da-a800-7000-8000-000000000001")
RECORDED = RecordedEvent(
    position=42,
    stream=STREAM,
    version=2,
    type="token.revoked",
    client="billing-worker",
    data='{"number":1,"client_id":"billing-worker","reason":"client_request"}',
    actor="billing-worker",
    source="192.0.2.7",
    trace="00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
    recorded_at=dt.datetime(2026, 1, 1, 1, 0, 0, 250_000, dt.timezone(dt.timedelta(hours=1))),
)


def test_subject_carries_type_and_client() -> None:
    """The subject is `tally.v1.<type>.<client id>`."""
    assert subject_of("token.issued", "billing-worker") == "tally.v1.token.issued.billing-worker"


def test_headers_are_cloudevents() -> None:
    """The headers are those of CloudEvents 1.0 in binary mode, with the trace."""
    assert {
        "ce-specversion": "1.0",
        "ce-id": "42",
        "ce-source": "https://auth.example.com",
        "ce-type": "tallystick.token.revoked.v1",
        "ce-subject": str(STREAM),
        "ce-time": "2026-01-01T00:00:00.250000Z",
        "ce-version": "2",
        "ce-actor": "billing-worker",
        "ce-sourceaddress": "192.0.2.7",
        "traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
        "Content-Type": "application/json",
    } == headers_of(RECORDED, "https://auth.example.com")


def test_headers_leave_out_what_is_not_known() -> None:
    """Where there is no address and no trace there is no header for it."""
    bare = msgspec.structs.replace(RECORDED, source=None, trace=None)
    assert {"ce-sourceaddress", "traceparent"} == set(headers_of(RECORDED, "x")) - set(headers_of(bare, "x"))


@pytest.mark.parametrize("sample", SAMPLES, ids=lambda sample: sample.TYPE)
def test_subject_names_the_client_or_nobody(sample: events.Event) -> None:
    """An event about a client is published under its id, any other under `_`."""
    assert getattr(sample, "client_id", "_") == client_of(sample)


def test_a_claimed_client_is_nobody() -> None:
    """What a caller merely claims never makes a subject."""
    rejected = events.AccessRejected(
        endpoint="token", error="invalid_client", reason="unknown_client", status=401, claimed_client="a.b.>"
    )
    assert client_of(rejected) == "_"


def test_fact_is_the_decoded_event_at_its_place() -> None:
    """A recorded event becomes the fact that folds take."""
    fact = RECORDED.fact()
    assert (fact.position, fact.stream, fact.version) == (42, STREAM, 2)
    assert (RECORDED.recorded_at, "192.0.2.7") == (fact.recorded_at, fact.source)
    assert events.TokenRevoked(number=1, client_id="billing-worker", reason="client_request") == fact.event


def test_fact_of_an_unknown_type_raises() -> None:
    """A recorded event of a later version is poison, not a blank."""
    with pytest.raises(events.UnknownEventType):
        msgspec.structs.replace(RECORDED, type="token.teleported").fact()
