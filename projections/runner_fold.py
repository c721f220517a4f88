"""One page into its tables, with its checkpoint, in one transaction; a poisoned one up to right before the poison."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from projections import runner_progress as progress
from projections.runner_session import DatabaseUnavailable, Poison, RunnerError, passes
from projections.sql_projection import Link, SqlProjection
from schema.envelope import Fact


class Checkpoint(Protocol):
    """What moves together with the writes of a page."""

    async def before_fold(self, before: int, after: int) -> int:
        """The slot to write to. Raises Moved."""
        ...

    async def after_fold(self, before: int, after: int) -> None:
        """The page is written. Raises Moved."""
        ...


class Live:
    """The checkpoint of the slot that is read. It moves first: its row is held, so nobody else folds meanwhile."""

    def __init__(self, connection: Link, projection: SqlProjection) -> None:
        self._connection = connection
        self._projection = projection

    async def before_fold(self, before: int, after: int) -> int:
        """See Checkpoint."""
        return await progress.move(self._connection, self._projection, before, after)

    async def after_fold(self, before: int, after: int) -> None:
        """Nothing is left to do."""


class Beside:
    """The checkpoint of the slot that is rebuilt. It moves last, for its row is also that of the live one."""

    def __init__(self, connection: Link, projection: SqlProjection, slot: int) -> None:
        self._connection = connection
        self._name = projection.name
        self._slot = slot

    async def before_fold(self, before: int, after: int) -> int:  # noqa: ARG002 see Checkpoint
        """The idle slot."""
        return self._slot

    async def after_fold(self, before: int, after: int) -> None:
        """See Checkpoint."""
        await progress.move_rebuilt(self._connection, self._name, before, after)


async def fold_page(connection: Link, projection: SqlProjection, checkpoint: Checkpoint, facts: Sequence[Fact]) -> None:
    """Fold facts at dense positions and move the checkpoint from before the first to the last.

    Raises Poison when all before it is folded, Moved or DatabaseUnavailable.
    """
    try:
        await _fold_together(connection, projection, checkpoint, facts)
    except RunnerError:
        raise
    except Exception as error:
        if passes(error, connection):
            raise DatabaseUnavailable(f"Postgres: {str(error) or 'no answer'}") from error
        if len(facts) == 1:
            raise Poison(facts[0].position, f"{type(error).__name__}: {error}") from error
        middle = len(facts) // 2
        await fold_page(connection, projection, checkpoint, facts[:middle])
        await fold_page(connection, projection, checkpoint, facts[middle:])


async def _fold_together(
    connection: Link, projection: SqlProjection, checkpoint: Checkpoint, facts: Sequence[Fact]
) -> None:
    before, after = facts[0].position - 1, facts[-1].position
    async with connection.transaction():
        slot = await checkpoint.before_fold(before, after)
        await projection.fold(connection, slot, facts)
        await checkpoint.after_fold(before, after)
