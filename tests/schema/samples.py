"""One event of every type with every field away from its default, and its bytes as they are kept for good."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec

from schema import events
from tests.schema.people import PEOPLE
from tests.schema.usage import USAGE

GOLDEN = Path(__file__).parent / "golden"

_SETTINGS: dict[str, Any] = {
    "client_id": "billing-worker",
    "auth_method": "private_key_jwt",
    "grants": ("client_credentials",),
    "scopes": ("read:payments", "write:payments"),
    "roles": ("accountant",),
    "resources": ("https://payments.example.com",),
    "introspects": ("https://users.example.com",),
    "redirect_uris": ("https://billing.example.com/callback",),
    "token_format": "opaque",
    "access_token_lifetime": 300,
    "jwks": ({"kty": "OKP", "crv": "Ed25519", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"},),
    "client_name": "Billing, even in €",
    "first_party": True,
    "refresh_rotation": False,
    "subject_type": "pairwise",
    "post_logout_redirect_uris": ("https://billing.example.com/bye",),
    "backchannel_logout_uri": "https://billing.example.com/logout",
}
_DIGEST = "pmWkWSBCL51Bfkhn79xPuKBKHz__H6B-mY6G9_eieuM"
_SUBJECT = "0b6f1c1e-3f0e-4b7a-9b0e-6a4d6b6f2f11"
_DESCRIBED = {"write:payments": "Make payments", "read:payments": "See payments, even in €"}

SAMPLES: tuple[events.Event, ...] = (
    events.ResourceRegistered(uri="https://payments.example.com", scopes=_DESCRIBED),
    events.ResourceUpdated(uri="https://payments.example.com", scopes=_DESCRIBED),
    events.ResourceRemoved(uri="https://payments.example.com"),
    events.RoleRegistered(name="accountant", scopes=("write:payments", "read:payments")),
    events.RoleUpdated(name="accountant", scopes=("write:payments", "read:payments")),
    events.RoleRemoved(name="accountant"),
    events.ClientRegistered(**_SETTINGS, secret_digest=_DIGEST),
    events.ClientUpdated(**_SETTINGS),
    events.ClientSecretRotated(client_id="billing-worker", secret_digest=_DIGEST, previous_expire_at=1_767_312_000),
    events.ClientDisabled(client_id="billing-worker", reason="its secret was found in a log"),
    events.ClientEnabled(client_id="billing-worker"),
    events.ClientRemoved(client_id="billing-worker"),
    events.AccountRegistered(subject=_SUBJECT, name="zoë", email="zoe@example.com"),
    events.AccountPasswordSet(subject=_SUBJECT),
    events.AccountDisabled(subject=_SUBJECT, reason="left the company"),
    events.AccountEnabled(subject=_SUBJECT),
    events.RoleGranted(subject=_SUBJECT, role="accountant"),
    events.RoleWithdrawn(subject=_SUBJECT, role="accountant"),
    events.KeyCreated(
        kid="NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs",
        alg="EdDSA",
        jwk={"kty": "OKP", "crv": "Ed25519", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo", "use": "sig"},
        created_at=1_767_225_600,
        activates_at=1_767_226_500,
    ),
    events.KeyActivated(
        kid="NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs",
        activated_at=1_767_226_500,
        previous_retires_at=1_767_312_960,
    ),
    events.KeyRetired(kid="NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs", reason="operator"),
    events.TokenIssued(
        number=1,
        client_id="billing-worker",
        subject="billing-worker",
        audience="https://payments.example.com",
        scope="read:payments write:payments",
        issued_at=1_767_225_600,
        expires_at=1_767_226_200,
        grant_type="client_credentials",
        auth_method="client_secret_basic",
        format="opaque",
        kid="NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs",
        digest=_DIGEST,
        user_agent="curl/8.5.0",
        presented_subject="w3Zc1vJq0n3m4vS1y5cZ2w",
        refresh_digest=_DIGEST,
        refresh_expires_at=1_769_817_600,
    ),
    events.TokenRevoked(number=1, client_id="billing-worker", reason="client_request"),
    events.GrantRevoked(client_id="billing-worker", reason="operator"),
    events.AccessRejected(
        endpoint="token",
        error="invalid_client",
        reason="bad_secret",
        status=401,
        client_id="billing-worker",
        claimed_client="billing-worker?",
        token_id="019b76da-a800-7000-8000-000000000001.1",
        token_digest=_DIGEST,
        user_agent="curl/8.5.0",
        detail="the secret of another client",
        api="https://users.example.com",
        method="GET",
        route="/users/{id}",
        required_scope="write:users",
        present_scope="read:users",
        rejected_at=1_767_225_600,
    ),
    *PEOPLE,
    *USAGE,
)


def golden_bytes(event: events.Event) -> bytes:
    """The bytes that are kept of an event's type, without the newline at the end of the file."""
    return (GOLDEN / f"{event.TYPE}.v1.json").read_bytes().removesuffix(b"\n")


def fields_of(kind: type[events.Event]) -> dict[str, Any]:
    """Each field of a type, with its default as JSON values or the word `required`."""
    return {
        field.encode_name: "required" if field.required else {"default": _default(field)}
        for field in msgspec.structs.fields(kind)
    }


def _default(field: msgspec.structs.FieldInfo) -> Any:
    default = field.default if field.default_factory is msgspec.NODEFAULT else field.default_factory()
    return msgspec.json.decode(msgspec.json.encode(default))
