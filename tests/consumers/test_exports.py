"""Each event type is exported: with every field and with few, from every kind of actor, with address and without."""

from __future__ import annotations

import datetime as dt
import json
from collections import defaultdict
from collections.abc import Callable, Iterator
from functools import cache
from ipaddress import ip_address
from pathlib import Path
from typing import Any
from uuid import UUID

import jsonschema
import msgspec
import pytest
from ocsf_json_schema import OcsfJsonSchemaEmbedded, get_ocsf_schema

from consumers.exports import ecs_table, ocsf_table
from consumers.exports.ecs import ECS_VERSION, category_of, ecs_document
from consumers.exports.ocsf import ocsf_event
from consumers.exports.ocsf_objects import OCSF_VERSION
from consumers.exports.ocsf_table import ACTIVITIES, OTHER, Activity
from consumers.exports.told import VERSION
from schema.envelope import RecordedEvent, client_of
from schema.events import EVENT_TYPES, encode
from tests.consumers import ecs_fields
from tests.schema.samples import SAMPLES

STREAM = UUID("019b76da-a800-7000-8000-000000000001")
SUBJECT = "0b6f1c1e-3f0e-4b7a-9b0e-6a4d6b6f2f11"
TRACE_ID, SPAN_ID = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
AT = dt.datetime(2026, 1, 2, 3, 4, 5, 678_901, tzinfo=dt.UTC)
MILLISECONDS = 1_767_323_045_679
SURROUNDINGS: tuple[dict[str, Any], ...] = (
    {"actor": "_", "source": "192.0.2.7", "trace": f"00-{TRACE_ID}-{SPAN_ID}-01"},
    {"actor": "billing-worker", "source": "2001:db8::7"},
    {"actor": f"account:{SUBJECT}", "source": "fe80::1%eth0"},
    {"actor": "cli:root"},
    {"actor": "cli:zoë"},
    {"actor": "rule:password_spray"},
    {"actor": "webhook:siem"},
    {"actor": "tallystick", "source": "unix:/run/tallystick.sock"},
)


def recorded(event_type: str, data: bytes, client: str = "_", **surroundings: Any) -> RecordedEvent:
    """An event as the journal has it."""
    around = {"actor": "_", "source": None, "trace": None} | surroundings
    return RecordedEvent(
        position=42,
        stream=STREAM,
        version=3,
        type=event_type,
        client=client,
        data=data.decode(),
        recorded_at=AT,
        **around,
    )


def every_event() -> Iterator[RecordedEvent]:
    """Each type with every field, and with as few as it may have, in all surroundings."""
    for sample in SAMPLES:
        whole = encode(sample)
        kind = msgspec.inspect.type_info(type(sample))
        assert isinstance(kind, msgspec.inspect.StructType)
        needed = {field.encode_name for field in kind.fields if field.required}
        least = json.dumps({name: value for name, value in json.loads(whole).items() if name in needed}).encode()
        for around in SURROUNDINGS:
            yield recorded(sample.TYPE, whole, client_of(sample), **around)
            yield recorded(sample.TYPE, least, **around)


def exported(event_type: str, **surroundings: Any) -> tuple[dict[str, Any], dict[str, Any]]:
    """The sample of a type in ECS and in OCSF."""
    (sample,) = (sample for sample in SAMPLES if event_type == sample.TYPE)
    event = recorded(event_type, encode(sample), client_of(sample), **surroundings)
    return ecs_document(event), ocsf_event(event)


def flat(document: dict[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """The fields of a document by their dotted names; objects in lists are one field."""
    for name, value in document.items():
        if isinstance(value, dict):
            yield from flat(value, f"{prefix}{name}.")
        else:
            yield prefix + name, value


@cache
def ocsf_schema() -> dict[str, Any]:
    """OCSF as it is published."""
    schema: dict[str, Any] = get_ocsf_schema(OCSF_VERSION)
    return schema


@cache
def validator(class_uid: int, profiles: tuple[str, ...]) -> jsonschema.Draft202012Validator:
    """What checks events of a class: required and known fields, their types, enumerations and constraints."""
    schema = OcsfJsonSchemaEmbedded(ocsf_schema())
    name = schema.lookup_class_name_from_uid(class_uid)
    return jsonschema.Draft202012Validator(schema.get_class_schema(name, list(profiles)))


def test_every_event_type_has_a_place_in_both() -> None:
    """A type that is new in schema/events.py needs a line in both tables, and none is for a type that is not there."""
    assert set(ecs_table.CATEGORIES) == set(EVENT_TYPES)
    assert set(ACTIVITIES) == set(EVENT_TYPES)


def test_ocsf_events_are_what_the_published_schema_asks_for() -> None:
    """Every event is valid in its class: nothing required is missing, and no field is unknown or of another type."""
    found = {
        (event.type, event.actor, tuple(error.absolute_path), error.message)
        for event in every_event()
        for exported in [ocsf_event(event)]
        for error in validator(exported["class_uid"], tuple(exported["metadata"].get("profiles", ()))).iter_errors(
            exported
        )
    }
    assert found == set()


@pytest.mark.parametrize("activity", sorted({*ACTIVITIES.values(), ocsf_table.UNKNOWN}))
def test_numbers_and_names_of_ocsf_are_those_of_the_schema(activity: Activity) -> None:
    """Class, category and activity have the captions that OCSF gives them, but where it has no word for an activity."""
    known = next(known for known in ocsf_schema()["classes"].values() if known["uid"] == activity.of)
    captions = {int(number): each["caption"] for number, each in known["attributes"]["activity_id"]["enum"].items()}
    categories = {each["uid"]: each["caption"] for each in ocsf_schema()["categories"]["attributes"].values()}
    assert ocsf_table.CLASS_NAMES[activity.of] == known["caption"]
    assert activity.of == 0 or ocsf_table.CATEGORY_NAMES[activity.of // 1_000] == categories[activity.of // 1_000]
    assert activity.id in captions
    assert activity.id == OTHER or captions[activity.id] == activity.name


def test_severities_and_statuses_have_the_captions_of_ocsf() -> None:
    """So that a number and its word agree."""

    def captions(name: str, field: str) -> dict[int, str]:
        found = ocsf_schema()["classes"][name]["attributes"][field]["enum"]
        return {int(number): each["caption"] for number, each in found.items()}

    assert ocsf_table.SEVERITIES.items() <= captions("api_activity", "severity_id").items()
    assert ocsf_table.STATUSES.items() <= captions("api_activity", "status_id").items()
    assert ocsf_table.FINDING_STATUSES.items() <= captions("detection_finding", "status_id").items()


def test_ecs_documents_have_fields_of_ecs_alone() -> None:
    """Every field has a name and a type that ECS publishes, or is under `tallystick`."""
    fits: dict[str, Callable[[Any], bool]] = {
        "keyword": lambda value: isinstance(value, str),
        "match_only_text": lambda value: isinstance(value, str),
        "long": lambda value: isinstance(value, int) and not isinstance(value, bool),
        "date": lambda value: dt.datetime.fromisoformat(value).tzinfo is not None,
        "ip": lambda value: "%" not in value and str(ip_address(value)) == value,
    }
    wrong = set()
    for event in every_event():
        for name, value in flat(ecs_document(event)):
            if name.startswith("tallystick."):
                continue
            kind, is_list = ecs_fields.FIELDS[name]
            values = value if isinstance(value, list) else [value]
            if is_list != isinstance(value, list) or not all(fits[kind](each) for each in values):
                wrong.add((event.type, name, str(value)))
    assert wrong == set()
    assert ECS_VERSION == ecs_fields.VERSION


def test_ecs_categories_go_with_their_types() -> None:
    """Kind, category, type and outcome have allowed values, and each type is one that a category expects."""
    for event_type in [*EVENT_TYPES, "later.type"]:
        for error in (None, "invalid_client"):
            category = category_of(event_type, error)
            expected = {each for name in category.category for each in ecs_fields.EXPECTED_TYPES[name]}
            assert category.kind in ecs_fields.KINDS
            assert set(category.type) <= expected, event_type
    outcomes = {ecs_document(event)["event"].get("outcome") for event in every_event()}
    assert outcomes == {None, "success", "failure"} <= {None, *ecs_fields.OUTCOMES}


def test_one_index_takes_every_ecs_document() -> None:
    """A field has one type whatever event it is in: Elasticsearch refuses a document that gives it another."""
    kinds: dict[str, set[str]] = defaultdict(set)
    for event in every_event():
        for name, value in flat(ecs_document(event)):
            values = value if isinstance(value, list) else [value]
            kinds[name] |= {"object" if isinstance(each, dict) else type(each).__name__ for each in values}
            parts = name.split(".")
            for end in range(1, len(parts)):
                kinds[".".join(parts[:end])].add("object")
    assert {name: found for name, found in kinds.items() if len(found) > 1} == {}


def test_a_refused_client_in_both() -> None:
    """Who, from where, for what reason, within which trace."""
    document, event = exported("access.rejected", source="192.0.2.7", trace=f"00-{TRACE_ID}-{SPAN_ID}-01")
    assert document["@timestamp"] == "2026-01-02T03:04:05.678901Z"
    assert document["event"] == {
        "kind": "event",
        "category": ["api", "authentication"],
        "type": ["access", "denied", "start"],
        "action": "access.rejected",
        "outcome": "failure",
        "reason": "bad_secret",
        "id": "42",
        "sequence": 42,
        "dataset": "tallystick.audit",
        "module": "tallystick",
        "provider": "tallystick",
    }
    assert document["source"] == {"address": "192.0.2.7", "ip": "192.0.2.7"}
    assert (document["trace"], document["span"]) == ({"id": TRACE_ID}, {"id": SPAN_ID})
    assert document["user_agent"] == {"original": "curl/8.5.0"}
    assert document["http"] == {"request": {"method": "GET"}, "response": {"status_code": 401}}
    assert document["tallystick"]["client"] == {"id": "billing-worker"}
    assert (event["class_uid"], event["type_uid"], event["time"]) == (6003, 600399, MILLISECONDS)
    assert (event["severity_id"], event["status_id"]) == (2, 2)
    assert (event["status_code"], event["status_detail"]) == ("invalid_client", "bad_secret")
    assert event["api"]["response"] == {"code": 401, "error": "invalid_client"}
    assert (event["trace"], event["src_endpoint"]) == ({"uid": TRACE_ID}, {"ip": "192.0.2.7"})
    assert event["metadata"] == {
        "version": "1.8.0",
        "product": {"name": "Tallystick", "vendor_name": "Tallystick", "version": VERSION},
        "uid": "42",
        "sequence": 42,
        "correlation_uid": str(STREAM),
        "event_code": "access.rejected",
        "log_name": "audit",
        "log_provider": "tallystick",
        "original_time": "2026-01-02T03:04:05.678901Z",
        "profiles": ["trace"],
    }


def test_a_finding_in_both() -> None:
    """The rule, its severity, MITRE's technique, when, and the events that speak for it."""
    document, event = exported("anomaly.detected", actor="rule:password_spray")
    assert (document["event"]["kind"], document["event"]["severity"]) == ("alert", 73)
    assert document["rule"] == {"name": "password_spray"}
    assert document["threat"] == {
        "framework": "MITRE ATT&CK",
        "technique": {"id": ["T1110"], "subtechnique": {"id": ["T1110.003"]}},
    }
    assert (document["event"]["start"], document["event"]["end"]) == (
        "2026-01-01T00:00:00.000000Z",
        "2026-01-01T00:10:00.000000Z",
    )
    assert (event["type_uid"], event["severity_id"], event["status"]) == (200401, 4, "New")
    assert event["finding_info"]["attacks"] == [{"technique": {"uid": "T1110"}, "sub_technique": {"uid": "T1110.003"}}]
    assert event["finding_info"]["related_events"] == [{"uid": "17"}, {"uid": "18"}, {"uid": "66"}]


def test_who_acts_is_told_from_whom_it_is_done_to() -> None:
    """An operator who disables an account is the user, and the account is the target."""
    document, event = exported("account.disabled", actor="cli:root")
    assert document["user"] == {"name": "root", "target": {"id": SUBJECT}}
    assert document["related"]["user"] == [SUBJECT, "root"]
    assert (event["actor"]["user"]["name"], event["user"]["uid"]) == ("root", SUBJECT)


def test_a_password_that_an_operator_sets_is_a_reset() -> None:
    """OCSF has an activity for each."""
    assert exported("account.password_set", actor="cli:root")[1]["activity_name"] == "Password Reset"
    assert exported("account.password_set", actor=f"account:{SUBJECT}")[1]["activity_name"] == "Password Change"


def test_the_address_is_of_who_had_the_token_not_of_who_told_it() -> None:
    """An API that tells where a token came from is not where it came from."""
    document, event = exported("token.source_observed", source="10.0.0.1")
    told = document["tallystick"]["data"]
    assert document["source"]["ip"] == event["src_endpoint"]["ip"] == told["source"]
    assert document["related"]["ip"] == [told["source"], "10.0.0.1", told["issued_from"]]


@pytest.mark.parametrize("name", ["logout.notified", "anomaly.answered"])
def test_what_could_not_be_done_is_a_failure(name: str) -> None:
    """A notice that was not delivered, an answer that was not given."""
    flag = {"logout.notified": "delivered", "anomaly.answered": "done"}[name]
    for done, outcome in ((True, "success"), (False, "failure")):
        event = recorded(name, json.dumps({flag: done, "subject": "x", "rule": "y"}).encode())
        assert ecs_document(event)["event"]["outcome"] == outcome


def test_type_of_a_later_version_is_exported_all_the_same() -> None:
    """Nothing is lost to a SIEM because it was written by a newer version; it is said to be of no class."""
    event = recorded("later.type", b'{"client_id": 7, "status": "odd", "evidence": [], "scope": null}')
    document, exported = ecs_document(event), ocsf_event(event)
    assert document["event"]["action"] == exported["metadata"]["event_code"] == "later.type"
    assert "category" not in document["event"]
    assert (exported["class_uid"], exported["type_uid"]) == (0, 99)
    assert list(validator(0, ()).iter_errors(exported)) == []
    assert document["tallystick"]["data"]["status"] == exported["unmapped"]["data"]["status"] == "odd"


def test_documented_table_is_that_of_the_code() -> None:
    """docs/siem.md has a row for each type, with what it becomes."""
    rows = []
    for name in EVENT_TYPES:
        category, activity = ecs_table.CATEGORIES[name], ACTIVITIES[name]
        ecs = f"{category.kind} · {', '.join(category.category)} · {', '.join(category.type)}"
        of = ocsf_table.CLASS_NAMES[activity.of]
        rows.append(f"| `{name}` | {ecs} | {of} · {activity.name} ({activity.of * 100 + activity.id}) |")
    document = (Path(__file__).parents[2] / "docs" / "siem.md").read_text()
    documented = [line for line in document.splitlines() if " · " in line and line.startswith("| `")]
    assert sorted(documented) == sorted(rows)
    assert f"Elastic Common Schema {ECS_VERSION}" in document
    assert f"Open Cybersecurity Schema Framework {OCSF_VERSION}" in document
