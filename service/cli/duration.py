"""Durations on the command line."""

from __future__ import annotations

import click


def duration(_: click.Context, __: click.Parameter, value: str | None) -> int | None:
    """A click callback: seconds of `90`, `10m` or `24h`; None where the option is not given."""
    from service.access.durations import parse_duration

    try:
        return None if value is None else parse_duration(value)
    except ValueError as error:
        raise click.BadParameter(str(error)) from None
