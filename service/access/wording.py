"""How mistakes are worded, and what keeps a text from being shown: shared by all rules."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from difflib import get_close_matches
from itertools import islice

from service.access.errors import Mistake, quoted

_TEXT_LIMIT = 500
_COMPARED = 1_000


def unknown(name: str, what: str, candidates: Iterable[str]) -> str:
    """`"name" is …`, with a suggestion where a candidate is close."""
    return f"{quoted(name)} is {what}{suggestion(name, candidates)}"


def suggestion(name: str, candidates: Iterable[str]) -> str:
    """` — did you mean "…"?` where one of the first thousand candidates is close, else nothing."""
    close = get_close_matches(name, list(islice(candidates, _COMPARED)), n=1)
    return f" — did you mean {quoted(close[0])}?" if close else ""


def text_problem(text: str, limit: int = _TEXT_LIMIT) -> str | None:
    """What keeps a text from being shown on one line."""
    if len(text) > limit:
        return f"is longer than {limit} characters"
    return None if text.isprintable() else "has line breaks or other control characters"


def repeated(values: Sequence[str], field: str) -> Iterator[Mistake]:
    """Each value of a list that is there before."""
    seen: set[str] = set()
    for index, value in enumerate(values):
        if value in seen:
            yield Mistake((field, index), f"{quoted(value)} is there twice")
        seen.add(value)
