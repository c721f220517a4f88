from __future__ import annotations

import hashlib
import xml.etree.ElementTree as ET
from base64 import b32decode
from urllib.parse import parse_qs, unquote, urlsplit

import pyotp
import pytest

from service.accounts.totp import (
    matching_step,
    new_secret,
    provisioning_uri,
    qr_svg,
    secret_text,
    used_step,
)
from service.keys.wrapping import NotWrapped, unwrap_secret, wrap_secret
from service.tokens.digest import Digester

RFC_SECRET = b"12345678901234567890"
KEY = bytes(range(32))
STEP = 30


@pytest.mark.parametrize(
    ("now", "code"),
    [
        (59, "287082"),
        (1111111109, "081804"),
        (1111111111, "050471"),
        (1234567890, "005924"),
        (2000000000, "279037"),
        (20000000000, "353130"),
    ],
)
def test_codes_are_those_of_the_rfc(now: int, code: str) -> None:
    """The test vectors of RFC 6238 appendix B, cut to six digits."""
    assert now // STEP == matching_step(RFC_SECRET, code, now)


def test_one_step_of_drift_each_way_is_taken() -> None:
    """A clock that is wrong by one step is right enough, by two it is not."""
    now, secret = 1_700_000_010, new_secret()
    current = now // STEP
    codes = pyotp.TOTP(secret_text(secret).replace(" ", ""))
    taken = [matching_step(secret, codes.generate_otp(current + drift), now) for drift in (-2, -1, 0, 1, 2)]
    assert [None, current - 1, current, current + 1, None] == taken


@pytest.mark.parametrize("typed", ["287 082", " 287082 ", "287-082"])
def test_a_code_is_read_as_apps_show_it(typed: str) -> None:
    """Spaces and dashes between its digits do not matter."""
    assert matching_step(RFC_SECRET, typed, 59) == 1


@pytest.mark.parametrize(
    "typed", ["", "28708", "2870820", "٢٨٧٠٨٢", "287o82", "²87082", "+28708", "287082\0", "x" * 9_000]
)
def test_what_is_no_code_is_refused(typed: str) -> None:
    """Six ASCII digits, or nothing."""
    assert matching_step(RFC_SECRET, typed, 59) is None


def test_secrets_do_not_repeat_and_are_long_enough() -> None:
    """160 random bits (RFC 4226 section 4)."""
    made = {new_secret() for _ in range(1_000)}
    assert (1_000, {20}) == (len(made), {len(secret) for secret in made})


def test_the_secret_can_be_typed() -> None:
    """Base32 in groups of four, of the same secret that the picture has."""
    secret = new_secret()
    text = secret_text(secret)
    assert {4} == {len(group) for group in text.split(" ")}
    assert b32decode(text.replace(" ", "")) == secret


def test_the_uri_names_account_and_server() -> None:
    """What apps show beside the code, whatever signs the name has."""
    uri = urlsplit(provisioning_uri(RFC_SECRET, "zoë&x", "https://auth.example.com:8443/a"))
    assert (uri.scheme, uri.netloc, unquote(uri.path)) == ("otpauth", "totp", "/auth.example.com:zoë&x")
    assert {"secret": [secret_text(RFC_SECRET).replace(" ", "")], "issuer": ["auth.example.com"]} == parse_qs(uri.query)


def test_the_picture_is_a_document_without_style() -> None:
    """It stands alone, on white, and a content security policy without inline styles lets it be."""
    root = ET.fromstring(qr_svg("otpauth://totp/x"))  # noqa: S314 our own text
    assert root.tag == "{http://www.w3.org/2000/svg}svg"
    elements = list(root.iter())
    assert [each for each in elements if "style" in each.attrib or each.tag.endswith(("style", "script"))] == []
    assert "#fff" in {each.attrib.get("fill") for each in elements}


def test_a_step_is_used_up_for_its_account_alone() -> None:
    """The key tells account and step apart and says nothing of either; it is kept for as long as its code is good."""
    digester = Digester(KEY)
    keys = {used_step(digester, subject, step).key for subject in ("a", "b") for step in (1, 2)}
    assert (4, {32}) == (len(keys), {len(key) for key in keys})
    assert hashlib.sha256(b"otp\0a\x001").digest() not in keys
    assert used_step(digester, "a", 10).until.timestamp() > (10 + 2) * STEP


def test_a_secret_opens_for_its_owner_alone() -> None:
    """Neither another account's row, nor another key, nor a damaged text gives a secret."""
    wrapped = wrap_secret(b"secret", "totp a", KEY)
    assert unwrap_secret(wrapped, "totp a", KEY) == b"secret"
    assert b"secret" not in wrapped
    for broken, owner, key in (
        (wrapped, "totp b", KEY),
        (wrapped, "totp a", bytes(32)),
        (wrapped[:-1], "totp a", KEY),
        (b"", "totp a", KEY),
    ):
        with pytest.raises(NotWrapped):
            unwrap_secret(broken, owner, key)
