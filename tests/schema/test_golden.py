import json

import msgspec
import pytest

from schema import events
from tests.schema.samples import GOLDEN, SAMPLES, fields_of, golden_bytes

KEPT_FIELDS = json.loads((GOLDEN / "fields.json").read_text())

every_sample = pytest.mark.parametrize("sample", SAMPLES, ids=lambda sample: sample.TYPE)


@every_sample
def test_encoding_is_the_golden_bytes(sample: events.Event) -> None:
    """An event is written today as it was written when its type was released."""
    assert golden_bytes(sample) == events.encode(sample)


@every_sample
def test_golden_bytes_decode_to_the_value(sample: events.Event) -> None:
    """Bytes of a released version are read as the value that was written, from bytes and from text."""
    assert sample == events.decode(sample.TYPE, golden_bytes(sample))
    assert sample == events.decode(sample.TYPE, golden_bytes(sample).decode())


@every_sample
def test_golden_bytes_hold_every_released_field(sample: events.Event) -> None:
    """No released field of a type is missing in its golden bytes."""
    assert set(KEPT_FIELDS[sample.TYPE]) <= set(json.loads(golden_bytes(sample)))


def test_every_event_type_has_golden_bytes_and_the_reverse() -> None:
    """An event type without golden bytes, or golden bytes without their type, cannot be released."""
    kept = {path.name.removesuffix(".v1.json") for path in GOLDEN.glob("*.v1.json")}
    assert set(events.EVENT_TYPES) == kept
    assert sorted(events.EVENT_TYPES) == sorted(sample.TYPE for sample in SAMPLES)
    assert set(events.EVENT_TYPES) == set(KEPT_FIELDS)


@pytest.mark.parametrize("event_type", sorted(KEPT_FIELDS))
def test_no_released_field_vanishes_or_changes_its_default(event_type: str) -> None:
    """Fields are append-only: each released one is there with the default that it had."""
    now = fields_of(events.EVENT_TYPES[event_type])
    assert KEPT_FIELDS[event_type] == {name: now.get(name) for name in KEPT_FIELDS[event_type]}


@pytest.mark.parametrize("event_type", sorted(KEPT_FIELDS))
def test_a_new_field_has_a_default(event_type: str) -> None:
    """The bytes of every earlier version still decode: what was added since has a default."""
    added = {
        name: field
        for name, field in fields_of(events.EVENT_TYPES[event_type]).items()
        if name not in KEPT_FIELDS[event_type]
    }
    assert [name for name, field in added.items() if field == "required"] == []


@every_sample
def test_required_fields_alone_decode_to_the_defaults(sample: events.Event) -> None:
    """What was left out as a default comes back as that default."""
    required = {
        name: value
        for name, value in json.loads(golden_bytes(sample)).items()
        if KEPT_FIELDS[sample.TYPE][name] == "required"
    }
    assert json.loads(events.encode(events.decode(sample.TYPE, json.dumps(required)))) == required


@every_sample
def test_a_later_versions_field_does_not_stop_this_one(sample: events.Event) -> None:
    """A field added by a later version is passed over, as a rolling upgrade needs."""
    later = json.loads(golden_bytes(sample)) | {"added_later": 1}
    assert sample == events.decode(sample.TYPE, json.dumps(later))


def test_unknown_type_raises() -> None:
    """A type of a later version is never guessed at."""
    with pytest.raises(events.UnknownEventType, match=r"token\.teleported"):
        events.decode("token.teleported", b"{}")


@pytest.mark.parametrize("data", [b"{}", b'{"uri": 1}', b"[]", b"", b'{"uri": "a"', b"null"])
def test_json_of_another_shape_raises(data: bytes) -> None:
    """JSON that is not the type's shape is an error, never an event with holes."""
    with pytest.raises(msgspec.DecodeError):
        events.decode("resource.removed", data)


def test_type_names_are_subject_tokens() -> None:
    """A type's name is lower-case words with dots, so that it is part of a NATS subject."""
    assert all(
        word.replace("_", "").isalpha() and word.islower() for name in events.EVENT_TYPES for word in name.split(".")
    )


def test_events_cannot_be_changed() -> None:
    """An event is what happened: nobody may alter it after the fact."""
    with pytest.raises(AttributeError):
        SAMPLES[0].uri = "https://other.example.com"  # type: ignore[attr-defined]
