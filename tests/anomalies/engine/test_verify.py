"""What the relay publishes is what the journal holds, by one digest; anything else is found."""

from __future__ import annotations

import pytest

from consumers.anomalies.judge import Share
from consumers.anomalies.ledger import Ledger
from consumers.anomalies.verify import Diverged, Verifier, claim_of, digest_of
from consumers.durable import Delivered
from schema.envelope import Context, RecordedEvent
from schema.events import EVENT_TYPES
from schema.streams import new_stream
from service.journal.port import Append
from service.journal.postgres import PostgresJournal
from service.journal.stream import message_of
from tests.relay.support import ISSUED, REVOKED
from tests.servers import Database


def delivered(recorded: RecordedEvent) -> Delivered:
    """The message of an event, as it comes from JetStream."""
    subject, lines, data = message_of(recorded, "https://auth.example.com")
    return Delivered(recorded.position, subject.encode(), f"NATS/1.0\r\n{lines}\r\n".encode(), data, b"")


async def test_journal_and_stream_have_one_digest(journal: PostgresJournal, database: Database) -> None:
    """With and without source and trace, with letters of any kind and line ends, message and row say the same."""
    contexts = (
        Context(),
        Context("grüße", "192.0.2.1", "00-1-2-01"),
        Context("a\r\nb", "not an\r\naddress"),
        Context(trace="00-3-4-00"),
    )
    for context in contexts:
        await journal.append(Append(new_stream(), 0, (ISSUED, REVOKED), context))
    recorded = await journal.read(0, 100)
    ledger = await Ledger.take(database.service_url, Share())
    assert ledger is not None
    claims = [claim_of(delivered(each)) for each in recorded]
    assert await ledger.claims(1, 8) == claims
    assert await ledger.digest(1, 8) == digest_of(claims)
    facts, position, problem = await Verifier(ledger, EVENT_TYPES).verified([delivered(each) for each in recorded], 0)
    expected = [each.fact() for each in recorded]
    assert [fact._replace(source=None) for fact in facts] == [fact._replace(source=None) for fact in expected]
    assert (position, problem) == (8, None)
    ledger.close()


@pytest.mark.parametrize("field", ["stream", "version", "type", "client", "source", "time", "data"])
async def test_each_altered_part_is_found(journal: PostgresJournal, database: Database, field: str) -> None:
    """A message of which one part is not the journal's is named, and what came before it is good."""
    await journal.append(Append(new_stream(), 0, (ISSUED, REVOKED, REVOKED), Context(source="192.0.2.1")))
    messages = [delivered(each) for each in await journal.read(0, 100)]
    second = messages[1]
    forged = {
        "stream": second._replace(headers=second.headers.replace(b"ce-subject: 0", b"ce-subject: 1")),
        "version": second._replace(headers=second.headers.replace(b"ce-version: 2", b"ce-version: 3")),
        "type": second._replace(
            subject=second.subject.replace(b"token.revoked", b"grant.revoked"),
            headers=second.headers.replace(b"token.revoked", b"grant.revoked"),
        ),
        "client": second._replace(subject=second.subject.replace(b"billing-worker", b"other")),
        "source": second._replace(headers=second.headers.replace(b"192.0.2.1", b"192.0.2.2")),
        "time": second._replace(headers=second.headers.replace(b"ce-time: 2", b"ce-time: 1")),
        "data": second._replace(data=second.data.replace(b"caller", b"nobody")),
    }
    ledger = await Ledger.take(database.service_url, Share())
    assert ledger is not None
    messages[1] = forged[field]
    facts, position, problem = await Verifier(ledger, EVENT_TYPES).verified(messages, 0)
    assert (len(facts), position) == (1, 1)
    assert isinstance(problem, Diverged)
    assert f"is not the journal's event: its {field} differ" in str(problem)
    ledger.close()
