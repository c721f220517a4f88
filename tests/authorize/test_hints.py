"""What somebody may try with an `id_token_hint`; each test is named for it."""

from __future__ import annotations

import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from jwt.algorithms import ECAlgorithm

from tests.authorize.scene import Scene, id_token

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def hint_refused(scene: Scene, hint: str) -> None:
    """The client is told, and nobody learns more."""
    seen = await scene.ask(await scene.visitor(), id_token_hint=hint)
    scene.check_told(seen, "invalid_request", "bad_id_token_hint")


def segment(content: dict[str, Any]) -> str:
    """A part of a JWT."""
    return urlsafe_b64encode(json.dumps(content).encode()).rstrip(b"=").decode()


async def parts_of_hint(scene: Scene) -> tuple[dict[str, Any], str, str]:
    """The header, the payload and the signature of a good hint."""
    header, payload, signature = (await id_token(scene, await scene.person())).split(".")
    return json.loads(urlsafe_b64decode(header + "==")), payload, signature


async def test_alg_none_in_id_token_hint(scene: Scene) -> None:
    """An unsigned hint is none, with or without the signature of another."""
    header, payload, signature = await parts_of_hint(scene)
    for alg in ("none", "None", "HS256"):
        for signed in ("", signature):
            await hint_refused(scene, f"{segment(header | {'alg': alg})}.{payload}.{signed}")


async def test_key_from_jwk_header_in_id_token_hint(scene: Scene) -> None:
    """A key that a hint brings with it is not looked at."""
    header, payload, _ = await parts_of_hint(scene)
    key = ec.generate_private_key(ec.SECP256R1())
    claims = json.loads(urlsafe_b64decode(payload + "=="))
    public = ECAlgorithm.to_jwk(key.public_key(), as_dict=True)
    for extra in ({"jwk": public}, {"jwk": public, "kid": header["kid"]}, {"jku": "https://evil.example.com"}, {}):
        headers = {"typ": header["typ"], **extra}
        await hint_refused(scene, jwt.encode(claims, key, "ES256", headers=headers))


async def test_unknown_crit_in_id_token_hint(scene: Scene) -> None:
    """What must be understood and is not is refused (RFC 7515 section 4.1.11)."""
    header, payload, signature = await parts_of_hint(scene)
    await hint_refused(scene, f"{segment(header | {'crit': ['exp'], 'exp': 1})}.{payload}.{signature}")


async def test_altered_id_token_hint(scene: Scene) -> None:
    """Nor is one whose payload is another's, nor one that is no token at all."""
    header, _, signature = await parts_of_hint(scene)
    _, other, _ = await parts_of_hint(scene)
    for hint in (f"{segment(header)}.{other}.{signature}", "x", "..", "a.b.c", "tly_at_" + "A" * 71):
        await hint_refused(scene, hint)


async def test_oversized_id_token_hint(scene: Scene) -> None:
    """It is refused before anything of it is read."""
    header, payload, signature = await parts_of_hint(scene)
    hint = f"{segment(header | {'pad': 'x' * 3_000})}.{payload}.{signature}"
    seen = await scene.ask(await scene.visitor(), id_token_hint=hint, state="kept")
    scene.check_told(seen, "invalid_request", "parameter_too_long")
    huge = await scene.ask(await scene.visitor(), id_token_hint="x" * 20_000)
    scene.check_shown(huge, "too_large")
