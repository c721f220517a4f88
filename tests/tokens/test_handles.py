import string
import zlib
from base64 import urlsafe_b64encode
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schema.streams import new_stream
from service.tokens.digest import Digester
from service.tokens.handles import (
    ACCESS_TOKEN,
    CLIENT_SECRET,
    MalformedHandle,
    new_access_token,
    new_client_secret,
    parse_access_token,
)

BASE64URL = string.ascii_letters + string.digits + "-_"
DIGESTER = Digester(bytes(range(32)))


def checked(body: str) -> str:
    """Any body with the checksum that fits it, as anyone can compute it."""
    check = urlsafe_b64encode(zlib.crc32(body.encode()).to_bytes(4, "big"))
    return body + check.rstrip(b"=").decode()


@given(st.uuids())
def test_access_token_leads_to_its_grant(grant_id: UUID) -> None:
    """What is written into a handle is read from it."""
    token = new_access_token(grant_id)
    assert grant_id == parse_access_token(token)


def test_handles_tell_what_they_are() -> None:
    """Handles have a fixed length and prefix, so that scanners find them, and base64url after it."""
    token, secret = new_access_token(new_stream()), new_client_secret()
    assert (len(token), len(secret)) == (7 + 22 + 43 + 6, 7 + 43 + 6)
    assert token.startswith(ACCESS_TOKEN)
    assert secret.startswith(CLIENT_SECRET)
    assert set(token + secret) <= set(BASE64URL)


def test_handles_do_not_repeat() -> None:
    """Each handle has 256 random bits of its own, also within one grant."""
    grant_id = new_stream()
    assert len({new_access_token(grant_id) for _ in range(1_000)}) == 1_000
    assert len({new_client_secret() for _ in range(1_000)}) == 1_000


@given(st.data())
def test_any_single_changed_character_is_malformed_or_another_digest(data: st.DataObject) -> None:
    """One character changed: the checksum tells, and if it did not, the digest would."""
    token = new_access_token(new_stream())
    place = data.draw(st.integers(0, len(token) - 1))
    shift = data.draw(st.integers(1, len(BASE64URL) - 1))
    other = BASE64URL[(BASE64URL.index(token[place]) + shift) % len(BASE64URL)]
    altered = token[:place] + other + token[place + 1 :]
    assert DIGESTER.digest(token) != DIGESTER.digest(altered)
    with pytest.raises(MalformedHandle):
        parse_access_token(altered)


@given(st.text() | st.text(BASE64URL, min_size=71, max_size=71).map(ACCESS_TOKEN.__add__))
def test_any_text_is_a_handle_or_malformed(text: str) -> None:
    """Whatever a caller sends, parsing raises nothing but MalformedHandle."""
    with pytest.raises(MalformedHandle):
        parse_access_token(text)


@given(st.text(st.characters(codec="ascii"), min_size=65, max_size=65))
def test_a_fitting_checksum_proves_nothing(body: str) -> None:
    """Who computes the checksum of a body of their own gets a handle of canonical base64url or MalformedHandle."""
    try:
        grant_id = parse_access_token(checked(ACCESS_TOKEN + body))
    except MalformedHandle:
        return
    assert urlsafe_b64encode(grant_id.bytes).rstrip(b"=").decode() == body[:22]


@pytest.mark.parametrize(
    "body",
    ["!" * 22 + "A" * 43, "A" * 21 + "B" + "A" * 43, "AAAA\n" + "A" * 60, "=" * 65, "+" * 22 + "A" * 43],
    ids=["not base64url", "not canonical", "newline", "padding", "other alphabet"],
)
def test_a_grant_id_that_is_not_canonical_is_malformed(body: str) -> None:
    """There is one text for one grant id; any other is refused, however well its checksum fits."""
    with pytest.raises(MalformedHandle):
        parse_access_token(checked(ACCESS_TOKEN + body))


@given(st.text(), st.text())
def test_digest_matches_its_own_text_only(one: str, other: str) -> None:
    """A digest is matched by the text that it was made of, and by no other, under the same key only."""
    digest = DIGESTER.digest(one)
    assert (one == other) == DIGESTER.matches(other, digest)
    assert not Digester(bytes(32)).matches(one, digest)
    assert (len(digest), len(DIGESTER.raw(one))) == (43, 32)


def test_digest_is_fixed() -> None:
    """Digests are kept in the journal for good: how they are made is fixed."""
    assert DIGESTER.digest("tly_cs_example") == "eGk3CO7hz4cJ7W-ozH4U285WyUwfa1xvyVgaaeqmtIU"


def test_digest_takes_whatever_a_caller_sends() -> None:
    """Text that is not valid Unicode has a digest, too."""
    assert len(DIGESTER.digest("\ud800\0")) == 43
