"""Figures as JSON, CSV (RFC 4180) and Parquet: the same rows, each in its own types.

CSV is for programs: every value is as it was registered, so that it reads back to the same figures. A client id or
scope may begin with what a spreadsheet takes for a formula; only operators register them. Import them as text.
"""

from __future__ import annotations

import csv
import datetime as dt
import io
from typing import Any

import msgspec

from service.usage.reading import Figures
from service.usage.subjects import Kind

JSON, CSV, PARQUET = "application/json", "text/csv", "application/vnd.apache.parquet"
FORMATS = {"json": JSON, "csv": CSV, "parquet": PARQUET}
"""The name of each format, and its media type."""


def rendered(figures: Figures, name: str) -> bytes:
    """The figures in a format of the list."""
    return {"json": as_json, "csv": as_csv, "parquet": as_parquet}[name](figures)


def as_json(figures: Figures) -> bytes:
    """An object: what was asked, how far the figures reach, and a list of objects."""
    asked, columns = figures.question, tuple(figures.question.columns)
    return msgspec.json.encode(
        {
            "subject": asked.subject.name,
            "by": asked.by,
            "since": written(asked.since),
            "until": written(asked.until),
            "position": figures.position,
            "head": figures.head,
            "through": written(figures.through),
            "truncated": figures.truncated,
            "figures": [dict(zip(columns, map(_plain, row), strict=True)) for row in figures.rows],
        }
    )


def as_csv(figures: Figures) -> bytes:
    """A line of names, then a line for each row; nothing for null, times as RFC 3339."""
    text = io.StringIO(newline="")
    lines = csv.writer(text)
    lines.writerow(figures.question.columns)
    lines.writerows([_in_line(value) for value in row] for row in figures.rows)
    return text.getvalue().encode()


def as_parquet(figures: Figures) -> bytes:
    """One table of strings, 64-bit integers, booleans and UTC timestamps of microseconds."""
    import pyarrow as pa  # noqa: PLC0415 large, and for this alone
    from pyarrow import parquet  # noqa: PLC0415 the same

    kinds: dict[Kind, Any] = {
        "text": pa.string(),
        "integer": pa.int64(),
        "boolean": pa.bool_(),
        "time": pa.timestamp("us", tz="UTC"),
    }
    columns = figures.question.columns
    values = zip(*figures.rows, strict=True) if figures.rows else ((),) * len(columns)
    schema = pa.schema([(name, kinds[kind]) for name, kind in columns.items()], metadata=_reach(figures))
    arrays = [pa.array(column, type=field.type) for column, field in zip(values, schema, strict=True)]
    buffer = io.BytesIO()
    parquet.write_table(pa.Table.from_arrays(arrays, schema=schema), buffer)
    return buffer.getvalue()


def written(moment: dt.datetime | None) -> str | None:
    """A moment as RFC 3339 in UTC."""
    return None if moment is None else moment.astimezone(dt.UTC).isoformat().replace("+00:00", "Z")


def _reach(figures: Figures) -> dict[str, str]:
    return {
        "tallystick.position": str(figures.position),
        "tallystick.through": written(figures.through) or "",
        "tallystick.truncated": str(figures.truncated).lower(),
    }


def _plain(value: Any) -> Any:
    return written(value) if isinstance(value, dt.datetime) else value


def _in_line(value: Any) -> Any:
    return str(value).lower() if isinstance(value, bool) else _plain(value)
