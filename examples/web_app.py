"""A web application that signs people in with Tallystick, by Flask and Authlib (docs/sign-in-web-app.md).

    pip install authlib flask requests
    python examples/web_app.py          then open http://127.0.0.1:5000/

Settings come from the environment: TALLYSTICK_ISSUER (http://127.0.0.1:8080), CLIENT_ID (web-app), CLIENT_SECRET (read
from .tallystick/secrets/web-app where it is not set) and PORT (5000).
"""

from __future__ import annotations

import os
import secrets
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from authlib.integrations.base_client import OAuthError
from authlib.integrations.flask_client import OAuth
from flask import Flask, redirect, render_template_string, request, session, url_for
from werkzeug.wrappers import Response

ISSUER = os.environ.get("TALLYSTICK_ISSUER", "http://127.0.0.1:8080")
CLIENT_ID = os.environ.get("CLIENT_ID", "web-app")
PORT = int(os.environ.get("PORT", "5000"))
PAGE = """<!doctype html><html lang="en"><title>Example</title><h1>Example application</h1>
{% if user %}
<p>Signed in as <b>{{ user.preferred_username }}</b> ({{ user.email or "no email address" }}).</p>
<p>The access token is for <code>{{ scope }}</code>.</p>
<form method="post" action="/refresh"><button>Refresh the tokens</button></form>
<form method="post" action="/logout"><button>Sign out</button></form>
{% else %}<p><a href="/login">Sign in</a></p>{% endif %}
{% if error %}<p role="alert">{{ error }}</p>{% endif %}</html>"""

app = Flask(__name__)
app.secret_key = secrets.token_bytes(32)
app.config.update(SESSION_COOKIE_NAME="example", SESSION_COOKIE_HTTPONLY=True, SESSION_COOKIE_SAMESITE="Lax")
tallystick = OAuth(app).register(
    "tallystick",
    client_id=CLIENT_ID,
    client_secret=os.environ.get("CLIENT_SECRET") or Path(f".tallystick/secrets/{CLIENT_ID}").read_text().strip(),
    server_metadata_url=f"{ISSUER}/.well-known/openid-configuration",
    client_kwargs={"scope": "openid profile email offline_access read:users", "code_challenge_method": "S256"},
)
tokens: dict[str, dict[str, Any]] = {}
"""Tokens stay on this side, by the id of the browser's session: a cookie is no place for them."""


@app.get("/")
def home() -> str:
    """Who is signed in."""
    kept = tokens.get(session.get("id", ""))
    user = kept["userinfo"] if kept else None
    return render_template_string(
        PAGE, user=user, scope=kept and kept["token"]["scope"], error=request.args.get("error")
    )


@app.get("/login")
def login() -> Response:
    """Send the browser to Tallystick. Authlib keeps state, nonce and the PKCE verifier in the session."""
    answer: Response = tallystick.authorize_redirect(url_for("callback", _external=True))
    return answer


@app.get("/callback")
def callback() -> Response:
    """The browser is back with a code: exchange it. Authlib checks state, issuer, ID token and nonce."""
    try:
        token = tallystick.authorize_access_token()
    except OAuthError as error:
        return redirect(f"/?{urlencode({'error': error.description or error.error})}")
    session["id"] = secrets.token_urlsafe(16)
    tokens[session["id"]] = {"token": token, "userinfo": tallystick.userinfo(token=token)}
    return redirect("/")


@app.post("/refresh")
def refresh() -> Response:
    """Use the refresh token. Each works once, so the new one takes its place."""
    kept = tokens[session["id"]]
    fresh = tallystick.fetch_access_token(grant_type="refresh_token", refresh_token=kept["token"]["refresh_token"])
    kept["token"] = {**kept["token"], **fresh}
    return redirect("/")


@app.post("/logout")
def logout() -> Response:
    """Forget the tokens, then end the session at Tallystick too (OpenID Connect RP-Initiated Logout)."""
    kept = tokens.pop(session.pop("id", ""), None)
    if kept is None:
        return redirect("/")
    query = {
        "id_token_hint": kept["token"]["id_token"],
        "post_logout_redirect_uri": url_for("home", _external=True),
    }
    return redirect(f"{tallystick.load_server_metadata()['end_session_endpoint']}?{urlencode(query)}")


if __name__ == "__main__":
    app.run("127.0.0.1", PORT)
