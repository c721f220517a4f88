"""A running Tallystick at `localhost`, where Chromium has passkeys, and an application that sends people there."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import http.server
import itertools
import secrets
import shutil
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import parse_qsl, urlencode, urlsplit

import requests

from tests.ports import free_port
from tests.product import Product

ACCESS = Path(__file__).with_name("access.yaml")
PASSWORD = "seven-quiet-herons-at-dusk"
API = "https://ledger.example.com/api"
_NOWHERE = "<!doctype html><html lang=en><title>Ledger</title><h1>Back at the application</h1>"


class Person(NamedTuple):
    """Somebody with an account."""

    name: str
    password: str = PASSWORD


class App:
    """The application: where people come back to, and what they brought."""

    def __init__(self, server: http.server.ThreadingHTTPServer) -> None:
        self.origin = f"http://127.0.0.1:{server.server_port}"
        self.redirect_uri = f"{self.origin}/callback"
        self.answers: list[dict[str, str]] = []
        self.verifier = ""

    def authorize_url(self, issuer: str, scope: str, **more: str) -> str:
        """Where it sends a person, with a fresh verifier."""
        self.verifier = secrets.token_urlsafe(48)
        challenge = base64.urlsafe_b64encode(hashlib.sha256(self.verifier.encode()).digest()).rstrip(b"=").decode()
        query = {
            "client_id": "ledger",
            "response_type": "code",
            "redirect_uri": self.redirect_uri,
            "scope": scope,
            "resource": API,
            "state": "the-state",
            "code_challenge": challenge,
            "code_challenge_method": "S256",
        }
        return f"{issuer}/oauth2/authorize?{urlencode(query | more)}"

    def redeem(self, issuer: str, code: str, secret: str) -> dict[str, Any]:
        """Exchange a code for tokens."""
        form = {
            "grant_type": "authorization_code",
            "client_id": "ledger",
            "client_secret": secret,
            "code": code,
            "redirect_uri": self.redirect_uri,
            "code_verifier": self.verifier,
        }
        answer = requests.post(f"{issuer}/oauth2/token", data=form, timeout=20)
        assert answer.status_code == 200, answer.text
        tokens: dict[str, Any] = answer.json()
        return tokens


class Site:
    """The server's address, its application, and the people who have accounts."""

    def __init__(self, product: Product, url: str, app: App) -> None:
        self.url = url
        self.app = app
        self._product = product
        self._numbers = itertools.count(1)

    def person(self) -> Person:
        """Somebody new."""
        someone = Person(f"zoe{next(self._numbers)}")
        self._product.cli("account", "add", someone.name, "--password-stdin", stdin=someone.password)
        return someone

    def sign_out(self, person: Person) -> None:
        """An operator ends all their sessions."""
        self._product.cli("account", "sign-out", person.name)

    def tokens(self, code: str) -> dict[str, Any]:
        """What the application gets for a code."""
        return self.app.redeem(self.url, code, self._product.secret("ledger"))

    def device(self) -> dict[str, Any]:
        """A television asks to be let in (RFC 8628 section 3.2)."""
        form = {"client_id": "tv", "scope": "openid offline_access"}
        answer = requests.post(f"{self.url}/oauth2/device_authorization", data=form, timeout=20)
        assert answer.status_code == 200, answer.text
        asked: dict[str, Any] = answer.json()
        return asked


@contextlib.contextmanager
def running_site() -> Iterator[Site]:
    """Bring all of it up; nothing is left behind."""
    port = free_port()
    url = f"http://localhost:{port}"
    folder = Path(tempfile.mkdtemp(prefix="tallystick-browsers-", dir="/tmp"))
    folder.chmod(0o711)
    product = Product(folder / "home", access=ACCESS, env={"TALLYSTICK_ISSUER": url})
    product._port = str(port)
    try:
        product.start()
        with running_app() as app:
            yield Site(product, url, app)
    finally:
        product.end()
        shutil.rmtree(folder)


@contextlib.contextmanager
def running_app() -> Iterator[App]:
    """The application's own server."""
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Handler) as server:
        app = _Handler.app = App(server)
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield app
        finally:
            server.shutdown()
            thread.join()


class _Handler(http.server.BaseHTTPRequestHandler):
    app: App

    def do_GET(self) -> None:
        """An answer by query."""
        address = urlsplit(self.path)
        if address.path == "/callback":
            self._take(address.query)
        self._say()

    def do_POST(self) -> None:
        """An answer by form_post."""
        self._take(self.rfile.read(int(self.headers["content-length"])).decode())
        self._say()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 the base class's name for it
        """Say nothing."""

    def _take(self, query: str) -> None:
        self.app.answers.append(dict(parse_qsl(query)))

    def _say(self) -> None:
        body = _NOWHERE.encode()
        self.send_response(200)
        self.send_header("content-type", "text/html; charset=utf-8")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
