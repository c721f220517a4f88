"""Grants that a person gave, to be refreshed: made as an application makes them."""

from __future__ import annotations

import asyncio
import hashlib
import json
import secrets
from base64 import urlsafe_b64encode
from urllib.parse import parse_qs, urlencode, urlsplit

import httpx

from tests.people import Browser
from tests.product import Product
from tests.visitor import PASSWORD, Visitor

CLIENT = "web-app"
_REDIRECT = "http://127.0.0.1:9/callback"
_NAME = "zoe"


def add_person(product: Product) -> None:
    """The account that gives the grants, where there is none yet."""
    accounts = json.loads(product.cli("account", "list", "--json").stdout)
    if not any(account["name"] == _NAME for account in accounts):
        product.cli("account", "add", _NAME, "--password-stdin", stdin=PASSWORD)


def refresh_tokens(product: Product, number: int) -> list[str]:
    """Refresh tokens of as many fresh grants."""
    return asyncio.run(_refresh_tokens(product, number))


def sessions(product: Product, number: int) -> list[str]:
    """The cookies (a header) of as many browsers in which the person is signed in."""
    return asyncio.run(_sessions(product, number))


async def _sessions(product: Product, number: int) -> list[str]:
    found = []
    async with httpx.AsyncClient(base_url=product.url) as http:
        for _ in range(number):
            visitor = Visitor(browser := Browser(http), _NAME)
            await _refresh_token(product, http, visitor)
            found.append("; ".join(f"{name}={value}" for name, value in browser.cookies.items()))
    return found


async def _refresh_tokens(product: Product, number: int) -> list[str]:
    async with httpx.AsyncClient(base_url=product.url) as http:
        visitor = Visitor(Browser(http), _NAME)
        return [await _refresh_token(product, http, visitor) for _ in range(number)]


async def _refresh_token(product: Product, http: httpx.AsyncClient, visitor: Visitor) -> str:
    verifier = secrets.token_urlsafe(48)
    query = {
        "client_id": CLIENT,
        "redirect_uri": _REDIRECT,
        "response_type": "code",
        "scope": "offline_access read:users",
        "code_challenge": _challenge(verifier),
        "code_challenge_method": "S256",
    }
    page = await visitor.visit(f"/oauth2/authorize?{urlencode(query)}")
    code = parse_qs(urlsplit(page.location).query)["code"][0]
    answer = await http.post(
        "/oauth2/token",
        data={"grant_type": "authorization_code", "code": code, "redirect_uri": _REDIRECT, "code_verifier": verifier},
        auth=(CLIENT, product.secret(CLIENT)),
    )
    return str(answer.json()["refresh_token"])


def _challenge(verifier: str) -> str:
    return urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()
