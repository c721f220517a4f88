from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable
from typing import Any

import msgspec
import pytest
from argon2 import Type, extract_parameters
from argon2.exceptions import InvalidHashError

from service.accounts import passwords as module
from service.accounts.passwords import Kept, Passwords, PasswordsBusy
from service.accounts.text import NotAllowed
from service.settings import Settings
from tests.accounts.conftest import CHEAP, KEY
from tests.accounts.test_strength import GOOD


async def test_a_password_matches_its_own_hash_alone(passwords: Passwords) -> None:
    """The right one, and nothing else."""
    kept = await passwords.hash("one", GOOD)
    assert await passwords.verify(kept, GOOD)
    for other in (GOOD.upper(), f"{GOOD} ", GOOD[:-1], "", "\0"):
        assert not await passwords.verify(kept, other)


async def test_hashes_are_argon2id_with_the_parameters_set() -> None:
    """The settings are in the hash, and the defaults are those documented."""
    passwords = Passwords(KEY, Settings())
    kept = await passwords.hash("one", GOOD)
    passwords.close()
    made = extract_parameters(kept.hash)
    assert (made.type, made.memory_cost, made.time_cost, made.parallelism) == (Type.ID, 65_536, 3, 1)
    assert (made.hash_len, made.salt_len) == (32, 16)


async def test_two_hashes_of_one_password_differ(passwords: Passwords) -> None:
    """Each hash has a salt of its own."""
    assert await passwords.hash("one", GOOD) != await passwords.hash("one", GOOD)


async def test_typed_differently_it_is_the_same_password(passwords: Passwords) -> None:
    """Composed or not, with whatever space a keyboard makes."""
    kept = await passwords.hash("one", "zoe\u0308 tulip\u00a0harbor")
    assert await passwords.verify(kept, "zoë tulip harbor")


async def test_a_hash_works_neither_for_another_account_nor_under_another_key(passwords: Passwords) -> None:
    """Who can write to the vault but has no master key can neither make a hash nor move one."""
    kept = await passwords.hash("one", GOOD)
    other = Passwords(bytes(32), Settings(**CHEAP))
    assert not await passwords.verify(kept._replace(subject="two"), GOOD)
    assert not await other.verify(kept, GOOD)
    other.close()


async def test_a_password_that_is_not_text_is_not_hashed(passwords: Passwords) -> None:
    """What no keyboard types the same again is refused."""
    with pytest.raises(NotAllowed):
        await passwords.hash("one", f"{GOOD}\0")


@pytest.mark.parametrize("typed", [GOOD, f"{GOOD}\0"])
async def test_an_unknown_account_costs_a_verification(
    passwords: Passwords, monkeypatch: pytest.MonkeyPatch, typed: str
) -> None:
    """With no hash to compare, or a password that none can have, one verification of the set parameters is made."""
    seen: list[str] = []
    matches = passwords._matches

    def counting(kept: Kept, digest: bytes) -> bool:
        seen.append(kept.hash)
        return matches(kept, digest)

    monkeypatch.setattr(passwords, "_matches", counting)
    assert not await passwords.verify(None, typed)
    (decoy,) = seen
    assert extract_parameters(decoy) == extract_parameters((await passwords.hash("one", GOOD)).hash)


async def test_an_unknown_account_takes_as_long() -> None:
    """Time does not tell whether an account exists."""
    passwords = Passwords(KEY, Settings(password_memory_kib=16_384, password_passes=2))
    kept = await passwords.hash("one", GOOD)

    async def seconds(known: Kept | None) -> float:
        began = time.perf_counter()
        assert not await passwords.verify(known, "another password")
        return time.perf_counter() - began

    rounds = [(await seconds(kept), await seconds(None)) for _ in range(12)]
    passwords.close()
    known, unknown = (min(times) for times in zip(*rounds, strict=True))
    assert 0.5 < unknown / known < 2


async def test_a_damaged_hash_is_no_mismatch(passwords: Passwords) -> None:
    """A hash that cannot be read is told, not taken for a wrong password."""
    with pytest.raises(InvalidHashError):
        await passwords.verify(Kept("one", "damaged"), GOOD)


@pytest.mark.parametrize("change", [{"password_memory_kib": 2_048}, {"password_passes": 2}, {"password_lanes": 2}])
async def test_a_hash_of_other_parameters_works_and_is_due(passwords: Passwords, change: dict[str, Any]) -> None:
    """When a parameter changes, older hashes still verify, and are told to be made anew."""
    changed = Passwords(KEY, msgspec.structs.replace(Settings(**CHEAP), **change))
    kept = await passwords.hash("one", GOOD)
    assert (passwords.needs_rehash(kept), changed.needs_rehash(kept)) == (False, True)
    assert await changed.verify(kept, GOOD)
    assert not changed.needs_rehash(await changed.hash("one", GOOD))
    changed.close()


class Held:
    """A hasher whose work goes on when a test says so."""

    def __init__(self) -> None:
        self.let_go = threading.Event()
        self.running = 0
        self.most = 0
        self._lock = threading.Lock()

    def hash(self, _: bytes) -> str:
        """Takes until it is let go."""
        with self._lock:
            self.running += 1
            self.most = max(self.most, self.running)
        assert self.let_go.wait(10)
        with self._lock:
            self.running -= 1
        return "hash"


@pytest.fixture
def held(passwords: Passwords, monkeypatch: pytest.MonkeyPatch) -> Held:
    """Hashes that take until the test lets them go."""
    work = Held()
    monkeypatch.setattr(passwords, "_hasher", work)
    return work


async def until(holds: Callable[[], bool]) -> None:
    """Wait until something holds."""
    async with asyncio.timeout(60):
        while not holds():
            await asyncio.sleep(0.005)


async def test_at_most_so_many_at_once_and_so_many_wait(passwords: Passwords, held: Held) -> None:
    """Two threads work, a bounded number waits, the next one is refused at once, and room comes back."""
    room = 2 + module.WAITING_LIMIT
    jobs = [asyncio.create_task(passwords.hash("one", GOOD)) for _ in range(room)]
    await until(lambda: held.running == 2)
    with pytest.raises(PasswordsBusy):
        await passwords.hash("one", GOOD)
    held.let_go.set()
    assert [Kept("one", "hash")] * room == await asyncio.gather(*jobs)
    assert held.most == 2
    assert Kept("one", "hash") == await passwords.hash("one", GOOD)


async def test_one_that_gives_up_makes_room(passwords: Passwords, held: Held) -> None:
    """A caller that goes away while it waits takes its work along; one whose work has begun keeps its place."""
    jobs = [asyncio.create_task(passwords.hash("one", GOOD)) for _ in range(2 + module.WAITING_LIMIT)]
    await until(lambda: held.running == 2)
    jobs[0].cancel()
    await asyncio.wait(jobs[:1])
    with pytest.raises(PasswordsBusy):
        await passwords.hash("one", GOOD)
    jobs[-1].cancel()
    await asyncio.wait(jobs[-1:])
    last = asyncio.create_task(passwords.hash("one", GOOD))
    await asyncio.sleep(0)
    held.let_go.set()
    assert Kept("one", "hash") == await last
    await asyncio.gather(*jobs[1:-1])


async def test_the_event_loop_goes_on(passwords: Passwords, held: Held) -> None:
    """While hashes are computed, everything else is answered."""
    job = asyncio.create_task(passwords.hash("one", GOOD))
    await until(lambda: held.running == 1)
    held.let_go.set()
    await job
