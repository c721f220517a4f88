"""Tokens of every kind for a verifier: those that a running Tallystick gave, and forged ones."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import secrets
import time
import uuid
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import httpx
import psycopg
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from jwt.algorithms import Algorithm, get_default_algorithms

from service.keys.master import load_keys
from service.keys.material import unwrap
from service.settings import Settings
from tests.interop.issuing import API, CALLBACK, Issuing
from tests.people import Browser
from tests.visitor import Visitor

Sign = Callable[[bytes], bytes]
_ALGORITHMS: Mapping[str, Algorithm] = get_default_algorithms()


class Key:
    """A signing key: its kid, algorithm, and private half."""

    def __init__(self, kid: str, alg: str, private: Any) -> None:
        self.kid = kid
        self.alg = alg
        self.private = private

    def sign(self, message: bytes) -> bytes:
        """The signature of a JWS."""
        return _ALGORITHMS[self.alg].sign(message, self.private)

    @property
    def jwk(self) -> dict[str, Any]:
        """The public half."""
        public = _ALGORITHMS[self.alg].to_jwk(self.private.public_key(), as_dict=True)
        return {**dict(public), "kid": self.kid, "alg": self.alg, "use": "sig"}

    @property
    def pem(self) -> bytes:
        """The public half, as it is found in files."""
        pem: bytes = self.private.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
        return pem


def opened_keys(issuing: Issuing) -> dict[str, Key]:
    """The server's own signing keys by kid, opened as who has its database and master key could."""
    wrapping = load_keys(Settings(home=issuing.product.home)).wrapping
    with psycopg.connect(issuing.product.run_info()["owner_database_url"]) as database:
        kept = database.execute("SELECT kid, wrapped FROM vault.keys").fetchall()
    published = {key["kid"]: key["alg"] for key in issuing.published()}
    return {kid: Key(kid, published[kid], unwrap(kid, wrapped, wrapping)) for kid, wrapped in kept}


def own_key(kid: str = "mine") -> Key:
    """A key of an attacker's own."""
    return Key(kid, "ES256", ec.generate_private_key(ec.SECP256R1()))


def jws(header: Mapping[str, Any], payload: bytes, sign: Sign) -> str:
    """A JWS in compact form, whatever its parts are."""
    # Without spaces, as the server writes it: it knows its headers by their bytes.
    head = json.dumps(header, separators=(",", ":")).encode()
    message = f"{encoded(head)}.{encoded(payload)}"
    return f"{message}.{encoded(sign(message.encode()))}"


def hs256(secret: bytes) -> Sign:
    """What signs with a text that everybody knows."""
    return lambda message: hmac.digest(secret, message, hashlib.sha256)


def encoded(raw: bytes) -> str:
    """Base64url without padding."""
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def decoded(part: str) -> bytes:
    """The same undone."""
    return base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))


def claims_of(token: str) -> dict[str, Any]:
    """The claims of a JWT, whoever made it."""
    claims: dict[str, Any] = json.loads(decoded(token.split(".")[1]))
    return claims


class Forge:
    """Makes tokens like a good one of the server's `key`, with something about them that is not good.

    None stands for a grant that there is, so that none of them is good to who asks the server.
    """

    def __init__(self, good: str, key: Key) -> None:
        self.good = good
        self.key = key
        self._claims = claims_of(good)

    def claims(self, **changes: Any) -> dict[str, Any]:
        """The claims; None leaves one out."""
        grant, now = str(uuid.uuid4()), int(time.time())
        fresh = {"grant_id": grant, "jti": f"{grant}.1", "iat": now, "exp": now + 3_600}
        return {name: value for name, value in (self._claims | fresh | changes).items() if value is not None}

    def header(self, **changes: Any) -> dict[str, Any]:
        """The header; None leaves a parameter out."""
        header = {"typ": "at+jwt", "alg": self.key.alg, "kid": self.key.kid} | changes
        return {name: value for name, value in header.items() if value is not None}

    def aged(self, token: str) -> str:
        """An expired token of the server, as if that had been an hour ago: verifiers bear clocks that differ."""
        claims = claims_of(token)
        times = {name: claims[name] - 3_600 for name in ("iat", "exp")}
        return self.saying(json.dumps(claims | times).encode())

    def claiming(self, **changes: Any) -> str:
        """A token with other claims, signed by the server's key."""
        return jws(self.header(), json.dumps(self.claims(**changes)).encode(), self.key.sign)

    def headed(self, key: Key | None = None, /, *, sign: Sign | None = None, **changes: Any) -> str:
        """A token with another header, signed by the server's key, another, or in another way."""
        payload = json.dumps(self.claims()).encode()
        return jws(self.header(**changes), payload, sign or (key or self.key).sign)

    def saying(self, payload: bytes) -> str:
        """Any payload, signed by the server's key."""
        return jws(self.header(), payload, self.key.sign)


class PersonsTokens:
    """What a person gave the web application: an access token for the API, an ID token, and a refresh token."""

    def __init__(self, answer: Mapping[str, str]) -> None:
        self.access = answer["access_token"]
        self.id = answer["id_token"]
        self.refresh = answer["refresh_token"]


async def persons_tokens(issuing: Issuing) -> PersonsTokens:
    """Have `zoe` sign in at the server's pages and allow it, and redeem the code."""
    verifier = secrets.token_urlsafe(32)
    query = {
        "client_id": "web",
        "redirect_uri": CALLBACK,
        "response_type": "code",
        "scope": "openid offline_access read:users",
        "resource": API,
        "code_challenge": encoded(hashlib.sha256(verifier.encode()).digest()),
        "code_challenge_method": "S256",
    }
    async with httpx.AsyncClient(base_url=issuing.product.url) as http:
        visitor = Visitor(Browser(http), "zoe")
        page = await visitor.visit(f"{issuing.product.url}/oauth2/authorize?{urlencode(query)}")
    (code,) = parse_qs(urlsplit(page.location).query)["code"]
    form = {"grant_type": "authorization_code", "code": code, "code_verifier": verifier, "redirect_uri": CALLBACK}
    return PersonsTokens(issuing.asked("web", form))
