import uuid

from hypothesis import given
from hypothesis import strategies as st

from schema.streams import (
    ENTITY_STREAMS_FROM,
    KEYS_STREAM,
    account_stream,
    client_stream,
    entity_stream,
    new_stream,
    resource_stream,
    role_stream,
)

MILLIS = st.integers(0, 0xFE << 40)


@given(MILLIS)
def test_grant_stream_is_a_uuid7_of_its_time(now_ms: int) -> None:
    """A grant's id is a UUIDv7 (RFC 9562 section 5.7) that tells its millisecond."""
    stream = new_stream(now_ms)
    assert (7, uuid.RFC_4122, now_ms) == (stream.version, stream.variant, stream.int >> 80)


@given(MILLIS, MILLIS)
def test_grant_streams_sort_by_time(one: int, other: int) -> None:
    """Grants of one time lie together, which is what partitions are cut by."""
    if one != other:
        assert (one < other) == (new_stream(one) < new_stream(other))


@given(MILLIS, st.text(), st.text())
def test_entity_streams_sort_behind_every_grant(now_ms: int, kind: str, name: str) -> None:
    """What lives long is in the partition that is never dropped, whatever the time."""
    entity = entity_stream(kind, name)
    assert new_stream(now_ms) < ENTITY_STREAMS_FROM <= entity
    assert (entity.version, entity.variant, entity.bytes[0]) == (8, uuid.RFC_4122, 0xFF)


@given(st.text())
def test_entity_streams_are_the_same_for_the_same_name_only(name: str) -> None:
    """Two writers of one thing meet in one stream; things of different kinds do not."""
    assert client_stream(name) == client_stream(name)
    by_kind = {kind(name) for kind in (account_stream, client_stream, role_stream, resource_stream)}
    assert len(by_kind | {KEYS_STREAM}) == 5
    assert client_stream(name) != client_stream(name + "x")


def test_entity_stream_ids_never_change() -> None:
    """A stream id is kept in the journal for good: its derivation is fixed."""
    assert str(client_stream("billing-worker")) == "ffaea04f-3d7f-8fd7-ba95-f8a864f94ccc"
    assert str(ENTITY_STREAMS_FROM) == "ff000000-0000-0000-0000-000000000000"
    assert str(KEYS_STREAM) == "ffde3bc9-9cc6-8fb1-85fa-9dd2f545cd2b"


def test_grant_streams_do_not_repeat() -> None:
    """74 random bits: grants of the same millisecond have different ids."""
    assert len({new_stream(1_767_225_600_000) for _ in range(10_000)}) == 10_000
