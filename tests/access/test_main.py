from __future__ import annotations

import subprocess
import sys

from click.testing import CliRunner

from service.cli.main import COMMANDS, tallystick


def test_help_imports_no_command() -> None:
    """`tallystick --help` lists every command without importing what they need."""
    code = (
        "import sys; from service.cli.main import tallystick; tallystick(['--help'], standalone_mode=False);"
        "print('HEAVY', [name for name in ('asyncpg', 'litestar', 'nats', 'psycopg', 'rich') if name in sys.modules])"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert [name for name in COMMANDS if f"\n  {name} " not in run.stdout] == []
    assert run.stdout.splitlines()[-1] == "HEAVY []"


def test_the_version_is_printed() -> None:
    """`tallystick --version` prints the version of the package."""
    result = CliRunner().invoke(tallystick, ["--version"], prog_name="tallystick")
    assert (result.exit_code, result.stdout) == (0, "tallystick 0.1.0\n")
