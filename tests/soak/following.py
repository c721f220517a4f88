"""Followers of the record that begin before, during and after a load of events, and are killed and begun again at
random meanwhile: what each of them has taken in when all is over.

What follows is up to the test: Server-Sent Events, webhooks, the NATS stream. It keeps what survives its death in a
`Taken`, as a subscriber keeps its checkpoint.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from schema.envelope import Context
from schema.events import AuditRead, Event, TokenIssued
from schema.streams import new_stream
from service.journal.port import Append
from service.journal.postgres import PostgresJournal

FIRST, LAST = "before", "after"
STARTS = (FIRST, "during", LAST)

_BATCH = 20
_AT_ONCE = 16
_CAUGHT_UP_SECONDS = 120.0


@dataclass
class Taken:
    """What a follower has taken in, in the order in which it came: positions, those of earlier lives included."""

    positions: list[int] = field(default_factory=list)

    @property
    def last(self) -> int:
        """The highest position taken in, 0 for none."""
        return max(self.positions[-1:], default=0)

    def reaches(self, head: int) -> bool:
        """Whether the last came in: enough where all come in order."""
        return self.last >= head

    def has_all(self, head: int) -> bool:
        """Whether exactly the positions of the journal up to its head came in, in whatever order and however often."""
        return len(self.positions) >= head and set(range(1, head + 1)) == set(self.up_to(head))

    def up_to(self, position: int) -> list[int]:
        """Those up to a position, in the order in which they came."""
        return [one for one in self.positions if one <= position]


Follow = Callable[[Taken], Awaitable[None]]
"""One life of a follower: goes on after what is taken, notes each event, and returns when its connection ends."""


async def load(journal: PostgresJournal, count: int) -> int:
    """Append events until the journal has `count`; returns its head."""
    chance, head = random.Random(count), await journal.head()
    while head < count:
        requests = (Append(new_stream(), 0, _events(chance), Context("load", "192.0.2.7")) for _ in range(_AT_ONCE))
        head = max(appended.last for appended in await asyncio.gather(*map(journal.append, requests)))
        await asyncio.sleep(0)
    return head


async def followed(
    journal: PostgresJournal,
    follow: Follow,
    count: int,
    *,
    seed: int,
    life: tuple[float, float],
    whole: Callable[[Taken, int], bool] = Taken.reaches,
    patience: float = _CAUGHT_UP_SECONDS,
) -> tuple[dict[str, Taken], int]:
    """What each follower took in while the journal grew to `count` events, and the head that all were waited for.

    `life` is the shortest and the longest time, in seconds, after which a follower is killed while the load goes on;
    `whole` says whether one has all up to the head, which each must have `patience` seconds after the load.
    """
    taken = {start: Taken() for start in STARTS}
    done = asyncio.Event()

    async def live(start: str) -> None:
        chance = random.Random(f"{seed}/{start}")
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(None if done.is_set() else chance.uniform(*life)):
                    await follow(taken[start])
            await asyncio.sleep(0.01)

    lives = [asyncio.create_task(live(FIRST))]
    try:
        await load(journal, count // 3)
        lives.append(asyncio.create_task(live(STARTS[1])))
        head = await load(journal, count)
        lives.append(asyncio.create_task(live(LAST)))
        await asyncio.sleep(life[1])
        done.set()
        async with asyncio.timeout(patience):
            while not all(whole(each, head) for each in taken.values()):
                await asyncio.sleep(0.2)
    finally:
        for each in lives:
            each.cancel()
        await asyncio.gather(*lives, return_exceptions=True)
    return taken, head


def _events(chance: random.Random) -> tuple[Event, ...]:
    """A grant that a client got, or something else, many times over."""
    client = f"client-{chance.randrange(20)}"
    issued = TokenIssued(
        client_id=client,
        subject=client,
        audience="https://api.example.com/users",
        scope="read:users",
        number=1,
        grant_type="client_credentials",
        auth_method="client_secret_basic",
        format="jwt",
        issued_at=1_767_225_600,
        expires_at=1_767_226_200,
    )
    other = (AuditRead(client_id=client, subject=client, via="page", after=number) for number in range(_BATCH - 1))
    return (issued, *list(other)[: chance.randrange(1, _BATCH)])
