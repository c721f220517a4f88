import asyncio
import datetime as dt
from collections.abc import Sequence

import pytest

from service.journal import group_commit
from service.journal.group_commit import GroupCommit, Outcome
from service.journal.port import Append, Appended, JournalUnavailable
from tests.journal.contract import outcome_of, request, until

MOMENT = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)


class Store:
    """Records the batches it is given; commits them when it is let."""

    def __init__(self) -> None:
        self.batches: list[list[Append]] = []
        self.gate = asyncio.Event()
        self.error: Exception | None = None

    async def commit(self, requests: Sequence[Append]) -> Sequence[Outcome]:
        """One outcome per request, or the error."""
        self.batches.append(list(requests))
        await self.gate.wait()
        if self.error is not None:
            raise self.error
        return [Appended(1, 1, MOMENT) for _ in requests]


async def test_what_waits_during_a_commit_goes_together_in_order() -> None:
    """The next commit takes all that waits, in the order it came, at most so many."""
    store = Store()
    group = GroupCommit(store.commit, limit=100, batch=4, deadline=5)
    group.start()
    requests = [request() for _ in range(8)]
    callers = [asyncio.create_task(group.submit(requests[0]))]
    await until(lambda: len(store.batches) == 1)
    callers += [asyncio.create_task(group.submit(one)) for one in requests[1:]]
    await until(lambda: group.depth == 8)
    store.gate.set()
    await asyncio.gather(*callers)
    assert [requests[:1], requests[1:5], requests[5:]] == store.batches
    await group.stop()


@pytest.mark.parametrize(("batch", "patience", "sizes"), [(100, 60.0, [10]), (4, 60.0, [4, 4, 2]), (100, 0.0, [1, 9])])
async def test_a_commit_waits_while_more_keep_coming(
    batch: int, patience: float, sizes: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Requests that come one after the other, one in each turn of the event loop, go together; not more than a commit
    takes, and not after its time.
    """
    monkeypatch.setattr(group_commit, "_PATIENCE", patience)
    store = Store()
    group = GroupCommit(store.commit, limit=100, batch=batch, deadline=60)
    group.start()

    async def submit_in_turn(turn: int) -> None:
        for _ in range(turn):
            await asyncio.sleep(0)
        await group.submit(request())

    callers = [asyncio.create_task(submit_in_turn(turn)) for turn in range(10)]
    await until(lambda: group.depth == 10)
    store.gate.set()
    await asyncio.gather(*callers)
    assert sizes == [len(each) for each in store.batches]
    await group.stop()


@pytest.mark.parametrize(
    ("first", "then", "sizes"), [(1, 1, [1, 1]), (2, 4, [2, 4]), (2, 3, [2])], ids=["alone", "a whole batch", "fewer"]
)
async def test_after_a_commit_of_several_the_next_has_its_time(
    first: int, then: int, sizes: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Requests that come one after the other wait for nothing, nor do as many as a commit takes."""
    monkeypatch.setattr(group_commit, "_SPACING", 3_600.0)
    store = Store()
    store.gate.set()
    group = GroupCommit(store.commit, limit=100, batch=4, deadline=60)
    group.start()
    await asyncio.gather(*(group.submit(request()) for _ in range(first)))
    callers = [asyncio.create_task(group.submit(request())) for _ in range(then)]
    for _ in range(100):
        await asyncio.sleep(0)
    assert sizes == [len(each) for each in store.batches]
    assert all(caller.done() for caller in callers) == (len(sizes) == 2)
    for caller in callers:
        caller.cancel()


async def test_what_waits_for_its_time_is_committed_then(monkeypatch: pytest.MonkeyPatch) -> None:
    """Counted from the begin of the commit before."""
    monkeypatch.setattr(group_commit, "_SPACING", 0.03)
    begun: list[float] = []
    store = Store()
    store.gate.set()

    async def commit(requests: Sequence[Append]) -> Sequence[Outcome]:
        begun.append(asyncio.get_running_loop().time())
        return await store.commit(requests)

    group = GroupCommit(commit, limit=100, batch=4, deadline=60)
    group.start()
    await asyncio.gather(group.submit(request()), group.submit(request()))
    await group.submit(request())
    assert [len(each) for each in store.batches] == [2, 1]
    assert begun[1] - begun[0] >= 0.029
    await group.stop()


@pytest.mark.parametrize("error", [JournalUnavailable("away"), RuntimeError("nobody foresaw this")])
async def test_a_commit_that_raises_fails_its_batch_alone(error: Exception) -> None:
    """Whatever a commit raises, its callers are told that it failed, and the next commit is tried."""
    store = Store()
    store.gate.set()
    group = GroupCommit(store.commit, limit=100, batch=4, deadline=5)
    group.start()
    store.error = error
    outcomes = await asyncio.gather(*(outcome_of(group.submit(request())) for _ in range(3)))
    assert {JournalUnavailable} == {type(outcome) for outcome in outcomes}
    store.error = None
    assert isinstance(await group.submit(request()), Appended)
    await group.stop()


async def test_nothing_is_sent_for_callers_that_have_all_gone() -> None:
    """Where every waiting caller went away there is no empty commit."""
    store = Store()
    group = GroupCommit(store.commit, limit=100, batch=4, deadline=5)
    group.start()
    first = asyncio.create_task(group.submit(request()))
    await until(lambda: len(store.batches) == 1)
    gone = [asyncio.create_task(group.submit(request())) for _ in range(3)]
    await until(lambda: group.depth == 4)
    for caller in gone:
        caller.cancel()
    store.gate.set()
    await first
    await group.submit(request())
    assert [len(batch) for batch in store.batches] == [1, 1]
    await group.stop()
