"""Holds the journal and the stream to what a load was answered."""

from __future__ import annotations

from base64 import urlsafe_b64decode
from collections import Counter
from uuid import UUID

import msgspec
import psycopg

from service.tokens.handles import ACCESS_TOKEN, parse_access_token
from tests.load import Answers


def grant_of(token: str) -> UUID:
    """The grant of a token that this server issued."""
    if token.startswith(ACCESS_TOKEN):
        return parse_access_token(token)
    payload = token.split(".")[1]
    return UUID(msgspec.json.decode(urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))["grant_id"])


class JournalText:
    """What the journal holds, read by the owner in a plain SQL session."""

    def __init__(self, owner_url: str) -> None:
        with psycopg.connect(owner_url) as connection:
            rows = connection.execute(
                "SELECT position, stream, type, data::text, concat_ws(' ', client, actor, source, trace) "
                "FROM journal.events ORDER BY position"
            ).fetchall()
        self.positions = [row[0] for row in rows]
        self.types = Counter(row[2] for row in rows)
        self.issued = {row[1] for row in rows if row[2] == "token.issued"}
        self.revoked = {row[1] for row in rows if row[2] == "token.revoked"}
        self.text = "\n".join(f"{row[3]} {row[4]}" for row in rows)

    def assert_dense(self) -> None:
        """Positions are 1…N."""
        assert list(range(1, len(self.positions) + 1)) == self.positions

    def assert_receipts(self, answers: Answers) -> None:
        """Every token that a caller holds, and every revocation that was answered, has its event."""
        assert set() == {grant_of(token) for token, _ in answers.held} - self.issued
        assert set() == {grant_of(token) for token in answers.revoked} - self.revoked

    def assert_no_secret(self, *texts: str) -> None:
        """None of the texts, nor the signature or secret part of a token, is in any event."""
        assert [text for text in texts if text in self.text] == []
