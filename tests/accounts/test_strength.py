from __future__ import annotations

import re

import pytest

from service.accounts.strength import password_problem

GOOD = "tulip-harbor-92-quilt"


@pytest.mark.parametrize(
    "password", [GOOD, "correct horse battery staple", "пять больших пингвинов", "x7$Kq!m2Rz", GOOD * 40]
)
def test_a_good_password_is_taken(password: str) -> None:
    """Long enough and hard to guess, in any script, with spaces."""
    assert password_problem(password, "zoe", "zoe@example.com") is None


@pytest.mark.parametrize(
    "password", ["password", "password1!", "qwertyuiop", "aaaaaaaaaaaaaaaa", "12345678", "abc" * 300, "letmein2024"]
)
def test_a_weak_password_is_told_with_advice(password: str) -> None:
    """Common words, rows of keys and repeats are refused, whatever their length, and the message says what helps."""
    problem = password_problem(password)
    assert problem is not None
    assert re.fullmatch(r"is too easy to guess\. [A-Z].*\.", problem)


COMMON = (
    "Password123!",
    "qwerty12345",
    "iloveyou2",
    "P@ssw0rd1",
    "P@55w0rd123",
    "trustno1!",
    "Welcome1!",
    "Qwerty123!",
    "letmein!1",
    "1q2w3e4r5t",
    "1qaz2wsx3edc",
    "Summer2024!",
    "Passw0rd!2023",
    "changeme123!",
    "Admin123!@#",
    "zaq1@WSX",
    "football99",
    "michael1987",
)


@pytest.mark.parametrize("password", COMMON)
def test_what_heads_the_lists_of_breaches_is_refused(password: str) -> None:
    """Those that meet the usual rules of one big letter, one digit and one sign are no better for it."""
    assert str(password_problem(password)).startswith("is too easy to guess.")


@pytest.mark.parametrize("password", ["zoe.miller@example.org", "ZoeMiller1", "millerzoe", "millerzoe93"])
def test_a_password_of_the_owners_own_names_is_weak(password: str) -> None:
    """Name and email address, and their parts, are the first that is guessed."""
    assert str(password_problem(password, "zoe.miller", "zoe.miller@example.org")).startswith("is too easy to guess.")


@pytest.mark.parametrize(
    ("password", "problem"),
    [
        ("", "is empty"),
        ("x7$Kq!m", "is shorter than 8 characters"),
        ("e\u0301" * 7, "is shorter than 8 characters"),
        (GOOD + "\t", "has control, invisible or unassigned characters (RFC 8265 section 4)"),
        (GOOD + "\0", "has control, invisible or unassigned characters (RFC 8265 section 4)"),
        (GOOD + "\u200b", "has control, invisible or unassigned characters (RFC 8265 section 4)"),
        (GOOD + "\udce4", "has control, invisible or unassigned characters (RFC 8265 section 4)"),
        ("7g" * 513, "is longer than 1024 characters"),
    ],
)
def test_a_password_that_does_not_fit_is_told_why(password: str, problem: str) -> None:
    """Length is counted in characters of the normal form."""
    assert problem == password_problem(password)


def test_the_longest_password_is_judged_at_once() -> None:
    """The estimate looks at a bounded part, so that no password keeps a server busy."""
    assert password_problem("7g-Kq!m2Rz " * 93) is None
