"""Samples of the events about people: their factors, sessions, consents and the grants that they give."""

from __future__ import annotations

from typing import Any

from schema import events

_DIGEST = "pmWkWSBCL51Bfkhn79xPuKBKHz__H6B-mY6G9_eieuM"
_OTHER = "Hk1vEXHq3a0Pq0m6W1fGZJtqV1k3C3mS5hFq0v8nY9E"
_SUBJECT = "0b6f1c1e-3f0e-4b7a-9b0e-6a4d6b6f2f11"
_SESSION = "019b76da-a800-7000-8000-000000000002"
_CLIENT = "billing-web"
_BROWSER = "Mozilla/5.0 (X11; Linux x86_64) Firefox/140.0"
_PROVEN: dict[str, Any] = {
    "auth_time": 1_767_225_600,
    "amr": ("pwd", "otp"),
    "acr": "2fa",
    "user_agent": _BROWSER,
}
_WANTED: dict[str, Any] = {
    "client_id": _CLIENT,
    "scope": "offline_access openid read:payments",
    "resources": ("https://payments.example.com",),
}

PEOPLE: tuple[events.Event, ...] = (
    events.AccountSignedOut(subject=_SUBJECT, reason="a laptop was stolen"),
    events.TotpEnrolled(subject=_SUBJECT),
    events.TotpRemoved(subject=_SUBJECT),
    events.PasskeyAdded(
        subject=_SUBJECT,
        credential_id="5kYxUeHfR2yJwQ",
        public_key="pQECAyYgASFYIA",
        label="Zoë's phone",
        added_at=1_767_225_600,
        sign_count=7,
        transports=("internal", "hybrid"),
        aaguid="adce0002-35bc-c60a-648b-0b25f1f05503",
    ),
    events.PasskeyRemoved(subject=_SUBJECT, credential_id="5kYxUeHfR2yJwQ"),
    events.RecoveryCodesSet(subject=_SUBJECT, digests=(_DIGEST, _OTHER)),
    events.RecoveryCodeUsed(subject=_SUBJECT, digest=_DIGEST),
    events.LoginFailed(
        reason="wrong_password",
        method="pwd",
        subject=_SUBJECT,
        name_digest=_DIGEST,
        client_id=_CLIENT,
        user_agent=_BROWSER,
    ),
    events.SessionStarted(subject=_SUBJECT, digest=_DIGEST, expires_at=1_767_268_800, client_id=_CLIENT, **_PROVEN),
    events.SessionRenewed(subject=_SUBJECT, digest=_OTHER, expires_at=1_767_268_800, client_id=_CLIENT, **_PROVEN),
    events.SessionEnded(subject=_SUBJECT, reason="person"),
    events.LogoutNotified(client_id=_CLIENT, subject=_SUBJECT, delivered=False, detail="answered 500"),
    events.ConsentGranted(client_id=_CLIENT, subject=_SUBJECT, scopes=("openid", "read:payments")),
    events.ConsentWithdrawn(client_id=_CLIENT, subject=_SUBJECT),
    events.TokenRefreshed(
        number=2,
        generation=1,
        client_id=_CLIENT,
        subject=_SUBJECT,
        audience="https://payments.example.com",
        scope="read:payments",
        issued_at=1_767_226_200,
        expires_at=1_767_226_800,
        auth_method="client_secret_basic",
        format="opaque",
        kid="NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs",
        digest=_DIGEST,
        user_agent="python-httpx/0.28.1",
        presented_subject="w3Zc1vJq0n3m4vS1y5cZ2w",
        used_digest=_OTHER,
        refresh_digest=_DIGEST,
        retry=True,
    ),
    events.TokenReuseDetected(client_id=_CLIENT, kind="refresh_token", generation=1, user_agent="python-httpx/0.28.1"),
    events.AuthorizationGranted(
        subject=_SUBJECT,
        session=_SESSION,
        redirect_uri="https://billing.example.com/callback",
        code_challenge="E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM",
        digest=_DIGEST,
        issued_at=1_767_225_660,
        expires_at=1_767_225_720,
        nonce="n-0S6_WzA2Mj",
        id_token_claims=("email",),
        userinfo_claims=("name",),
        **_WANTED,
        **_PROVEN,
    ),
    events.AuthorizationDenied(client_id=_CLIENT, subject=_SUBJECT, scope="openid read:payments", user_agent=_BROWSER),
    events.AuthorizationRedeemed(client_id=_CLIENT),
    events.DeviceRequested(
        digest=_DIGEST,
        user_code_digest=_OTHER,
        issued_at=1_767_225_600,
        expires_at=1_767_226_200,
        user_agent="tv/1.0",
        **_WANTED,
    ),
    events.DeviceApproved(subject=_SUBJECT, session=_SESSION, approved_at=1_767_225_660, **_WANTED, **_PROVEN),
    events.DeviceDenied(client_id=_CLIENT, subject=_SUBJECT, user_agent=_BROWSER),
    events.DeviceRedeemed(client_id=_CLIENT),
)
"""One event of every such type with every field away from its default."""
