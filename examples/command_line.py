"""A command-line tool that signs a person in by their browser (docs/sign-in-command-line.md, RFC 8252).

    pip install authlib requests
    python examples/command_line.py login | whoami | logout

Settings come from the environment: TALLYSTICK_ISSUER (http://127.0.0.1:8080), CLIENT_ID (command-line) and TOKEN_FILE
(~/.tallystick-example.json, readable by its owner alone).
"""

from __future__ import annotations

import json
import os
import sys
import webbrowser
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import requests
from authlib.common.security import generate_token
from authlib.integrations.requests_client import OAuth2Session

ISSUER = os.environ.get("TALLYSTICK_ISSUER", "http://127.0.0.1:8080")
CLIENT_ID = os.environ.get("CLIENT_ID", "command-line")
TOKEN_FILE = Path(os.environ.get("TOKEN_FILE", "~/.tallystick-example.json")).expanduser()


class Callback(BaseHTTPRequestHandler):
    """Takes the one redirect that the browser brings."""

    path_seen = ""

    def do_GET(self) -> None:
        """Keep the address; tell the person to go back to the terminal."""
        Callback.path_seen = self.path
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b"You can close this page and go back to the terminal.")

    def log_message(self, *_: Any) -> None:
        """Say nothing: the address holds a code."""


def metadata() -> dict[str, Any]:
    """Where everything is."""
    found: dict[str, Any] = requests.get(f"{ISSUER}/.well-known/openid-configuration", timeout=10).json()
    return found


def client(**more: Any) -> OAuth2Session:
    """A public client: it has no secret, PKCE takes its place."""
    return OAuth2Session(CLIENT_ID, token_endpoint_auth_method="none", code_challenge_method="S256", **more)


def login() -> None:
    """Open the browser, wait on a free loopback port, exchange the code."""
    with HTTPServer(("127.0.0.1", 0), Callback) as server:
        oauth = client(
            scope="openid profile offline_access read:users",
            redirect_uri=f"http://127.0.0.1:{server.server_port}/callback",
        )
        verifier = generate_token(48)
        url, state = oauth.create_authorization_url(metadata()["authorization_endpoint"], code_verifier=verifier)
        print(f"Open this address, if your browser does not:\n{url}", flush=True)
        webbrowser.open(url)
        server.handle_request()
    answer = {name: values[0] for name, values in parse_qs(urlsplit(Callback.path_seen).query).items()}
    if answer.get("iss") != ISSUER or answer.get("state") != state:
        sys.exit("The answer was not for this request.")
    if "error" in answer:
        sys.exit(f"{answer['error']}: {answer.get('error_description', '')}")
    keep(oauth.fetch_token(metadata()["token_endpoint"], code=answer["code"], code_verifier=verifier))
    print("Signed in.")


def whoami() -> None:
    """Refresh the tokens, then ask who they are for."""
    token = json.loads(TOKEN_FILE.read_text())
    oauth = client(token=token)
    keep({**token, **oauth.refresh_token(metadata()["token_endpoint"], refresh_token=token["refresh_token"])})
    print(oauth.get(metadata()["userinfo_endpoint"]).json()["preferred_username"])


def logout() -> None:
    """Revoke the refresh token, which ends the whole grant, and forget it."""
    token = json.loads(TOKEN_FILE.read_text())
    client().revoke_token(metadata()["revocation_endpoint"], token["refresh_token"]).raise_for_status()
    TOKEN_FILE.unlink()
    print("Signed out.")


def keep(token: Any) -> None:
    """Write the tokens where only their owner can read them; the old file is there until the new one is whole."""
    beside = TOKEN_FILE.with_suffix(".new")
    with os.fdopen(os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
        json.dump(token, file)
    beside.replace(TOKEN_FILE)


if __name__ == "__main__":
    commands = {"login": login, "whoami": whoami, "logout": logout}
    if len(sys.argv) != 2 or sys.argv[1] not in commands:
        sys.exit(f"usage: {sys.argv[0]} {' | '.join(commands)}")
    commands[sys.argv[1]]()
