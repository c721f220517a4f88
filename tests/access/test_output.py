"""What tables of commands print where they are read by a program."""

from __future__ import annotations

import psycopg

from tests.access.conftest import Run
from tests.servers import Database

REASON = f"the stream holds what the journal does not: {'sequence 7, ' * 40}make the stream anew"


def test_a_long_reason_is_told_whole(run: Run, database: Database) -> None:
    """Nothing of a reason is cut: its end is what to do."""
    with psycopg.connect(database.service_url) as service:
        service.execute("SELECT journal.report_relay(0, 'halted', %s)", (REASON,))
    listed = run("projections", "list")
    assert (listed.exit_code, REASON in listed.output) == (0, True), listed.output


def test_control_characters_are_escaped(run: Run, database: Database) -> None:
    """A reason from outside moves no cursor."""
    with psycopg.connect(database.service_url) as service:
        service.execute("SELECT journal.report_relay(0, 'halted', %s)", ("a\x1b[2Jb",))
    assert "a\\x1b[2Jb" in run("projections", "list").output
