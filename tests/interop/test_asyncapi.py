"""AsyncAPI's own parser takes the published contract for what it is; `make interop` runs this."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from schema.envelope import SUBJECT_PREFIX
from schema.events import EVENT_TYPES

pytestmark = [pytest.mark.interop, pytest.mark.timeout(300)]

_FOLDER = Path(__file__).parent
CONTRACT = _FOLDER.parents[1] / "schema" / "contracts" / "asyncapi.json"


def parsed(document: Path) -> Any:
    """What the parser finds in a document."""
    command = ["node", str(_FOLDER / "asyncapi.mjs"), str(document)]
    return json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def test_the_contract_is_valid() -> None:
    """Nothing is said against it; each event type has its channel, is sent there, and has a schema with fields."""
    found = parsed(CONTRACT)
    assert (found["version"], found["against"]) == ("3.0.0", [])
    assert sorted(f"{SUBJECT_PREFIX}.{each}.{{client}}" for each in EVENT_TYPES) == sorted(found["channels"])
    assert ["send"] * len(EVENT_TYPES) == found["operations"]
    assert EVENT_TYPES.keys() == found["fields"].keys()
    assert [name for name, fields in found["fields"].items() if not fields] == []


def test_a_document_that_is_not_is_told(tmp_path: Path) -> None:
    """The parser says so: of an operation that does what there is not, and of a payload without its schema."""
    shutil.copytree(CONTRACT.parent, tmp_path, dirs_exist_ok=True)
    document = json.loads((tmp_path / CONTRACT.name).read_text())
    document["operations"]["send.token.issued"]["action"] = "shout"
    (tmp_path / CONTRACT.name).write_text(json.dumps(document))
    (tmp_path / "token.revoked.v1.schema.json").unlink()
    against = " ".join(parsed(tmp_path / CONTRACT.name)["against"])
    assert "operations.send.token.issued.action: " in against
    assert "components.messages.token.revoked.payload.$ref: " in against
