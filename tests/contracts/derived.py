"""The files that are made from the code: which, and what they have to hold. The examples are the golden bytes."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from schema.asyncapi import document
from schema.events import EVENT_TYPES
from schema.events_page import events_page
from schema.json_schemas import file_name, json_schema
from schema.openapi import openapi_document
from service.embedded.nats_accounts import configuration_file
from tests.schema.samples import SAMPLES, golden_bytes

ROOT = Path(__file__).parents[2]
CONTRACTS = ROOT / "schema" / "contracts"
EXAMPLES = {sample.TYPE: golden_bytes(sample) for sample in SAMPLES}


def derived() -> Iterator[tuple[Path, str]]:
    """Each file with its content."""
    for name, kind in EVENT_TYPES.items():
        yield CONTRACTS / file_name(name), _json(json_schema(kind, EXAMPLES[name]))
    yield CONTRACTS / "asyncapi.json", _json(document(EXAMPLES))
    yield CONTRACTS / "openapi.json", _json(openapi_document())
    yield ROOT / "docs" / "events.md", events_page(EXAMPLES)
    yield ROOT / "deploy" / "nats-accounts.conf", configuration_file()


def _json(value: Any) -> str:
    return json.dumps(value, indent=2, ensure_ascii=False) + "\n"
