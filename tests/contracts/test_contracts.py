"""The published contracts say what the code does."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import jsonschema
import msgspec
import pytest
from jsonschema.protocols import Validator

from schema.envelope import SUBJECTS, headers_of
from schema.events import EVENT_TYPES, Event
from schema.field_meanings import MEANINGS, OF_TYPE
from schema.json_schemas import file_name
from tests.contracts.derived import CONTRACTS, EXAMPLES, ROOT, derived
from tests.schema.samples import SAMPLES
from tests.schema.test_envelope import RECORDED

DERIVED = list(derived())
ASYNCAPI: dict[str, Any] = json.loads((CONTRACTS / "asyncapi.json").read_text())
every_type = pytest.mark.parametrize("name", EVENT_TYPES)


def _schema(name: str) -> dict[str, Any]:
    return dict(json.loads((CONTRACTS / file_name(name)).read_text()))


def _validator(schema: dict[str, Any]) -> Validator:
    return jsonschema.Draft202012Validator(schema, format_checker=jsonschema.FormatChecker())


@pytest.mark.parametrize(("path", "content"), DERIVED, ids=[str(path.relative_to(ROOT)) for path, _ in DERIVED])
def test_a_derived_file_is_what_the_code_makes(path: Path, content: str) -> None:
    """No contract and no derived document differs from the code (`make contracts` writes them)."""
    assert content == path.read_text(encoding="utf-8")


def test_there_is_no_contract_of_nothing() -> None:
    """Every file of the contracts is one that the code makes."""
    assert {path for path, _ in DERIVED if path.parent == CONTRACTS} == set(CONTRACTS.iterdir())


@every_type
def test_a_schema_is_a_schema(name: str) -> None:
    """Each is valid JSON Schema 2020-12, and its reference leads somewhere."""
    schema = _schema(name)
    jsonschema.Draft202012Validator.check_schema(schema)

    assert f"urn:tallystick:event:{name}:v1" == schema["$id"]
    assert set(re.findall(r'"#/\$defs/(\w+)"', json.dumps(schema))) == set(schema.get("$defs", {}))


@every_type
def test_the_golden_bytes_are_valid(name: str) -> None:
    """What the service has written of a type, whole or with the required fields alone, fits its schema."""
    schema, whole = _schema(name), json.loads(EXAMPLES[name])
    bare = {field: value for field, value in whole.items() if field in schema["required"]}

    assert list(_validator(schema).iter_errors(whole)) == []
    assert list(_validator(schema).iter_errors(bare)) == []


@every_type
def test_a_later_field_is_valid(name: str) -> None:
    """Fields are append-only: a consumer that validates does not refuse those of a later version."""
    assert list(_validator(_schema(name)).iter_errors(json.loads(EXAMPLES[name]) | {"added_later": 1})) == []


@pytest.mark.parametrize("sample", SAMPLES, ids=lambda sample: sample.TYPE)
def test_a_wrong_type_is_not_valid(sample: Event) -> None:
    """A field of another JSON type, and a required field that is missing, is refused, each of them."""
    validator, whole = _validator(_schema(sample.TYPE)), json.loads(EXAMPLES[sample.TYPE])
    required = _schema(sample.TYPE)["required"]
    wrong = [
        whole | {field: {"of another": ["type"]} if isinstance(value, str) else "text"}
        for field, value in whole.items()
    ]
    lacking = [{name: value for name, value in whole.items() if name != field} for field in required]

    assert [body for body in (*wrong, *lacking) if validator.is_valid(body)] == []


@every_type
def test_schema_and_decoder_agree(name: str) -> None:
    """The schema requires what decoding requires, and names every field."""
    fields = msgspec.structs.fields(EVENT_TYPES[name])

    assert {field.name for field in fields} == set(_schema(name)["properties"])
    assert {field.name for field in fields if field.required} == set(_schema(name)["required"])


def test_every_meaning_is_used() -> None:
    """No meaning is written down for a field or a type that does not exist."""
    kinds = {
        ancestor for kind in EVENT_TYPES.values() for ancestor in kind.__mro__ if issubclass(ancestor, msgspec.Struct)
    }
    schemas = [_schema(name) for name in EVENT_TYPES]
    parts = [part for schema in schemas for part in (schema, *schema.get("$defs", {}).values())]

    assert set(MEANINGS) <= {field for part in parts for field in part["properties"]}
    named = {kind.__name__: set(getattr(kind, "__struct_fields__", ())) for kind in kinds}
    named |= {name: set(part["properties"]) for schema in schemas for name, part in schema.get("$defs", {}).items()}
    assert [(kind, field) for kind, field in OF_TYPE if field not in named[kind]] == []


def _references(value: Any) -> list[str]:
    if isinstance(value, list):
        return [reference for each in value for reference in _references(each)]
    if isinstance(value, dict):
        own = [value["$ref"]] if isinstance(value.get("$ref"), str) else []
        return own + [reference for each in value.values() for reference in _references(each)]
    return []


def _leads_somewhere(reference: str) -> bool:
    if not reference.startswith("#/"):
        return (CONTRACTS / reference).is_file()
    found: Any = ASYNCAPI
    for word in reference[2:].split("/"):
        found = found.get(word)
    return found is not None


def test_asyncapi_references_lead_somewhere() -> None:
    """Every reference is to a part of the document, or to a file beside it."""
    references = _references(ASYNCAPI)

    assert [reference for reference in references if not _leads_somewhere(reference)] == []
    assert {f"./{file_name(name)}" for name in EVENT_TYPES} == {each for each in references if each.startswith("./")}


def test_asyncapi_describes_every_type() -> None:
    """AsyncAPI 3.0: a channel with the subject, its message, and an operation that sends it, for each type."""
    channels, messages = ASYNCAPI["channels"], ASYNCAPI["components"]["messages"]

    assert ASYNCAPI["asyncapi"] == "3.0.0"
    assert {name: f"{SUBJECTS[:-2]}.{name}.{{client}}" for name in EVENT_TYPES} == {
        name: channel["address"] for name, channel in channels.items()
    }
    assert {name: {"$ref": f"#/components/messages/{name}"} for name in EVENT_TYPES} == {
        name: channel["messages"][name] for name, channel in channels.items()
    }
    assert [("send", f"#/channels/{name}", f"#/channels/{name}/messages/{name}") for name in EVENT_TYPES] == [
        (operation["action"], operation["channel"]["$ref"], operation["messages"][0]["$ref"])
        for operation in ASYNCAPI["operations"].values()
    ]
    assert set(EVENT_TYPES) == set(messages)


def test_asyncapi_parameters_are_those_of_the_addresses() -> None:
    """Each `{word}` of an address is a parameter, and the reverse."""
    for channel in ASYNCAPI["channels"].values():
        assert re.findall(r"\{(\w+)\}", channel["address"]) == list(channel["parameters"])


def test_asyncapi_keys_are_allowed() -> None:
    """Names of components are letters, digits, dots, hyphens and underscores."""
    names = [name for parts in ASYNCAPI["components"].values() for name in parts]

    assert [name for name in names if not re.fullmatch(r"[A-Za-z0-9._-]+", name)] == []


@every_type
def test_asyncapi_examples_are_valid(name: str) -> None:
    """The example of each message has headers and a body that the contract allows."""
    [example] = ASYNCAPI["components"]["messages"][name]["examples"]
    headers = ASYNCAPI["components"]["messageTraits"]["cloudEvent"]["headers"]

    assert list(_validator(headers).iter_errors(example["headers"])) == []
    assert list(_validator(_schema(name)).iter_errors(example["payload"])) == []


def test_the_relays_headers_are_those_of_the_contract() -> None:
    """The headers that are published fit the contract, none beside it, and one that is missing does not."""
    schema = ASYNCAPI["components"]["messageTraits"]["cloudEvent"]["headers"]
    headers = headers_of(RECORDED, "https://auth.example.com")

    assert set(schema["properties"]) == set(headers)
    assert list(_validator(schema).iter_errors(headers)) == []
    assert not any(
        _validator(schema).is_valid({key: value for key, value in headers.items() if key != name})
        for name in schema["required"]
    )


def test_attributes_are_legal_cloudevents_names() -> None:
    """CloudEvents 1.0: attribute names are lower-case letters and digits, at most 20 of them, `data` not among them."""
    names = [name.removeprefix("ce-") for name in headers_of(RECORDED, "x") if name.startswith("ce-")]
    context = {"specversion", "id", "source", "type", "subject", "time"}

    assert [name for name in names if not re.fullmatch(r"[a-z0-9]{1,20}", name) or name == "data"] == []
    assert {"version", "actor", "sourceaddress"} == set(names) - context
