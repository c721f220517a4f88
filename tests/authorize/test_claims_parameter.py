"""The `claims` parameter: what it asks for, and that nothing but what OpenID Connect says is read."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.authorize.claims_parameter import read_claims_parameter
from service.errors import InvalidRequest

_JSON = st.recursive(
    st.none() | st.booleans() | st.text(), lambda each: st.dictionaries(st.text(), each) | st.lists(each)
)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "null",
        "[]",
        '"x"',
        '{"id_token": []}',
        '{"id_token": {"name": 1}}',
        '{"id_token": {"name": {"essential": "yes"}}}',
        '{"id_token": {"name": {"values": "x"}}}',
        '{"other": ' + "[" * 4_000,
        '{"other": ' + "[" * 2_000 + "]" * 2_000 + "}",
        "{} {}",
        "\ud800",
    ],
)
def test_malformed_claims(text: str) -> None:
    """What is not the JSON of OpenID Connect Core section 5.5 is refused, however deep it is."""
    with pytest.raises(InvalidRequest):
        read_claims_parameter(text)


@given(_JSON)
def test_any_claims_are_read_or_refused(content: Any) -> None:
    """Nothing else happens, and only names that mean something are kept."""
    try:
        asked = read_claims_parameter(json.dumps({"id_token": content, "other": content}))
    except InvalidRequest:
        return
    assert set(asked.id_token) <= {"name", "preferred_username", "email", "email_verified", "roles"}


def test_claims() -> None:
    """Names, the class that must be had, and the subjects that the person must have."""
    text = json.dumps(
        {
            "id_token": {"acr": {"essential": True, "values": ["2fa", "phr", 3]}, "sub": {"value": "a"}, "name": None},
            "userinfo": {"email": {}, "sub": {"value": "b"}, "unknown": None},
        }
    )
    asked = read_claims_parameter(text)
    assert (asked.id_token, asked.userinfo) == (("name",), ("email",))
    assert (asked.acr_values, asked.acr_essential, asked.subjects) == (("2fa", "phr"), True, ("a", "b"))
