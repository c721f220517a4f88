"""Passwords as they are kept: Argon2id (RFC 9106) of a keyed digest (docs/adr/0007-passwords-stay-in-the-vault.md).

A hash is slow and large on purpose, so it is computed in threads, a few at once, off the event loop; what waits is
bounded too.
"""

from __future__ import annotations

import asyncio
import hmac
import os
from base64 import b64encode
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import BoundedSemaphore
from typing import NamedTuple, TypeVar

from argon2 import PasswordHasher
from argon2.exceptions import VerifyMismatchError
from argon2.low_level import ARGON2_VERSION

from service.accounts.text import NotAllowed, normal_password
from service.settings import Settings

WAITING_LIMIT = 32
"""How many passwords may wait for a thread: with the defaults, two seconds of work."""

T = TypeVar("T")


class PasswordsBusy(Exception):
    """Too many passwords wait; nothing is known of this one."""


class Kept(NamedTuple):
    """A password's hash, in PHC string format, and the account that it is of."""

    subject: str
    hash: str


class Passwords:
    """Hashes and verifies passwords. `key` is 32 bytes, derived from the master key."""

    def __init__(self, key: bytes, settings: Settings) -> None:
        self._key = key
        self._hasher = PasswordHasher(
            time_cost=settings.password_passes,
            memory_cost=settings.password_memory_kib,
            parallelism=settings.password_lanes,
        )
        self._decoy = Kept("", _unmatched(self._hasher))
        self._threads = ThreadPoolExecutor(settings.password_workers, thread_name_prefix="passwords")
        self._room = BoundedSemaphore(settings.password_workers + WAITING_LIMIT)

    def close(self) -> None:
        """Finish what has begun, drop what waits."""
        self._threads.shutdown(cancel_futures=True)

    async def hash(self, subject: str, password: str) -> Kept:
        """The hash to keep of an account's password. Raises NotAllowed or PasswordsBusy."""
        digest = self._digest(subject, normal_password(password))
        return Kept(subject, await self._off_loop(lambda: self._hasher.hash(digest)))

    async def verify(self, kept: Kept | None, password: str) -> bool:
        """Whether it is the password of that hash.

        Where there is no account, or none with a password, `kept` is None: it takes as long all the same, so that
        time tells nobody which names exist. It is the time of today's parameters: after a change of them, a hash
        takes another one until its owner has signed in (the ADR says why that is let be).

        Raises PasswordsBusy, or InvalidHashError for a hash that is damaged.
        """
        known = kept or self._decoy
        try:
            text = normal_password(password)
        except NotAllowed:
            known, text = self._decoy, ""
        digest = self._digest(known.subject, text)
        matches = await self._off_loop(lambda: self._matches(known, digest))
        return matches and known is not self._decoy

    def needs_rehash(self, kept: Kept) -> bool:
        """Whether a hash was made with other parameters than those that are set now."""
        return self._hasher.check_needs_rehash(kept.hash)

    def _digest(self, subject: str, password: str) -> bytes:
        """HMAC-SHA-256 of both; a subject has no NUL, so no two pairs are one text."""
        return hmac.digest(self._key, f"{subject}\0{password}".encode(), "sha256")

    def _matches(self, kept: Kept, digest: bytes) -> bool:
        try:
            return self._hasher.verify(kept.hash, digest)
        except VerifyMismatchError:
            return False

    async def _off_loop(self, work: Callable[[], T]) -> T:
        if not self._room.acquire(blocking=False):
            raise PasswordsBusy
        job = self._threads.submit(work)
        # A caller that gives up takes its job out of the queue; one that has begun keeps its place until it is done.
        job.add_done_callback(lambda _: self._room.release())
        return await asyncio.wrap_future(job)


def _unmatched(hasher: PasswordHasher) -> str:
    """A hash of no password, which costs as much to verify as one of `hasher`."""
    salt, tag = (b64encode(os.urandom(size)).decode().rstrip("=") for size in (hasher.salt_len, hasher.hash_len))
    costs = f"m={hasher.memory_cost},t={hasher.time_cost},p={hasher.parallelism}"
    return f"$argon2id$v={ARGON2_VERSION}${costs}${salt}${tag}"
