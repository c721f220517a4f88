import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.journal.coalesced import Coalesced


class Work:
    """Counts its runs, and how many are under way at once."""

    def __init__(self) -> None:
        self.begun = 0
        self.under_way = 0
        self.most = 0
        self.pauses = 3
        self.error: Exception | None = None

    async def __call__(self) -> int:
        """A run that takes a few turns of the loop; its result is its number."""
        self.begun += 1
        number = self.begun
        self.under_way += 1
        self.most = max(self.most, self.under_way)
        try:
            for _ in range(self.pauses):
                await asyncio.sleep(0)
            if self.error is not None:
                raise self.error
        finally:
            self.under_way -= 1
        return number


@given(st.lists(st.integers(0, 8), min_size=1, max_size=25), st.integers(0, 4))
def test_a_caller_gets_a_run_that_began_after_it_asked_and_runs_do_not_overlap(waits: list[int], pauses: int) -> None:
    """Whenever callers ask, one run is under way at a time, and a caller's began after it asked."""

    async def ask_all() -> None:
        work = Work()
        work.pauses = pauses
        coalesced = Coalesced(work)

        async def ask() -> None:
            before = work.begun
            assert before < await coalesced()

        asking = []
        for turns in waits:
            for _ in range(turns):
                await asyncio.sleep(0)
            asking.append(asyncio.create_task(ask()))
        await asyncio.gather(*asking)
        assert work.most == 1
        assert work.begun <= len(waits)

    asyncio.run(ask_all())


async def test_who_asks_during_a_run_shares_the_next() -> None:
    """Any number of callers during one run make one more."""
    work = Work()
    coalesced = Coalesced(work)
    first = asyncio.create_task(coalesced())
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert work.begun == 1
    assert await asyncio.gather(*(coalesced() for _ in range(10))) == [2] * 10
    assert (await first, work.begun) == (1, 2)


async def test_a_caller_that_goes_away_does_not_end_the_run_of_others() -> None:
    """Cancelling one caller leaves the run to those who share it."""
    coalesced = Coalesced(Work())
    first, second = asyncio.create_task(coalesced()), asyncio.create_task(coalesced())
    await asyncio.sleep(0)
    first.cancel()
    second_outcome = await second
    assert second_outcome in {1, 2}


async def test_a_failed_run_is_told_to_those_who_shared_it_and_the_next_one_runs() -> None:
    """A failure is that of one run only."""
    work = Work()
    work.error = OSError("away")
    coalesced = Coalesced(work)
    for _ in range(2):
        with pytest.raises(OSError, match="away"):
            await coalesced()
    work.error = None
    assert await coalesced() == 3
