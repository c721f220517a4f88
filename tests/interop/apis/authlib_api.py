"""An API that Authlib's resource protector for Flask protects (docs/verifiers.md)."""

from __future__ import annotations

import os
from typing import Any

from authlib.integrations.flask_oauth2 import ResourceProtector, current_token
from authlib.oauth2.rfc9068 import JWTBearerTokenValidator
from flask import Flask
from issuer_keys import IssuerKeys

ISSUER = os.environ["ISSUER"]
KEYS = IssuerKeys(ISSUER)


class Validator(JWTBearerTokenValidator):
    """Knows the issuer's keys."""

    def get_jwks(self) -> Any:
        """The key set."""
        return KEYS.get()


app = Flask(__name__)
protect = ResourceProtector()
protect.register_token_validator(Validator(issuer=ISSUER, resource_server=os.environ["AUDIENCE"]))


def users() -> dict[str, Any]:
    """Whoever may read users."""
    return {"users": ["zoe"], "asked_by": current_token["client_id"]}


app.add_url_rule("/users", view_func=protect("read:users")(users))

if __name__ == "__main__":
    app.run("127.0.0.1", int(os.environ["PORT"]))
