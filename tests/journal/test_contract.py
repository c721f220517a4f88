import pytest

from tests.journal.benches import MemoryBench, PostgresBench
from tests.journal.contract import Bench, JournalContract
from tests.servers import Database


class TestMemoryJournal(JournalContract):
    @pytest.fixture
    async def bench(self) -> Bench:
        """An empty journal in memory."""
        return MemoryBench()


class TestPostgresJournal(JournalContract):
    @pytest.fixture
    async def bench(self, database: Database) -> Bench:
        """An empty journal in Postgres."""
        return PostgresBench(database)
