from __future__ import annotations

import hashlib
from base64 import urlsafe_b64encode
from typing import Any
from uuid import UUID, uuid4

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from projections.grants import Grant, Refresh, fold_grant
from projections.packed_grants import GrantPacking
from projections.short import Words, lengthened, shortened
from schema import events
from schema.envelope import Fact
from tests.projections.feeding import of_stream
from tests.projections.grant_histories import authorized, grant_histories, with_refresh
from tests.projections.histories import MOMENT, issued


def digest_of(text: str) -> str:
    """As the service writes it."""
    return urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).rstrip(b"=").decode()


@given(grant_histories())
def test_what_is_unpacked_equals_what_was_packed(facts: list[Fact]) -> None:
    """A grant of any history is the same after it was at rest, and so is what folds on from there."""
    packing = GrantPacking()
    for stream in {fact.stream for fact in facts}:
        mine, resting = of_stream(facts, stream), Grant()
        for number, fact in enumerate(mine, start=1):
            resting.apply(fact)
            resting = packing.unpack(packing.pack(resting))
            assert resting == fold_grant(mine[:number])


@given(st.text() | st.from_regex(r"[A-Za-z0-9_+/=-]{43}", fullmatch=True) | st.uuids().map(str) | st.binary().map(str))
def test_every_text_has_one_short_form(text: str) -> None:
    """Whatever looks like a digest or an id and is not quite one stays as it is."""
    assert lengthened(shortened(text)) == text


@given(st.binary(min_size=32, max_size=32), st.uuids())
def test_digests_and_ids_are_short(raw: bytes, name: UUID) -> None:
    """A digest takes its 32 bytes, an id its 16."""
    digest = urlsafe_b64encode(raw).rstrip(b"=").decode()
    assert (shortened(digest), shortened(str(name)), shortened(None)) == (raw, name.bytes, None)


@pytest.mark.parametrize(
    "text",
    [
        "A" * 42 + "B",
        "+" + "A" * 42,
        "/" + "A" * 42,
        "é" * 43,
        "01A22E24-A576-739C-AC0C-9949BBDCB013",
        "-" * 36,
        "0" * 36,
    ],
)
def test_what_is_no_digest_or_id_is_itself(text: str) -> None:
    """Bits that 32 bytes do not have, another alphabet, dashes elsewhere: nothing of it is lost."""
    assert shortened(text) == text


def test_no_field_of_a_refresh_token_is_lost() -> None:
    """Siblings, generation, times and the retries that are left: all of it decides about the next use."""
    refresh = Refresh(
        ("a", digest_of("b")), 2_100, 205, generation=3, previous=digest_of("c"), rotated_at=200, retries=2
    )
    grant = Grant(version=4, position=7, last_number=3, refresh=refresh)
    packing = GrantPacking()
    assert packing.unpack(packing.pack(grant)) == grant


def test_words_are_bounded() -> None:
    """A client that asks for ever new scopes makes no table grow: what is over the limit stands for itself."""
    words = Words(limit=2)
    assert [words.number(text) for text in ("a", "b", "c", "a", "c")] == [0, 1, "c", 0, "c"]
    assert [words.text(number) for number in (0, 1, "c")] == ["a", "b", "c"]


def test_a_million_have_room() -> None:
    """At rest a token of a client takes at most 64 bytes, and a person's grant with code and refresh token 300."""
    packing, subject = GrantPacking(), str(uuid4())
    token = msgspec.structs.replace(issued(at=1_790_000_000, lifetime=600), kid=digest_of("kid"))
    granted = msgspec.structs.replace(
        authorized(at=1_790_000_000),
        subject=subject,
        session=str(uuid4()),
        digest=digest_of("code"),
        code_challenge=digest_of("verifier"),
        nonce=None,
    )
    refresh = with_refresh(msgspec.structs.replace(token, subject=subject), digest_of("refresh"), lifetime=2_592_000)
    redeemed: Any = events.AuthorizationRedeemed(client_id="alpha")
    sizes = [len(packing.pack(fold_grant(_facts(*happened)))) for happened in ((token,), (granted, redeemed, refresh))]
    assert sizes[0] <= 64
    assert sizes[1] <= 300


def _facts(*happened: events.Event) -> list[Fact]:
    return [
        Fact(10_000_000 + version, UUID(int=1), version, event, MOMENT, "10.20.30.40")
        for version, event in enumerate(happened, start=1)
    ]
