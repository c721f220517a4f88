from __future__ import annotations

from urllib.parse import parse_qs

import jwt

from benchmarks.peers.assertions import SIGNING_WORKER, Signer


def test_each_assertion_is_another_one_that_the_public_key_verifies() -> None:
    """Of the client itself (RFC 7523 Section 3), for one server; no private half is handed to a server."""
    signer = Signer()
    (jwk,) = signer.jwks["keys"]
    assert "d" not in jwk
    identifiers = set()
    for form in signer.forms("https://auth.example.com", 3):
        fields = {name: values[0] for name, values in parse_qs(form).items()}
        assert fields["client_assertion_type"] == "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
        assertion = fields["client_assertion"]
        claims = jwt.decode(assertion, jwt.PyJWK(jwk), ["ES256"], audience="https://auth.example.com")
        assert claims["iss"] == claims["sub"] == SIGNING_WORKER
        identifiers.add(claims["jti"])
    assert len(identifiers) == 3
