from __future__ import annotations

import json
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from jwt.algorithms import ECAlgorithm, OKPAlgorithm, RSAAlgorithm

from schema.events import ClientSettings
from service.access.jwks import ALGORITHMS_OF, jwks_mistakes, public_jwk
from service.access.rules import Known, client_mistakes, client_references, resource_mistakes, role_mistakes
from service.access.uris import backchannel_uri_problem, redirect_uri_problem, resource_uri_problem
from service.client_auth.assertion import ALGORITHMS
from service.oidc.scopes import IDENTITY_SCOPES


def rsa_jwk(bits: int) -> dict[str, Any]:
    """A public RSA key."""
    key = rsa.generate_private_key(public_exponent=65_537, key_size=bits).public_key()
    return {name: value for name, value in RSAAlgorithm.to_jwk(key, as_dict=True).items() if name != "key_ops"}


def ec_jwk(curve: ec.EllipticCurve) -> dict[str, Any]:
    """A public EC key."""
    return ECAlgorithm.to_jwk(ec.generate_private_key(curve).public_key(), as_dict=True)


GOOD_URIS = ["https://api.example.com/users", "https://[::1]:8443/a?b=c", "urn:example:api", "https://a/%20b"]
BAD_URIS = ["", "/users", "api.example.com", "https://", "https://a/#b", "https://a b", "https://é", "https://a:x/"]
BAD_URIS += ["https://user:secret@a/", "https://a/%zz", "https://a\n", "x" * 2_001, "https://[::1/"]


@pytest.mark.parametrize("uri", GOOD_URIS)
def test_an_absolute_uri_names_a_resource(uri: str) -> None:
    """RFC 8707 section 2: any absolute URI without a fragment will do."""
    assert resource_uri_problem(uri) is None


@pytest.mark.parametrize("uri", BAD_URIS)
def test_another_uri_names_none(uri: str) -> None:
    """Relative, cut, fragmented, unencoded and credential-bearing URIs are refused, also as redirect URIs."""
    assert resource_uri_problem(uri) is not None
    assert redirect_uri_problem(uri) is not None
    assert backchannel_uri_problem(uri) is not None


REDIRECTS = {
    "https://app.example.com/cb": True,
    "http://127.0.0.1/cb": True,
    "http://[::1]:1234/cb": True,
    "http://localhost:1234/cb": True,
    "com.example.app:/cb": True,
    "http://app.example.com/cb": False,
    "http://127.0.0.1.example.com/": False,
    "javascript:alert(1)": False,
    "data:text/html,a": False,
    "https:/cb": False,
}


@pytest.mark.parametrize("uri", REDIRECTS)
def test_redirects_go_to_https_loopback_or_an_app(uri: str) -> None:
    """RFC 8252 section 7: https, http on loopback, a private-use scheme; nothing else."""
    assert (redirect_uri_problem(uri) is None) == REDIRECTS[uri]


@pytest.mark.parametrize("uri", REDIRECTS)
def test_this_server_calls_https_and_loopback_alone(uri: str) -> None:
    """A client is told of a logout where a redirect may go, but for an app, which nobody can call."""
    expected = REDIRECTS[uri] and uri.startswith("http")
    assert (backchannel_uri_problem(uri) is None) == expected


IDS = {"a": True, "A-z_09": True, "x" * 64: True, "__": True, "_": False, "": False, "x" * 65: False, "a.b": False}
IDS |= {"a b": False, "é": False, "a\n": False}


@pytest.mark.parametrize("client_id", IDS)
def test_a_client_id_is_one_subject_token(client_id: str) -> None:
    """1 to 64 of A-Z a-z 0-9 _ -, and not `_`, which stands for no client in a subject."""
    settings = ClientSettings(client_id=client_id, auth_method="client_secret_basic")
    assert (list(client_mistakes(settings)) == []) == IDS[client_id]


SCOPES = {"read:users": True, "!#[]~": True, "a b": False, 'a"b': False, "a\\b": False, "é": False, "": False}


@pytest.mark.parametrize("scope", SCOPES)
def test_a_scope_is_a_scope_token(scope: str) -> None:
    """RFC 6749 section 3.3: printable ASCII without space, quotation mark and backslash; in every place."""
    settings = ClientSettings(client_id="a", auth_method="client_secret_basic", scopes=(scope,))
    for mistakes in (
        client_mistakes(settings),
        role_mistakes("r", [scope]),
        resource_mistakes("urn:a:b", {scope: ""}),
    ):
        assert (list(mistakes) == []) == SCOPES[scope]


def test_nothing_is_listed_twice() -> None:
    """A list that names something twice is a mistake, at the second place."""
    settings = ClientSettings(client_id="a", auth_method="none", scopes=("x", "y", "x"))
    assert [str(mistake) for mistake in client_mistakes(settings)] == ['scopes[2]: "x" is there twice']


WEB: dict[str, Any] = {
    "auth_method": "client_secret_basic",
    "grants": ("authorization_code", "refresh_token"),
    "scopes": ("openid", "offline_access"),
    "redirect_uris": ("https://a.example.com/cb", "https://a.example.com:8443/cb"),
}
DEVICE = "urn:ietf:params:oauth:grant-type:device_code"
PERSONAL: dict[str, tuple[dict[str, Any], list[str]]] = {
    "a web application": ({}, []),
    "a device": ({"grants": (DEVICE, "refresh_token"), "redirect_uris": (), "auth_method": "none"}, []),
    "a pairwise device": ({"grants": (DEVICE, "refresh_token"), "redirect_uris": (), "subject_type": "pairwise"}, []),
    "a pairwise app": ({"redirect_uris": ("com.example.app:/cb",), "subject_type": "pairwise"}, []),
    "pairwise on one host": ({"subject_type": "pairwise"}, []),
    "without rotation": ({"refresh_rotation": False}, []),
    "a first party that is public": ({"first_party": True, "auth_method": "none"}, []),
    "the longest name": ({"client_name": "ä" * 100}, []),
    "no redirect URI": (
        {"redirect_uris": ()},
        ["redirect_uris: authorization_code needs at least one redirect URI"],
    ),
    "pairwise on two hosts": (
        {"subject_type": "pairwise", "redirect_uris": ("https://a.example.com/cb", "https://b.example.com/cb")},
        ["subject_type: pairwise needs all redirect URIs on one host (OpenID Connect Core section 8.1)"],
    ),
    "pairwise in two apps": (
        {"subject_type": "pairwise", "redirect_uris": ("com.example.a:/cb", "com.example.b:/cb")},
        ["subject_type: pairwise needs all redirect URIs on one host (OpenID Connect Core section 8.1)"],
    ),
    "public without rotation": (
        {"auth_method": "none", "refresh_rotation": False},
        [
            (
                "refresh_rotation: a public client (auth_method none) must rotate its refresh tokens"
                " (RFC 9700 section 4.14.2)"
            )
        ],
    ),
    "refresh without a person": (
        {"grants": ("client_credentials", "refresh_token"), "scopes": ()},
        ["grants[1]: refresh_token needs authorization_code or device_code: no other grant gives a refresh token"],
    ),
    "refresh without leave": (
        {"scopes": ("openid",)},
        ["grants[1]: refresh_token needs the scope offline_access, by which people allow it"],
    ),
    "about nobody": (
        {"grants": ("client_credentials",), "scopes": ("openid",)},
        ['scopes[0]: "openid" is about a person: it needs authorization_code or device_code'],
    ),
    "away without refreshing": (
        {"grants": ("authorization_code",)},
        ['scopes[1]: "offline_access" is for refresh tokens: it needs refresh_token'],
    ),
    "a long name": ({"client_name": "x" * 101}, [f'client_name: "{"x" * 101}" is longer than 100 characters']),
    "a name of two lines": (
        {"client_name": "a\nb"},
        ['client_name: "a\\nb" has line breaks or other control characters'],
    ),
    "a name that turns the text around": (
        {"client_name": "a\u202eb"},
        ['client_name: "a\\u202eb" has line breaks or other control characters'],
    ),
    "a name of a space": ({"client_name": " "}, ['client_name: " " begins or ends with a space']),
    "no way back": (
        {"post_logout_redirect_uris": ("http://a.example.com/", "https://a/", "https://a/", "javascript:alert(1)")},
        [
            'post_logout_redirect_uris[2]: "https://a/" is there twice',
            (
                'post_logout_redirect_uris[0]: "http://a.example.com/" must be https; http is for loopback addresses,'
                " such as 127.0.0.1"
            ),
            (
                'post_logout_redirect_uris[3]: "javascript:alert(1)" must be https, or have a private-use scheme with a'
                " dot, as com.example.app:/"
            ),
        ],
    ),
    "nobody to call": (
        {"backchannel_logout_uri": "http://a.example.com/"},
        [
            (
                'backchannel_logout_uri: "http://a.example.com/" must be https, or http on a loopback address, such as'
                " 127.0.0.1"
            )
        ],
    ),
    "a call with a fragment": (
        {"backchannel_logout_uri": "https://a/#b"},
        ['backchannel_logout_uri: "https://a/#b" has a fragment (#)'],
    ),
}


@pytest.mark.parametrize("name", PERSONAL)
def test_a_client_that_people_sign_in_at(name: str) -> None:
    """What OpenID Connect and RFC 9700 ask of it is told field by field, and what they allow is allowed."""
    changes, expected = PERSONAL[name]
    assert [str(mistake) for mistake in client_mistakes(ClientSettings(client_id="a", **(WEB | changes)))] == expected


@pytest.mark.parametrize("scope", IDENTITY_SCOPES)
def test_scopes_about_the_person_are_nobody_elses(scope: str) -> None:
    """No resource defines one and no role gathers one; a client has it without having a resource."""
    assert [mistake.path for mistake in resource_mistakes("urn:a:b", {scope: ""})] == [("scopes", scope)]
    assert [mistake.path for mistake in role_mistakes("r", [scope])] == [("scopes", 0)]
    assert list(client_references(ClientSettings(client_id="a", **WEB), Known({}, {}))) == []


def test_keys_that_assertions_are_verified_with_are_taken() -> None:
    """Each supported key type passes, and every algorithm named here is one that the verifier takes."""
    okp = OKPAlgorithm.to_jwk(ed25519.Ed25519PrivateKey.generate().public_key(), as_dict=True)
    keys = [ec_jwk(ec.SECP256R1()), ec_jwk(ec.SECP384R1()), okp, rsa_jwk(2_048) | {"alg": "PS256", "use": "sig"}]
    assert list(jwks_mistakes(keys)) == []
    assert {name for names in ALGORITHMS_OF.values() for name in names} == set(ALGORITHMS)


def test_what_a_verifier_does_not_need_is_not_kept() -> None:
    """Only the public members of a key reach an event."""
    key = ec_jwk(ec.SECP256R1())
    assert public_jwk(key | {"x5c": ["MII"], "note": "hello"}) == key


GOOD_EC = ec_jwk(ec.SECP256R1())
BAD_KEYS: dict[str, tuple[dict[str, Any], str]] = {
    "private": (
        GOOD_EC | {"d": "c2VjcmV0"},
        "not a public key: it has the private members d; register the public half only",
    ),
    "symmetric": (
        {"kty": "oct", "k": "c2VjcmV0"},
        "not a public key: it has the private members k; register the public half only",
    ),
    "no kty": ({"kid": "1"}, "a key without kty is not supported; use RSA, EC P-256, EC P-384 or OKP Ed25519"),
    "another curve": (
        {"kty": "EC", "crv": "secp256k1"},
        '"EC" "secp256k1" is not supported; use RSA, EC P-256, EC P-384 or OKP Ed25519',
    ),
    "another alg": (GOOD_EC | {"alg": "ES384"}, 'alg "ES384" does not fit this key; it signs ES256'),
    "HS256": (GOOD_EC | {"alg": "HS256"}, 'alg "HS256" does not fit this key; it signs ES256'),
    "for encryption": (GOOD_EC | {"use": "enc"}, 'use "enc" is not for signatures'),
    "a number": (GOOD_EC | {"kid": 7}, "kid must be text"),
}


@pytest.mark.parametrize("name", BAD_KEYS)
def test_other_keys_are_refused(name: str) -> None:
    """Private, symmetric, unknown and misdescribed keys are refused, and no private member is shown."""
    jwk, expected = BAD_KEYS[name]
    assert [str(mistake) for mistake in jwks_mistakes([jwk])] == [f"[0]: {expected}"]


def test_unusable_keys_are_refused() -> None:
    """A short RSA key, a huge exponent and a point off the curve are refused; two keys may not share a kid."""
    huge = rsa_jwk(2_048) | {"e": "AQAAAAAAAAE"}
    messages = [mistake.message for mistake in jwks_mistakes([rsa_jwk(1_024), huge, GOOD_EC | {"x": GOOD_EC["y"]}])]
    assert messages[:2] == [
        "an RSA key of 1024 bits; use 2048 to 8192",
        "an RSA key with an exponent of more than 32 bits",
    ]
    assert messages[2].startswith("not a usable key: ")
    twins = [GOOD_EC | {"kid": "a"}, GOOD_EC | {"kid": "a"}]
    assert [str(mistake) for mistake in jwks_mistakes(twins)] == ['[1].kid: two keys have the kid "a"']
    assert "c2VjcmV0" not in json.dumps(
        [str(mistake) for jwk, _ in BAD_KEYS.values() for mistake in jwks_mistakes([jwk])]
    )
