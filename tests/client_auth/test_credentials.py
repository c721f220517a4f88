from __future__ import annotations

from base64 import b64encode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.client_auth.credentials import ASSERTION_TYPE, Credentials, claimed_client, present
from service.errors import InvalidClient, InvalidRequest

ASSERTION = {"client_assertion_type": ASSERTION_TYPE, "client_assertion": "a.b.c"}
POST = {"client_id": "app", "client_secret": "s"}
GOOD = b"Basic " + b64encode(b"app:s")


def header(pair: bytes) -> bytes:
    """A Basic header."""
    return b"Basic " + b64encode(pair)


@pytest.mark.parametrize(
    ("pair", "client_id", "secret"),
    [
        (b"app:secret", "app", "secret"),
        (b"app:a+b", "app", "a b"),
        (b"app:a%2Bb", "app", "a+b"),
        (b"app:a%20b", "app", "a b"),
        (b"app:%3A%3a", "app", "::"),
        (b"a%3Ab:c", "a:b", "c"),
        (b"app:a:b", "app", "a:b"),
        (b"app:%C3%BC", "app", "\u00fc"),
        (b"%F0%9F%94%91:s", "\U0001f511", "s"),
        ("app:\u00fc".encode(), "app", "\u00fc"),
        (b"app:100%", "app", "100%"),
        (b"app:", "app", ""),
        (b":s", "", "s"),
    ],
)
def test_basic_is_form_decoded(pair: bytes, client_id: str, secret: str) -> None:
    """Id and secret are decoded as RFC 6749 section 2.3.1 encodes them: plus, percent, UTF-8."""
    assert Credentials("client_secret_basic", client_id, secret) == present(header(pair), {})


@pytest.mark.parametrize("scheme", [b"Basic", b"basic", b"BASIC", b"bAsIc"])
def test_scheme_is_read_without_case(scheme: bytes) -> None:
    """The name of an authentication scheme has no case (RFC 9110 section 11.1)."""
    credentials = present(scheme + b"  " + b64encode(b"app:s") + b" ", {})
    assert Credentials("client_secret_basic", "app", "s") == credentials


@pytest.mark.parametrize(
    ("authorization", "reason"),
    [
        (b"", "unknown_auth_scheme"),
        (b"Bearer abc", "unknown_auth_scheme"),
        (b"Basicx YXBwOnM=", "unknown_auth_scheme"),
        (GOOD + b", " + GOOD, "malformed_basic"),
        (b"Basic", "malformed_basic"),
        (b"Basic ", "malformed_basic"),
        (b"Basic !!!!", "malformed_basic"),
        (b"Basic YXBwOnM", "malformed_basic"),
        (b"Basic YXBw\xff", "malformed_basic"),
        (b"Basic YXBw OnM=", "malformed_basic"),
        (header(b"nocolon"), "malformed_basic"),
        (header(b"app:\xff"), "malformed_basic"),
        (header(b"app:%ff"), "malformed_basic"),
        (header(b"app%C3:x"), "malformed_basic"),
    ],
)
def test_malformed_header_is_invalid_client(authorization: bytes, reason: str) -> None:
    """A header that cannot be read proves nothing, whatever the form says beside it."""
    for form in ({}, POST, {"client_id": "app"}):
        with pytest.raises(InvalidClient) as refused:
            present(authorization, form)
        assert reason == refused.value.reason


@pytest.mark.parametrize(
    ("authorization", "form"),
    [
        (GOOD, POST),
        (GOOD, ASSERTION),
        (None, POST | ASSERTION),
        (GOOD, POST | ASSERTION),
    ],
)
def test_two_methods_at_once_are_refused(authorization: bytes | None, form: dict[str, str]) -> None:
    """A client uses one method a request (RFC 6749 section 2.3)."""
    with pytest.raises(InvalidClient, match="two_auth_methods"):
        present(authorization, form)


@pytest.mark.parametrize(
    ("form", "reason"),
    [
        ({}, "no_client_authentication"),
        ({"client_secret": "s"}, "secret_without_client_id"),
        ({"client_assertion": "a.b.c"}, "malformed_assertion_parameters"),
        ({"client_assertion_type": ASSERTION_TYPE}, "malformed_assertion_parameters"),
        (ASSERTION | {"client_assertion_type": "jwt-bearer"}, "malformed_assertion_parameters"),
        (ASSERTION | {"client_assertion_type": ASSERTION_TYPE.upper()}, "malformed_assertion_parameters"),
        (
            ASSERTION | {"client_assertion_type": "urn:ietf:params:oauth:client-assertion-type:saml2-bearer"},
            "malformed_assertion_parameters",
        ),
    ],
)
def test_incomplete_credentials_are_refused(form: dict[str, str], reason: str) -> None:
    """Half a method is none."""
    with pytest.raises(InvalidClient) as refused:
        present(None, form)
    assert reason == refused.value.reason


def test_form_and_header_must_name_one_client() -> None:
    """A client_id beside the header is allowed only if it is the same."""
    assert present(GOOD, {"client_id": "app"}).client_id == "app"
    with pytest.raises(InvalidRequest, match="client_id_mismatch"):
        present(GOOD, {"client_id": "other"})


def test_each_method_of_the_form() -> None:
    """A secret, an assertion, or the name alone."""
    assert Credentials("client_secret_post", "app", "s") == present(None, POST)
    assert Credentials("private_key_jwt", None, "a.b.c") == present(None, ASSERTION)
    assert Credentials("private_key_jwt", "app", "a.b.c") == present(None, ASSERTION | {"client_id": "app"})
    assert Credentials("none", "app", "") == present(None, {"client_id": "app"})


@given(authorization=st.one_of(st.none(), st.binary(), st.binary().map(header)), client_id=st.text())
def test_any_header_has_a_claim_or_none(authorization: bytes | None, client_id: str) -> None:
    """What a refused request claims can be told for any bytes at all."""
    claimed = claimed_client(authorization, {"client_id": client_id, "client_assertion": client_id})
    assert claimed is None or isinstance(claimed, str)
