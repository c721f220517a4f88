"""An API that takes requests with an access token of Tallystick alone (docs/protect-your-api.md).

    pip install 'tallystick-guard[litestar,live]' uvicorn
    CLIENT_SECRET=tly_cs_… python examples/protected_api.py 8090

With `AUDIT_NATS_URL`, a revoked token is refused at once.
"""

from __future__ import annotations

import os
import sys

import uvicorn
from litestar import Litestar, get
from litestar.di import NamedDependency
from litestar.params import FromPath

from tallystick_guard import Access, Guard
from tallystick_guard.litestar import GuardPlugin, requires

guard = Guard(
    os.environ.get("TALLYSTICK_ISSUER", "http://127.0.0.1:8080"),
    os.environ.get("API_AUDIENCE", "https://api.example.com/users"),
    client_id=os.environ.get("CLIENT_ID", "users-api"),
    client_secret=os.environ["CLIENT_SECRET"],
    nats_url=os.environ.get("AUDIT_NATS_URL"),
)


@get("/users", guards=[requires("read:users")])
async def users(access: NamedDependency[Access]) -> dict[str, object]:
    """Whoever may read users."""
    return {"users": ["zoe"], "asked_by": access.client_id}


@get("/users/{name:str}/secrets", guards=[requires("read:users", acr=["2fa"], max_age=300)])
async def secrets(name: FromPath[str]) -> dict[str, str]:
    """Whoever signed in by two factors within the last five minutes."""
    return {"name": name}


app = Litestar([users, secrets], plugins=[GuardPlugin(guard, scopes_supported=["read:users"])])

if __name__ == "__main__":
    uvicorn.run(app, host="127.0.0.1", port=int(sys.argv[1]) if len(sys.argv) > 1 else 8090, log_level="warning")
