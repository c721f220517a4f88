"""What a caller presents to say which client it is: at most one of the methods of RFC 6749 section 2.3 and RFC 7523."""

from __future__ import annotations

from base64 import b64decode
from binascii import Error as Base64Error
from collections.abc import Mapping
from typing import NamedTuple
from urllib.parse import unquote_plus

from schema.events import AuthMethod
from service.client_auth.assertion import claimed_issuer
from service.errors import InvalidClient, InvalidRequest

ASSERTION_TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"


class Credentials(NamedTuple):
    """The method used, the client id claimed (None if only the assertion says it), and the secret or assertion."""

    method: AuthMethod
    client_id: str | None
    proof: str


def present(authorization: bytes | None, form: Mapping[str, str]) -> Credentials:
    """The credentials of a request.

    Raises InvalidClient when there are none, two, or malformed ones, InvalidRequest when header and form name
    different clients.
    """
    given = [
        credentials for credentials in (_basic(authorization), _assertion(form), _post(form)) if credentials is not None
    ]
    if len(given) > 1:
        raise InvalidClient("two_auth_methods")
    if not given:
        if "client_id" not in form:
            raise InvalidClient("no_client_authentication")
        return Credentials("none", form["client_id"], "")
    credentials = given[0]
    stated = form.get("client_id")
    if stated is not None and credentials.client_id is not None and stated != credentials.client_id:
        raise InvalidRequest("client_id_mismatch", "The client_id is not that of the client authentication.")
    return credentials


def claimed_client(authorization: bytes | None, form: Mapping[str, str]) -> str | None:
    """The client id that a request claims, for the audit of one that was refused; None where it claims none."""
    try:
        basic = _basic(authorization)
    except InvalidClient:
        basic = None
    if basic is not None:
        return basic.client_id
    return form.get("client_id") or claimed_issuer(form.get("client_assertion", ""))


def _basic(authorization: bytes | None) -> Credentials | None:
    """`client_secret_basic`: id and secret are form-encoded, then joined by a colon, then base64 (RFC 6749 section
    2.3.1).
    """
    if authorization is None:
        return None
    scheme, _, encoded = authorization.partition(b" ")
    if scheme.lower() != b"basic":
        raise InvalidClient("unknown_auth_scheme")
    try:
        pair = b64decode(encoded.strip(), validate=True).decode("utf-8")
        client_id, colon, secret = pair.partition(":")
        if not colon:
            raise InvalidClient("malformed_basic")
        return Credentials(
            "client_secret_basic", unquote_plus(client_id, errors="strict"), unquote_plus(secret, errors="strict")
        )
    except (Base64Error, UnicodeDecodeError):
        raise InvalidClient("malformed_basic") from None


def _post(form: Mapping[str, str]) -> Credentials | None:
    secret = form.get("client_secret")
    if secret is None:
        return None
    if "client_id" not in form:
        raise InvalidClient("secret_without_client_id")
    return Credentials("client_secret_post", form["client_id"], secret)


def _assertion(form: Mapping[str, str]) -> Credentials | None:
    assertion, kind = form.get("client_assertion"), form.get("client_assertion_type")
    if assertion is None and kind is None:
        return None
    if assertion is None or kind != ASSERTION_TYPE:
        raise InvalidClient("malformed_assertion_parameters")
    return Credentials("private_key_jwt", form.get("client_id"), assertion)
