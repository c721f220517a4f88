"""Create, rotate, activate and retire signing keys: reads the key set, decides, appends."""

from __future__ import annotations

import time
from collections.abc import Sequence

from projections.keyset import KeySet
from schema.envelope import Context
from schema.events import Event, KeyRetired
from schema.streams import KEYS_STREAM
from service.journal.port import Append, Appended, VersionConflict
from service.journal.postgres import PostgresJournal
from service.keys.lifecycle import (
    decide_activation,
    decide_created,
    decide_due,
    decide_retirement,
    next_key,
    refuse_other_algorithm,
)
from service.keys.material import generate
from service.keys.vault import Vault
from service.settings import SigningAlgorithm


async def read_keys(journal: PostgresJournal) -> KeySet:
    """The key set as of now. Raises JournalUnavailable."""
    keys = KeySet()
    for recorded in await journal.read_stream(KEYS_STREAM):
        keys.apply(recorded.fact())
    return keys


class KeyManager:
    """Changes signing keys. Two that change at once conflict; one wins and the other looks again.

    `publish_ahead` is how long a key is published before it signs, in seconds.
    """

    def __init__(self, journal: PostgresJournal, vault: Vault, publish_ahead: int) -> None:
        self._journal = journal
        self._vault = vault
        self._publish_ahead = publish_ahead

    async def ensure_first(self, algorithm: SigningAlgorithm) -> None:
        """Make the first key, which signs at once, unless there is one. Raises JournalUnavailable."""
        keys = await read_keys(self._journal)
        if keys.keys:
            return
        try:
            await self._create(keys, algorithm, ahead=0, context=Context())
        except VersionConflict:
            # Another process that starts at the same time was first; its key is as good.
            return

    async def rotate(self, algorithm: SigningAlgorithm, context: Context, *, now: bool = False) -> str:
        """Publish a next key, which signs after the publish-ahead time; with `now`, at once.

        A key that waits already is used. Returns its kid. Raises KeyChangeRefused where that one is of another
        algorithm, JournalUnavailable or VersionConflict.
        """
        keys = await read_keys(self._journal)
        waiting = next_key(keys)
        if waiting is None:
            return await self._create(keys, algorithm, ahead=0 if now else self._publish_ahead, context=context)
        refuse_other_algorithm(keys, waiting, algorithm)
        if now:
            await self._append(keys, [decide_activation(keys, waiting, int(time.time()))], context)
        return waiting

    async def retire(self, kid: str, context: Context) -> Appended:
        """Take a key away at once. Raises KeyChangeRefused, JournalUnavailable or VersionConflict."""
        keys = await read_keys(self._journal)
        appended = await self._append(keys, [decide_retirement(keys, kid)], context)
        await self._vault.forget(kid)
        return appended

    async def do_what_is_due(self) -> None:
        """Activate and retire what time has brought. Raises JournalUnavailable."""
        keys = await read_keys(self._journal)
        due = decide_due(keys, int(time.time()))
        if not due:
            return
        try:
            await self._append(keys, due, Context())
        except VersionConflict:
            return
        for event in due:
            if isinstance(event, KeyRetired):
                await self._vault.forget(event.kid)

    async def _create(self, keys: KeySet, algorithm: SigningAlgorithm, *, ahead: int, context: Context) -> str:
        pair = generate(algorithm)
        moment = int(time.time())
        created = decide_created(algorithm, pair.kid, pair.jwk, moment, moment + ahead)
        changes: list[Event] = [created]
        if ahead == 0:
            changes.append(decide_activation(keys, created.kid, moment))
        await self._vault.put(pair)
        try:
            await self._append(keys, changes, context)
        except VersionConflict:
            await self._vault.forget(pair.kid)
            raise
        return pair.kid

    async def _append(self, keys: KeySet, changes: Sequence[Event], context: Context) -> Appended:
        return await self._journal.append(Append(KEYS_STREAM, keys.version, tuple(changes), context))
