"""`tallystick usage` and `tallystick projections`, run as users run them."""

from __future__ import annotations

import asyncio
import csv
import io
import json
import os
import sys
from pathlib import Path
from typing import NamedTuple

import pytest
from pyarrow import parquet

from tests.conftest import MASTER_KEY
from tests.usage_surfaces.used import ISSUED, REFUSED, Used

pytestmark = pytest.mark.asyncio(loop_scope="session")


class Outcome(NamedTuple):
    """What a command left."""

    code: int | None
    out: bytes
    err: str


async def run(used: Used, *arguments: str) -> Outcome:
    """Run `tallystick` to its end."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("TALLYSTICK_")}
    ours = {"TALLYSTICK_DATABASE_URL": used.database.service_url, "TALLYSTICK_MASTER_KEY": MASTER_KEY}
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "service.cli.main", *arguments),
        env=inherited | ours | {"TALLYSTICK_NATS_URL": "nats://127.0.0.1:1"},
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, err = await asyncio.wait_for(process.communicate(), 60)
    return Outcome(process.returncode, out, err.decode())


async def test_table(used: Used) -> None:
    """Without options: figures by client and day, for people."""
    left = await run(used, "usage")
    assert left.code == 0, left.err
    assert left.out.decode().split()[:3] == ["CLIENT", "DAY", "ISSUED"]
    assert any(line.split()[0] == used.client for line in left.out.decode().splitlines() if line.strip())


async def test_formats_tell_the_same(used: Used, tmp_path: Path) -> None:
    """JSON, CSV and Parquet read back to the same figures, those of GET /usage/figures."""
    asked = ("--by", "client", "--where", f"client={used.client}")
    told = json.loads((await run(used, "usage", *asked, "--format", "json")).out)
    (line,) = csv.DictReader(
        io.StringIO((await run(used, "usage", *asked, "--format", "csv")).out.decode(), newline="")
    )
    piped = (await run(used, "usage", *asked, "--format", "parquet")).out
    file = tmp_path / "usage.parquet"
    assert (await run(used, "usage", *asked, "--format", "parquet", "--output", str(file))).code == 0
    (row,) = told["figures"]
    assert (row["issued"], row["rejected"]) == (ISSUED, REFUSED)
    assert {name: str(value) for name, value in row.items()} == line
    assert [row] == parquet.read_table(file).to_pylist() == parquet.read_table(io.BytesIO(piped)).to_pylist()
    assert told["figures"] == (await used.get("figures", by="client", client=used.client)).json()["figures"]


async def test_nothing_is_said(used: Used) -> None:
    """Where there is nothing, that is said."""
    left = await run(used, "usage", "--since", "2001-01-01", "--until", "2001-02-01")
    assert left.out == b"no figures from 2001-01-01 00:00 to 2001-02-01 00:00 (UTC)\n"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--by", "colour"), "--by"),
        (("--since", "then"), "--since"),
        (("--where", "client"), "--where"),
        (("--where", "colour=red"), "--where"),
        (("--limit", "0"), "--limit"),
        (("--output", "x"), "--output"),
        (("nonsense",), "nonsense"),
    ],
)
async def test_wrong_usage(used: Used, arguments: tuple[str, ...], said: str) -> None:
    """Exit code 2, and what is wrong."""
    left = await run(used, "usage", *arguments)
    assert left.code == 2
    assert said in left.err


async def test_projections_are_listed_and_rebuilt(used: Used) -> None:
    """The list tells how far each is; a rebuild leaves the figures as they are; an unknown name is wrong usage."""
    before = (await used.get("figures", by="client,scope,hour")).json()["figures"]
    rebuilt = await run(used, "projections", "rebuild", "usage")
    assert rebuilt.code == 0, rebuilt.err
    assert rebuilt.out.decode().startswith("usage is rebuilt from ")
    told = {row["name"]: row for row in json.loads((await run(used, "projections", "list", "--json")).out)}
    assert (told["usage"]["lag_events"], told["usage"]["lag_seconds"]) == (0, 0.0)
    assert "relay" in told
    assert b"usage" in (await run(used, "projections", "list")).out
    after = (await used.get("figures", by="client,scope,hour", client=used.client)).json()["figures"]
    assert [row for row in before if row["client"] == used.client] == after
    unknown = await run(used, "projections", "rebuild", "nothing")
    assert (unknown.code, "there is no projection 'nothing'" in unknown.err) == (2, True)
