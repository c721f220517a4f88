"""Making a cluster: beside its place, and renamed into it when it is whole; and telling why one cannot be used."""

from __future__ import annotations

import shlex
import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path

from service.embedded.errors import EmbeddedError
from service.embedded.files import space_hint, sync_dir
from service.embedded.postgres_place import MAJOR, Place
from service.embedded.process import capture, wait_until

DISK_FULL = ("No space left", "wrote only")
REMOVAL_LIMIT = 10.0


async def ensure_cluster(place: Place, owner: str, password: str) -> None:
    """Make the cluster, with the superuser `owner`, unless there is a usable one. Raises EmbeddedError, OSError."""
    await _remove_unfinished(place.data)
    if _exists(place.data):
        _check_usable(place)
    else:
        await _make(place, owner, password)


async def _make(place: Place, owner: str, password: str) -> None:
    work = Path(tempfile.mkdtemp(prefix=f"{place.data.name}.new-", dir=place.data.parent))
    try:
        place.account.own(work)
        await _initdb(place, work, owner, password)
        if place.data.exists():
            place.data.rmdir()
        (work / "data").rename(place.data)
        sync_dir(place.data.parent)
    finally:
        shutil.rmtree(work, ignore_errors=True)


async def _initdb(place: Place, work: Path, owner: str, password: str) -> None:
    password_file = work / "password"
    password_file.touch(mode=0o600)
    password_file.write_text(password, encoding="utf-8")
    place.account.own(password_file)
    options = ("--auth=scram-sha-256", "--encoding=UTF8", "--locale=C", "--data-checksums", "--no-instructions")
    files = (f"--pwfile={password_file}", "-D", str(work / "data"))
    code, output = await capture(place.command("initdb", "-U", owner, *options, *files))
    if code != 0:
        hint = space_hint(place.data.parent)
        raise EmbeddedError(f"PostgreSQL could not make its files in {place.data}: {telling_line(output)}{hint}")


def _exists(data: Path) -> bool:
    if (data / "PG_VERSION").is_file():
        return True
    if data.exists() and any(data.iterdir()):
        raise EmbeddedError(
            f"{data} is broken: it has files but no PG_VERSION; restore it from a backup, or move it away"
        )
    return False


def _check_usable(place: Place) -> None:
    data = place.data
    major = (data / "PG_VERSION").read_text(encoding="utf-8", errors="replace").strip()
    if major != MAJOR:
        raise EmbeddedError(
            f"{data} holds data of PostgreSQL {major or '(unknown)'}, and this version of Tallystick brings PostgreSQL "
            f"{MAJOR}; upgrade the data by pg_dump and restore, or run the version of Tallystick that made it"
        )
    owner = data.stat().st_uid
    if owner != place.account.uid:
        raise EmbeddedError(
            f"{data} belongs to user id {owner}, and PostgreSQL runs as user id {place.account.uid}; "
            f"if it is a restored backup: chown -R {place.account.uid}:{place.account.gid} {shlex.quote(str(data))}"
        )


async def _remove_unfinished(data: Path) -> None:
    """Remove what an interrupted first start left, also while its initdb is still ending and removes files itself."""

    def remove() -> bool:
        left = list(data.parent.glob(f"{data.name}.new-*"))
        for unfinished in left:
            shutil.rmtree(unfinished, ignore_errors=True)
        return not left

    if not await wait_until(remove, REMOVAL_LIMIT):
        raise EmbeddedError(f"the unfinished {data}.new-… of an earlier start cannot be removed")


def telling_line(output: str, words: Sequence[str] = (*DISK_FULL, "FATAL:", "PANIC:", "error:", "")) -> str:
    """The first line of PostgreSQL's output that has the first of these words that any line has; else empty."""
    lines = [line.strip() for line in output.splitlines() if line.strip() and not line.startswith("---")]
    return next((line for word in words for line in lines if word in line), "")
