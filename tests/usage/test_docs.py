"""docs/usage.md against the comments and the columns of the views."""

from __future__ import annotations

import re
from pathlib import Path
from typing import NamedTuple

import psycopg

from tests.servers import Database

DOCUMENT = Path(__file__).parents[2] / "docs" / "usage.md"
_SHORT = {"timestamp with time zone": "timestamptz"}
_COLUMNS = """
    SELECT c.relname, obj_description(c.oid, 'pg_class'), a.attname, format_type(a.atttypid, a.atttypmod),
           col_description(c.oid, a.attnum)
    FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0
    WHERE c.relnamespace = 'usage'::regnamespace
    ORDER BY c.relname, a.attnum
"""


class Column(NamedTuple):
    """A column and what is said of it."""

    name: str
    type: str
    meaning: str | None


Views = dict[str, tuple[str | None, list[Column]]]


def documented() -> Views:
    """What the document says of each view."""
    views: Views = {}
    for section in DOCUMENT.read_text().split("\n### ")[1:]:
        heading, _, body = section.partition("\n\n")
        columns = [Column(*row) for row in re.findall(r"^\| `(\w+)` \| (\w+) \| (.+) \|$", body, re.MULTILINE)]
        for name in re.findall(r"`usage\.(\w+)`", heading):
            views[name] = (body.partition("\n\n")[0], columns)
    return views


def test_views_comments_and_document_say_the_same(database: Database) -> None:
    """Each view has a comment, and so has each column: name, type and meaning are those of docs/usage.md."""
    views: Views = {}
    with psycopg.connect(database.owner_url) as owner:
        for view, about, name, kind, meaning in owner.execute(_COLUMNS):
            views.setdefault(view, (about, []))[1].append(Column(name, str(_SHORT.get(kind, kind)), meaning))

    assert views == documented()
