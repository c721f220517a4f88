"""A device without a keyboard: it shows a code, a person enters it elsewhere (docs/sign-in-tv.md, RFC 8628).

    pip install requests
    python examples/tv.py

Settings come from the environment: TALLYSTICK_ISSUER (http://127.0.0.1:8080) and CLIENT_ID (tv).
"""

from __future__ import annotations

import os
import sys
import time
from typing import Any

import requests

ISSUER = os.environ.get("TALLYSTICK_ISSUER", "http://127.0.0.1:8080")
CLIENT_ID = os.environ.get("CLIENT_ID", "tv")
DEVICE_CODE = "urn:ietf:params:oauth:grant-type:device_code"


def main() -> None:
    """Ask for a code, show it, wait for the person, then use the tokens."""
    server = requests.get(f"{ISSUER}/.well-known/openid-configuration", timeout=10).json()
    started = post(server["device_authorization_endpoint"], scope="openid profile offline_access")
    print(f"On your phone or computer, open {started['verification_uri']}", flush=True)
    print(f"and enter the code {started['user_code']}", flush=True)
    print(f"or open {started['verification_uri_complete']}", flush=True)
    tokens = wait_for_tokens(server["token_endpoint"], started)
    headers = {"Authorization": f"Bearer {tokens['access_token']}"}
    user = requests.get(server["userinfo_endpoint"], headers=headers, timeout=10).json()
    print(f"Welcome, {user['preferred_username']}.")


def wait_for_tokens(endpoint: str, started: dict[str, Any]) -> dict[str, Any]:
    """Ask every few seconds, more slowly when told so, until the person has decided or the code has expired."""
    interval = started.get("interval", 5)
    while True:
        time.sleep(interval)
        answer = post(endpoint, grant_type=DEVICE_CODE, device_code=started["device_code"])
        error = answer.get("error")
        if error is None:
            return answer
        if error == "slow_down":
            interval += 5
        elif error != "authorization_pending":
            sys.exit(f"{error}: {answer.get('error_description', '')}")


def post(url: str, **form: str) -> dict[str, Any]:
    """The JSON answer of a form, success or error."""
    answer: dict[str, Any] = requests.post(url, data={"client_id": CLIENT_ID, **form}, timeout=10).json()
    return answer


if __name__ == "__main__":
    main()
