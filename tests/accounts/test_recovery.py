from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.accounts.recovery import code_digest, new_codes
from service.tokens.digest import Digester

DIGESTER = Digester(bytes(range(32)))


def test_ten_codes_are_made_that_can_be_typed() -> None:
    """Groups of four without look-alikes, and none twice: 80 random bits each."""
    codes = [code for _ in range(100) for code in new_codes()]
    assert (len(set(codes)), len(new_codes())) == (1_000, 10)
    assert [code for code in codes if not re.fullmatch(r"([0-9A-HJKMNP-TV-Z]{4}-){3}[0-9A-HJKMNP-TV-Z]{4}", code)] == []


def test_every_sign_is_as_likely() -> None:
    """All 32 signs appear at each of the 16 places: no bit is lost."""
    codes = [code.replace("-", "") for _ in range(100) for code in new_codes()]
    assert {32} == {len({code[place] for code in codes}) for place in range(16)}


@pytest.mark.parametrize(
    "typed",
    ["0123-4567-89AB-CDEF", "0123456789abcdef", " 0123 4567 89ab cdef ", "oi23-4567-89AB-CDEF", "OL23-4567-89ab-cdef"],
)
def test_a_code_is_the_same_however_it_is_typed(typed: str) -> None:
    """Case, dashes, spaces and look-alikes do not matter."""
    assert code_digest(DIGESTER, "a", typed) == code_digest(DIGESTER, "a", "0123-4567-89AB-CDEF")


@pytest.mark.parametrize("typed", ["", "0123-4567-89AB-CDE", "0123-4567-89AB-CDEFG", "0123-4567-89AB-CDEU", "ß" * 16])
def test_what_cannot_be_a_code_has_no_digest(typed: str) -> None:
    """Too short, too long, or with a sign that no code has."""
    assert code_digest(DIGESTER, "a", typed) is None


@given(st.text(max_size=40))
def test_whatever_is_typed_raises_nothing(typed: str) -> None:
    """A person may type anything."""
    assert code_digest(DIGESTER, "a", typed) is None or len(typed) >= 16


def test_a_digest_is_of_one_account() -> None:
    """The same code of another account is another digest, and without the key it cannot be made."""
    (code, *_) = new_codes()
    digests = {code_digest(digester, of, code) for of in ("a", "b") for digester in (DIGESTER, Digester(bytes(32)))}
    assert len(digests) == 4
