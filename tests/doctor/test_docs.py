from __future__ import annotations

from pathlib import Path

from service.doctor.finding import Check, Group
from service.doctor.gather import GROUPS

DOCUMENT = Path(__file__).parents[2] / "docs" / "doctor.md"


def _row(check: Check) -> str:
    told = (f"`{check.id}`", ", ".join(check.severities), check.good, check.why, check.told)
    return f"| {' | '.join(told)} |"


def _section(group: Group) -> str:
    head = f"### {group.name}\n\n| id | severity | well when | why | how to mend it |\n|---|---|---|---|---|"
    return "\n".join((head, *map(_row, group.checks)))


def test_the_document_lists_every_check_and_no_other() -> None:
    """docs/doctor.md has the checks of the code in their order, each with its severities, why and how to mend it."""
    _, _, told = DOCUMENT.read_text().partition("## Checks\n\n")

    assert told == "\n\n".join(map(_section, GROUPS)) + "\n"


def test_no_text_breaks_its_table() -> None:
    """A cell has no bar and no line break."""
    texts = [text for group in GROUPS for check in group.checks for text in (check.good, check.why, check.mend)]

    assert not [text for text in texts if "|" in text or "\n" in text]
