from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.access.errors import NameUnknown
from service.accounts.names import email_mistakes, known_as, name_mistakes, new_subject
from service.accounts.text import NotAllowed, normal_name, normal_password


@pytest.mark.parametrize(
    ("typed", "kept"),
    [
        ("zoe", "zoe"),
        ("Zoe", "zoe"),
        ("ZOË", "zoë"),
        ("Zoe\u0308", "zoë"),
        ("\uff3a\uff4f\uff45", "zoe"),
        ("Zoe.Miller@Example.com", "zoe.miller@example.com"),
        ("Ольга", "ольга"),
        ("z" * 64, "z" * 64),
    ],
)
def test_names_that_look_the_same_are_the_same(typed: str, kept: str) -> None:
    """A name is kept in lower case, composed, of normal width, however it was typed."""
    assert ([], kept) == (list(name_mistakes(typed)), known_as(typed))


@pytest.mark.parametrize(
    "typed",
    [
        "",
        " ",
        "zoe miller",
        "zoe\n",
        "zoe\0",
        "zoe\u200b",
        "zoe\u00a0",
        "zoe\u202e",
        "\ufb01ona",
        "z" * 65,
        "\ud800",
        "אzoe",
    ],
)
def test_what_cannot_be_a_name_is_refused(typed: str) -> None:
    """Spaces, control, invisible and look-alike characters, mixed directions, and too many characters."""
    assert [mistake.path for mistake in name_mistakes(typed)] == [("name",)]


@given(st.text(max_size=20))
def test_normal_forms_are_stable(typed: str) -> None:
    """What is normal stays as it is: kept names and passwords are found again by typing what is shown."""
    for normal in (normal_name, normal_password):
        try:
            once = normal(typed)
        except NotAllowed:
            continue
        assert once == normal(once)


def test_a_refused_text_is_not_in_the_exception() -> None:
    """The exception of a refused password leads nowhere to the password."""
    with pytest.raises(NotAllowed) as refused:
        normal_password("a secret\0")
    assert (refused.value.args, refused.value.__cause__, refused.value.__context__) == ((), None, None)


def test_nobody_has_a_name_that_cannot_be_one() -> None:
    """Asking for an impossible name is asking for an unknown one."""
    with pytest.raises(NameUnknown):
        known_as("zoe miller")


@pytest.mark.parametrize("email", ["zoe@example.com", "zoe+x@mail.example.co.uk", "o'neil@example.com", "z@localhost"])
def test_an_email_address_is_taken_as_it_is(email: str) -> None:
    """What browsers take is taken."""
    assert list(email_mistakes(email)) == []


@pytest.mark.parametrize(
    "email",
    [
        "",
        "zoe",
        "@example.com",
        "zoe@",
        "zoe@-a.com",
        "zoe@a..com",
        "a b@example.com",
        "zoe@example.com\n",
        "z" * 65 + "@a.b",
        "z@" + ".".join(["a" * 60] * 5),
    ],
)
def test_what_is_no_email_address_is_refused(email: str) -> None:
    """A slip is told when it is made."""
    assert [mistake.path for mistake in email_mistakes(email)] == [("email",)]


def test_subjects_do_not_repeat() -> None:
    """Random ids: an account that is made anew is another one."""
    assert len({new_subject() for _ in range(10_000)}) == 10_000
