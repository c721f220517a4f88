"""A software authenticator: makes passkeys and signs with them as a browser and its device would (WebAuthn Level 3)."""

from __future__ import annotations

import hashlib
import json
import os
from base64 import urlsafe_b64decode, urlsafe_b64encode
from typing import Any
from urllib.parse import urlsplit

import cbor2
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec

USER_PRESENT, USER_VERIFIED, ATTESTED = 0x01, 0x04, 0x40


class Authenticator:
    """One passkey, and the browser it is used in, at `origin`.

    `rp_id`, `flags` and `count` are what it signs; a test changes them to do wrong. It counts up at each use, unless
    `counts` is off, as passkeys that are synchronised do not count.
    """

    def __init__(self, origin: str, *, counts: bool = True) -> None:
        self.origin = origin
        self.rp_id = urlsplit(origin).hostname or ""
        self.credential_id = os.urandom(32)
        self.flags = USER_PRESENT | USER_VERIFIED
        self.count = 1 if counts else 0
        self.user_handle: bytes | None = None
        self._counts = counts
        self._private = ec.generate_private_key(ec.SECP256R1())

    @property
    def id(self) -> str:
        """The id of the passkey as base64url text."""
        return _text(self.credential_id)

    def create(self, options_json: str) -> str:
        """What `navigator.credentials.create()` answers, as JSON."""
        options = json.loads(options_json)
        self.user_handle = _bytes(options["user"]["id"])
        client_data = self._client_data("webauthn.create", options["challenge"])
        attested = bytes(16) + len(self.credential_id).to_bytes(2, "big") + self.credential_id + self._public_key()
        attestation = {"fmt": "none", "attStmt": {}, "authData": self._authenticator_data(ATTESTED) + attested}
        return self._credential(
            clientDataJSON=_text(client_data),
            attestationObject=_text(cbor2.dumps(attestation)),
            transports=["internal", "hybrid"],
        )

    def get(self, options_json: str, *, user_handle: bytes | None = None) -> str:
        """What `navigator.credentials.get()` answers, as JSON; `user_handle` stands in for the one of its account."""
        options = json.loads(options_json)
        self.count += self._counts
        client_data = self._client_data("webauthn.get", options["challenge"])
        signed = self._authenticator_data(0)
        signature = self._private.sign(signed + hashlib.sha256(client_data).digest(), ec.ECDSA(hashes.SHA256()))
        handle = user_handle or self.user_handle
        return self._credential(
            clientDataJSON=_text(client_data),
            authenticatorData=_text(signed),
            signature=_text(signature),
            userHandle=None if handle is None else _text(handle),
        )

    def _authenticator_data(self, flags: int) -> bytes:
        """Section 6.1: hash of the relying party, flags, counter."""
        return (
            hashlib.sha256(self.rp_id.encode()).digest() + bytes([self.flags | flags]) + self.count.to_bytes(4, "big")
        )

    def _client_data(self, kind: str, challenge: str) -> bytes:
        """Section 5.8.1."""
        content = {"type": kind, "challenge": challenge, "origin": self.origin, "crossOrigin": False}
        return json.dumps(content).encode()

    def _public_key(self) -> bytes:
        """The key as COSE_Key (RFC 9053 section 7.1.1)."""
        numbers = self._private.public_key().public_numbers()
        return cbor2.dumps({1: 2, 3: -7, -1: 1, -2: numbers.x.to_bytes(32, "big"), -3: numbers.y.to_bytes(32, "big")})

    def _credential(self, **response: Any) -> str:
        return json.dumps(
            {
                "id": self.id,
                "rawId": self.id,
                "type": "public-key",
                "response": response,
                "clientExtensionResults": {},
                "authenticatorAttachment": "platform",
            }
        )


def _text(raw: bytes) -> str:
    return urlsafe_b64encode(raw).rstrip(b"=").decode()


def _bytes(text: str) -> bytes:
    return urlsafe_b64decode(text + "=" * (-len(text) % 4))
