"""Rules tried on the journal's history: what would have been found. Nothing is appended."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Collection, Mapping
from typing import Any

import msgspec

from consumers.anomalies.findings import Findings, Told
from consumers.anomalies.history import first_since, pages
from consumers.anomalies.judge import Judge
from consumers.anomalies.thresholds import Thresholds
from schema.envelope import RECORDED_COLUMNS, RecordedEvent
from schema.events import AnomalyDetected
from service.access.wording import unknown
from service.anomalies.role import DAY, rules_of
from service.journal.postgres import PostgresJournal
from service.settings import Settings, SettingsError

Progress = Callable[[int, int], None]

_PAGE = f"SELECT {RECORDED_COLUMNS} FROM journal.events WHERE position > $1 ORDER BY position LIMIT $2"  # noqa: S608 constant
_TIME_AT = """
    SELECT extract(epoch FROM recorded_at)::float8 AS at FROM journal.events
    WHERE position >= $1 ORDER BY position LIMIT 1
"""


class Past:
    """Implements `consumers.anomalies.history.History` over a journal."""

    def __init__(self, journal: PostgresJournal) -> None:
        self._journal = journal

    async def page(self, after: int, limit: int) -> list[RecordedEvent]:
        """See `History`."""

        async def read(link: Any) -> list[Any]:
            # A plan that was made while the journal was small scans one that has grown.
            await link.execute("SET LOCAL enable_seqscan = off; SET LOCAL enable_bitmapscan = off")
            return list(await link.fetch(_PAGE, after, limit))

        return [RecordedEvent.from_row(row) for row in await self._journal.transaction(read)]

    async def time_at(self, position: int) -> float | None:
        """See `History`."""
        rows = await self._journal.fetch(_TIME_AT, position)
        return float(rows[0]["at"]) if rows else None


def changed_thresholds(base: Thresholds, values: Mapping[str, str]) -> Thresholds:
    """The thresholds with some of them set. Raises SettingsError."""
    for name in values:
        if name not in Thresholds.__struct_fields__:
            raise SettingsError(unknown(name, "no threshold", Thresholds.__struct_fields__))
    try:
        return msgspec.convert(msgspec.structs.asdict(base) | dict(values), Thresholds, strict=False)
    except msgspec.ValidationError as error:
        reason, _, path = str(error).partition(" - at `$.")
        raise SettingsError(f"{path.rstrip('`')}: {reason}") from None


async def replay(
    journal: PostgresJournal,
    settings: Settings,
    thresholds: Thresholds,
    *,
    since: float,
    until: float | None,
    only: Collection[str],
    progress: Progress = lambda _, __: None,
) -> list[Told]:
    """What rules (all, or `only` some) would have told of the events from `since` to `until`, in seconds since 1970.

    They learn from the events before that, as the engine does. Raises JournalUnavailable, Poison or SettingsError.
    """
    make_rules = rules_of(settings, thresholds)
    judge = Judge([rule for rule in make_rules() if not only or rule.name in only], Findings(settings.anomaly_quiet))
    past, head = Past(journal), await journal.head()
    learn_from = await first_since(past, since - settings.anomaly_relearn * DAY, head)
    start = await first_since(past, since, head)
    end = head if until is None else await first_since(past, until, head) - 1
    names, told = frozenset(judge.rules), list[Told]()
    async with contextlib.aclosing(pages(past, learn_from - 1, end, judge.types)) as history:
        async for page in history:
            for fact in page:
                if fact.position < start:
                    judge.learn(fact, names)
                else:
                    told += judge.judge(fact)
            progress(page.end - learn_from + 1, end - learn_from + 1)
    return told


def summary(told: list[Told]) -> dict[str, int]:
    """How many findings each rule has, the most first."""
    counts: dict[str, int] = {}
    for each in told:
        if isinstance(each.event, AnomalyDetected):
            counts[each.event.rule] = counts.get(each.event.rule, 0) + 1
    return dict(sorted(counts.items(), key=lambda item: (-item[1], item[0])))
