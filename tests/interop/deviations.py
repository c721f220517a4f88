"""Where an API answers otherwise than the rule of `thirty.py`, and why (docs/verifiers.md)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from tests.interop.thirty import BAD_TOKEN, NO_TOKEN, OK, Answer


class Deviation(NamedTuple):
    """What an API answers instead, and why that is so."""

    answer: Answer
    why: str


def by_server(server: str, status: int = 400) -> Deviation:
    """The HTTP server refuses it by itself, and knows nothing of challenges."""
    return Deviation(Answer(status), f"{server} refuses it before anything that knows of tokens is asked")


_JWT_ALONE: Mapping[str, Deviation] = {
    "good, opaque": Deviation(BAD_TOKEN, "what verifies JWTs reads no opaque token: its clients are to get JWTs"),
    "revoked": Deviation(OK, "what verifies by keys alone learns of no revocation: the token is good until it expires"),
    "of a disabled client": Deviation(OK, "the same: keys alone tell nothing of who was disabled since"),
    "without kid": Deviation(OK, "a kid is optional (RFC 7515 section 4.1.4); the one published key signed it"),
    "too long": Deviation(OK, "it is signed by the issuer's key, and the library sets no limit to a token's length"),
}
"""What signatures cannot tell; nobody but the issuer can make the last two."""

_NOT_LOOKED_FOR = "the library reads the Authorization header alone, and looks for no token in the address"
_NODE = by_server("Node.js")
_EXPRESS = "the library's 400 for an Authorization that is no Bearer one; the challenge is the same"
_AUTHLIB = "Authlib names an error of its own where RFC 6750 section 3 has none: the client still sees 401 and Bearer"
_GO_JOSE = "go-jose leaves out what base64url has not, the signature over the rest holds"

DEVIATIONS: Mapping[str, Mapping[str, Deviation]] = {
    "nginx": {
        "in the query": Deviation(
            Answer(401, "invalid_request"), "auth_request knows 401 and 403 alone: anything else becomes 500"
        ),
        "in the query too": Deviation(Answer(401, "invalid_request"), "the same: a gateway knows 401 and 403 alone"),
        "two headers": by_server("nginx"),
        "two headers, the second good": by_server("nginx"),
        "too long": by_server("nginx"),
        "a control character in it": Deviation(
            Answer(503), "nginx hands it on, /verify's server refuses it with 400, which auth_request takes for a fault"
        ),
    },
    "guard": {"a control character in it": by_server("uvicorn")},
    "express-oauth2-jwt-bearer": {
        **_JWT_ALONE,
        "scheme Basic": Deviation(Answer(400, ""), _EXPRESS),
        "scheme alone": Deviation(Answer(400, ""), _EXPRESS),
        "a space in it": Deviation(Answer(400, ""), _EXPRESS),
        "beyond ASCII": Deviation(OK, "its jose leaves out what base64url has not, the signature over the rest holds"),
        "a control character in it": _NODE,
    },
    "jose": {**_JWT_ALONE, "a control character in it": _NODE},
    "openid-client": {"a control character in it": _NODE},
    "authlib": {
        **_JWT_ALONE,
        "no Authorization": Deviation(Answer(401, "missing_authorization"), _AUTHLIB),
        "in the body": Deviation(Answer(401, "missing_authorization"), _AUTHLIB),
        "scheme Basic": Deviation(Answer(401, "unsupported_token_type"), _AUTHLIB),
        "scheme alone": Deviation(Answer(401, "unsupported_token_type"), _AUTHLIB),
        "in the query": Deviation(Answer(401, "missing_authorization"), _NOT_LOOKED_FOR),
        "in the query too": Deviation(OK, _NOT_LOOKED_FOR),
        "two headers": Deviation(BAD_TOKEN, "Werkzeug joins the two, and the joined text is no token"),
        "two headers, the second good": Deviation(BAD_TOKEN, "Werkzeug joins the two, and the joined text is no token"),
        "scope missing": Deviation(Answer(403), "Authlib sends no challenge with its 403; the body has the error"),
        "without typ": Deviation(OK, "Authlib looks at typ where there is one; the issuer's key signed it"),
    },
    "joserfc": {
        **_JWT_ALONE,
        "in the query": Deviation(NO_TOKEN, _NOT_LOOKED_FOR),
        "in the query too": Deviation(OK, _NOT_LOOKED_FOR),
        "two headers": Deviation(BAD_TOKEN, "Werkzeug joins the two, and the joined text is no token"),
        "two headers, the second good": Deviation(BAD_TOKEN, "Werkzeug joins the two, and the joined text is no token"),
    },
    "django-oauth-toolkit": {
        "scope missing": Deviation(Answer(403, "insufficient_scope"), "it does not name the scope, which it need not"),
        "in the query": Deviation(OK, "oauthlib takes a token in the address (RFC 6750 section 2.3), always"),
        "in the query too": Deviation(OK, "oauthlib takes the token of the header, and does not look further"),
        "two headers": Deviation(NO_TOKEN, "Django joins the two, and of the joined text oauthlib finds no token"),
        "two headers, the second good": Deviation(NO_TOKEN, "Django joins the two, and oauthlib finds no token there"),
        "a space in it": Deviation(NO_TOKEN, "oauthlib takes an Authorization of three words for none"),
    },
    "go-oidc": {
        **_JWT_ALONE,
        "typ JWT": Deviation(OK, "go-oidc does not look at typ; the token is signed by the issuer's key"),
        "without typ": Deviation(OK, "go-oidc does not look at typ; the token is signed by the issuer's key"),
        "exp that is a text": Deviation(OK, "it reads a number that is written as a text; the issuer's key signed it"),
        "a space in it": Deviation(OK, _GO_JOSE),
        "a control character in it": by_server("net/http"),
    },
    "spring-security": {
        **_JWT_ALONE,
        "scope missing": Deviation(Answer(403, "insufficient_scope"), "it does not name the scope, which it need not"),
        "scheme alone": Deviation(BAD_TOKEN, "it takes a Bearer without a token for a malformed one"),
        "in the query": Deviation(NO_TOKEN, _NOT_LOOKED_FOR),
        "in the query too": Deviation(OK, _NOT_LOOKED_FOR),
        "two headers": Deviation(OK, "it reads the first of two Authorization headers, as servlets do"),
        "two headers, the second good": Deviation(BAD_TOKEN, "it reads the first of two Authorization headers"),
        "too long": by_server("Tomcat"),
        "a control character in it": by_server("Tomcat"),
    },
}
