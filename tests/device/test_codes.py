"""User codes: drawn, shown, and read however they are typed (RFC 8628 section 6.1)."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from service.device.codes import ALPHABET, LENGTH, new_user_code, normal_user_code, shown

codes = st.text(ALPHABET, min_size=LENGTH, max_size=LENGTH)
between = st.text("-\u2010\u2013\u2014_ \u00a0\u200b", max_size=3)


def test_codes_are_drawn_from_the_whole_alphabet() -> None:
    """Every letter comes up, none but consonants, and no two codes are alike."""
    drawn = [new_user_code() for _ in range(1_000)]
    assert set("".join(drawn)) == set(ALPHABET)
    assert len(set(drawn)) == len(drawn)
    assert {len(code) for code in drawn} == {LENGTH}
    assert not set(ALPHABET) & set("AEIOUY")


@given(code=codes, gaps=st.lists(between, min_size=LENGTH + 1, max_size=LENGTH + 1), lower=st.booleans())
def test_code_is_read_however_it_is_typed(code: str, gaps: list[str], lower: bool) -> None:
    """Case, dashes and spaces do not matter, wherever they are."""
    letters = zip(code.lower() if lower else code, gaps[1:], strict=True)
    typed = gaps[0] + "".join(letter + gap for letter, gap in letters)
    assert normal_user_code(typed) == code
    assert normal_user_code(shown(code)) == code


@given(st.text(max_size=40))
def test_what_is_read_is_a_code(typed: str) -> None:
    """Whatever is typed, what comes of it is a code in normal form, or nothing."""
    code = normal_user_code(typed)
    assert code is None or (len(code) == LENGTH and set(code) <= set(ALPHABET))
