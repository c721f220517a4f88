"""The public keys of `private_key_jwt` clients (RFC 7517): which are taken, and what of them is kept.

Only members that a verifier needs are kept; RFC 7517 section 4 has others ignored. A key with private ones is refused,
so that its owner hears of it.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

from service.access.errors import AccessFileError, Mistake, quoted
from service.access.yaml_tree import read_text

Jwk = dict[str, Any]

ALGORITHMS_OF = {
    ("EC", "P-256"): ("ES256",),
    ("EC", "P-384"): ("ES384",),
    ("OKP", "Ed25519"): ("EdDSA",),
    ("RSA", None): ("RS256", "PS256"),
}
"""What a key type and curve can sign; `service/client_auth/assertion.py` verifies these algorithms."""

_PRIVATE = ("d", "p", "q", "dp", "dq", "qi", "oth", "k")
_KEPT = ("kty", "crv", "x", "y", "n", "e", "kid", "alg", "use")
_RSA_BITS = range(2_048, 8_193)
_RSA_EXPONENT_LIMIT = 2**32


def public_jwk(jwk: Jwk) -> Jwk:
    """The members of a key that are kept."""
    return {name: jwk[name] for name in _KEPT if name in jwk}


def read_jwks(path: Path) -> tuple[Jwk, ...]:
    """The keys of a JWK Set file (RFC 7517 section 5), not yet checked.

    Raises AccessFileError, one line, which never shows what the file holds.
    """
    try:
        content = json.loads(read_text(path))
    except (ValueError, RecursionError):
        raise AccessFileError([f"{path}: not JSON"]) from None
    keys = content.get("keys") if isinstance(content, dict) else None
    if not isinstance(keys, list) or not all(isinstance(key, dict) for key in keys):
        raise AccessFileError([f'{path}: not a JWK Set: expected {{"keys": [{{…}}, …]}}'])
    return tuple(keys)


def jwks_mistakes(keys: Sequence[Jwk]) -> Iterator[Mistake]:
    """What is wrong with a client's keys; paths begin with the key's index."""
    kids: set[str] = set()
    for index, jwk in enumerate(keys):
        problem = _problem(jwk)
        if problem is not None:
            yield Mistake((index,), problem)
        kid = jwk.get("kid")
        if isinstance(kid, str):
            if kid in kids:
                yield Mistake((index, "kid"), f"two keys have the kid {quoted(kid)}")
            kids.add(kid)


def _problem(jwk: Jwk) -> str | None:
    private = [name for name in _PRIVATE if name in jwk]
    if private:
        return f"not a public key: it has the private members {', '.join(private)}; register the public half only"
    wrong = next((name for name in _KEPT if name in jwk and not isinstance(jwk[name], str)), None)
    if wrong is not None:
        return f"{wrong} must be text"
    return _unfit(jwk) or _unusable(jwk)


def _kind(jwk: Jwk) -> tuple[str, str | None]:
    """Key type and curve; RSA has none."""
    return jwk.get("kty", ""), None if jwk.get("kty") == "RSA" else jwk.get("crv")


def _unfit(jwk: Jwk) -> str | None:
    """What a key says of itself that cannot be."""
    kind = _kind(jwk)
    algorithms = ALGORITHMS_OF.get(kind)
    if algorithms is None:
        shown = " ".join(quoted(part) for part in kind if part) or "a key without kty"
        return f"{shown} is not supported; use RSA, EC P-256, EC P-384 or OKP Ed25519"
    if jwk.get("alg", algorithms[0]) not in algorithms:
        return f"alg {quoted(jwk['alg'])} does not fit this key; it signs {' or '.join(algorithms)}"
    if jwk.get("use", "sig") != "sig":
        return f"use {quoted(jwk['use'])} is not for signatures"
    return None


def _unusable(jwk: Jwk) -> str | None:
    try:
        key = jwt.PyJWK(public_jwk(jwk), jwk.get("alg") or ALGORITHMS_OF[_kind(jwk)][0]).key
    except (jwt.PyJWTError, ValueError, TypeError, KeyError) as error:
        return f"not a usable key: {str(error) or type(error).__name__}"
    if not isinstance(key, RSAPublicKey):
        return None
    if key.key_size not in _RSA_BITS:
        return f"an RSA key of {key.key_size} bits; use {_RSA_BITS.start} to {_RSA_BITS.stop - 1}"
    if key.public_numbers().e >= _RSA_EXPONENT_LIMIT:
        return "an RSA key with an exponent of more than 32 bits"
    return None
