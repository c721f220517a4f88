"""Live grants whose tokens a running product takes for its own, as the requests that would append them."""

from __future__ import annotations

import hashlib
import random
import time
from base64 import urlsafe_b64encode
from typing import Any

from benchmarks.people import CLIENT
from schema import events
from schema.envelope import Context
from schema.streams import new_stream
from service.journal.port import Append
from service.tokens.digest import Digester
from service.tokens.handles import AUTHORIZATION_CODE, REFRESH_TOKEN, new_access_token, new_handle
from tests.load import USERS

_DAY = 86_400
_MONTH = 2_592_000
_NETWORKS = 5_000


class LiveGrants:
    """Draws grants. `access` and `refresh` are the tokens of those that were drawn; `subject` gives those of people."""

    def __init__(self, digester: Digester, subject: str, seed: int) -> None:
        self._digester = digester
        self._subject = subject
        self._random = random.Random(seed)
        self.access: list[str] = []
        self.refresh: list[str] = []

    def next(self, people: float) -> Append:
        """A grant of a person, as often as the share `people` says, or one of a client by itself."""
        return self._of_person() if self._random.random() < people else self._of_client()

    def _of_client(self) -> Append:
        stream, source = new_stream(), self._source()
        text = new_access_token(stream)
        self.access.append(text)
        token = self._token("opaque-worker", "opaque-worker", text)
        return Append(
            stream, 0, (events.TokenIssued(**token, grant_type="client_credentials"),), Context("opaque-worker", source)
        )

    def _of_person(self) -> Append:
        stream, now = new_stream(), int(time.time())
        text, refresh, code = (
            new_access_token(stream),
            new_handle(REFRESH_TOKEN, stream),
            new_handle(AUTHORIZATION_CODE, stream),
        )
        self.access.append(text)
        self.refresh.append(refresh)
        given: dict[str, Any] = {
            "client_id": CLIENT,
            "subject": self._subject,
            "session": str(new_stream()),
            "scope": "offline_access read:users",
            "resources": (USERS,),
            "redirect_uri": "http://127.0.0.1:9/callback",
            "code_challenge": _challenge(code),
            "digest": self._digester.digest(code),
        }
        proven: dict[str, Any] = {"auth_time": now, "amr": ("pwd",), "acr": "1fa"}
        granted = events.AuthorizationGranted(**given, **proven, issued_at=now, expires_at=now + 60)
        issued = events.TokenIssued(
            **self._token(CLIENT, self._subject, text),
            grant_type="authorization_code",
            refresh_digest=self._digester.digest(refresh),
            refresh_expires_at=now + _MONTH,
        )
        redeemed = events.AuthorizationRedeemed(client_id=CLIENT)
        return Append(stream, 0, (granted, redeemed, issued), Context(CLIENT, self._source()))

    def _token(self, client: str, subject: str, text: str) -> dict[str, Any]:
        now = int(time.time())
        return {
            "number": 1,
            "client_id": client,
            "subject": subject,
            "audience": USERS,
            "scope": "read:users",
            "issued_at": now,
            "expires_at": now + _DAY,
            "auth_method": "client_secret_basic",
            "format": "opaque",
            "digest": self._digester.digest(text),
            "user_agent": "python-requests/2.32",
        }

    def _source(self) -> str:
        number = self._random.randrange(_NETWORKS)
        return f"10.{number // 250}.{number % 250}.{self._random.randrange(1, 255)}"


def _challenge(verifier: str) -> str:
    return urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()
