"""A load of every kind that the dashboards show: tokens of machines and people, gateways, APIs, guesses and reuse."""

from __future__ import annotations

import asyncio
import json
import threading
import time
import uuid
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from itertools import chain, cycle
from typing import Any
from urllib.parse import urlencode

import httpx

from tests.interop.issuing import API, Issuing
from tests.interop.tokens import persons_tokens
from tests.people import Browser
from tests.visitor import Visitor

_PAUSE = 0.03
_FAILED = 500
_OWN_API = "urn:tallystick:api"


class Driver:
    """Does one thing after another until `stop` is set; `wrong` is what was not answered as it must be."""

    def __init__(self, issuing: Issuing) -> None:
        self.stop = threading.Event()
        self.wrong: list[str] = []
        self.done: Counter[str] = Counter()
        self._issuing = issuing
        self._secrets = {
            each: issuing.product.secret(each) for each in ("worker", "opaque", "web", "users-api", "auditor")
        }
        self._tokens: dict[str, str] = {}
        self._refresh = ""
        self._reports = ""
        self._audit = ""
        self._device = ""
        self._http: httpx.AsyncClient

    async def run(self) -> None:
        """Go through all kinds of calls: once each, then again and again."""
        async with httpx.AsyncClient(base_url=self._issuing.product.url, timeout=30) as http:
            self._http = http
            await self._begin()
            calls = self._calls()
            for call in chain(dict.fromkeys(calls), cycle(calls)):
                if self.stop.is_set():
                    return
                await call()
                self.done[call.__name__] += 1
                await asyncio.sleep(_PAUSE)

    def _calls(self) -> list[Callable[[], Awaitable[None]]]:
        often = [self._issue, self._introspect, self._pass_gateway, self._be_refused]
        seldom = [
            *(self._use_refresh_token, self._report, self._revoke, self._poll),
            *(self._guess_password, self._read_audit, self._lose_answer, self._reuse, self._flood),
        ]
        return [call for each in seldom for call in (*often, each)]

    async def _begin(self) -> None:
        await self._issue()
        self._reports = await self._token("users-api", scope="access:report", resource=_OWN_API)
        self._audit = await self._token("auditor", scope="audit:read", resource=_OWN_API)
        asked = await self._http.post("/oauth2/device_authorization", data={"client_id": "tv", "scope": "openid"})
        self._device = asked.json()["device_code"]
        await self._sign_in()

    async def _sign_in(self) -> None:
        """A person signs in at the pages, and the web application gets tokens."""
        self._refresh = (await persons_tokens(self._issuing)).refresh

    async def _issue(self) -> None:
        for client in ("worker", "opaque"):
            self._tokens[client] = await self._token(client, scope="read:users", resource=API)

    async def _introspect(self) -> None:
        """Twice a good one, so that the second is known; once none."""
        for token in (self._tokens["worker"], self._tokens["worker"], self._tokens["opaque"], "x.y.z"):
            await self._post("introspect", "users-api", token=token)

    async def _pass_gateway(self) -> None:
        for token in (self._tokens["worker"], "x.y.z"):
            query = {"audience": API, "scope": "read:users"}
            self._look(await self._http.get("/verify", params=query, headers={"authorization": f"Bearer {token}"}))

    async def _be_refused(self) -> None:
        for form in ({"scope": "pay"}, {"resource": "https://other.example.com"}):
            await self._post("token", "worker", grant_type="client_credentials", **form)
        await self._post("token", "worker", secret="guessed", grant_type="client_credentials")
        await self._post("token", "stranger", secret="guessed", grant_type="client_credentials")

    async def _use_refresh_token(self) -> None:
        self._refresh = (await self._refreshed(self._refresh)).get("refresh_token", self._refresh)

    async def _lose_answer(self) -> None:
        """The same token twice, as after a lost answer."""
        used = self._refresh
        for _ in range(2):
            self._refresh = (await self._refreshed(used)).get("refresh_token", self._refresh)

    async def _reuse(self) -> None:
        """A token that its successors have ended: the grant ends, and the person signs in again."""
        used = self._refresh
        await self._use_refresh_token()
        await self._use_refresh_token()
        await self._post("token", "web", grant_type="refresh_token", refresh_token=used)
        await self._sign_in()

    async def _revoke(self) -> None:
        await self._post("revoke", "worker", token=self._tokens["worker"])
        await self._post("introspect", "users-api", token=self._tokens["worker"])

    async def _report(self) -> None:
        """An API tells of one that it refused, and of ten that it could not keep."""
        refused = {"id": uuid.uuid4().hex, "at": time.time(), "method": "GET", "route": "/users", "status": 401}
        body = {"api": API, "rejections": [{**refused, "reason": "token_expired"}], "dropped": 10}
        headers = {"authorization": f"Bearer {self._reports}", "content-type": "application/json"}
        self._look(await self._http.post("/access/rejected", content=json.dumps(body), headers=headers))

    async def _poll(self) -> None:
        form = {"client_id": "tv", "grant_type": "urn:ietf:params:oauth:grant-type:device_code"}
        self._look(await self._http.post("/oauth2/token", data={**form, "device_code": self._device}))

    async def _guess_password(self) -> None:
        """Somebody tries a password of an account that nobody has."""
        query = {"client_id": "web", "redirect_uri": "http://127.0.0.1/callback", "response_type": "code"}
        query |= {"scope": "openid", "resource": API, "code_challenge": "A" * 43, "code_challenge_method": "S256"}
        async with httpx.AsyncClient(base_url=self._issuing.product.url, timeout=30) as http:
            guesser = Visitor(Browser(http), f"nobody-{self.done['_guess_password']}", "wrong-on-purpose-7")
            page = await guesser.browser.get(f"{self._issuing.product.url}/oauth2/authorize?{urlencode(query)}")
            while page.status == 303:
                page = await guesser.browser.follow(page)
            form = next(each for each in page.forms if each.action.endswith("/sign-in"))
            await guesser.browser.submit(form, name=f"nobody-{uuid.uuid4().hex[:8]}", password="wrong-on-purpose-7")

    async def _flood(self) -> None:
        """Guesses from one address elsewhere, as a proxy on this machine tells it: more than the limit of a source."""
        elsewhere = {"x-forwarded-for": "192.0.2.7", "x-forwarded-proto": "https"}
        form = {"grant_type": "client_credentials", "client_id": "worker", "client_secret": "guessed"}
        for _ in range(15):
            self._look(await self._http.post("/oauth2/token", data=form, headers=elsewhere))

    async def _read_audit(self) -> None:
        headers = {"authorization": f"Bearer {self._audit}"}
        self._look(await self._http.get("/audit/events", params={"limit": "1"}, headers=headers))

    async def _refreshed(self, token: str) -> dict[str, Any]:
        answer = await self._post("token", "web", grant_type="refresh_token", refresh_token=token)
        given: dict[str, Any] = answer.json()
        return given

    async def _token(self, client: str, **form: str) -> str:
        answer = await self._post("token", client, grant_type="client_credentials", **form)
        token: str = answer.json().get("access_token", "")
        return token

    async def _post(self, endpoint: str, client: str, secret: str | None = None, **form: str) -> httpx.Response:
        login = (client, secret or self._secrets[client])
        return self._look(await self._http.post(f"/oauth2/{endpoint}", data=form, auth=login))

    def _look(self, answer: httpx.Response) -> httpx.Response:
        if answer.status_code >= _FAILED:
            self.wrong.append(f"{answer.url.path}: {answer.status_code} {answer.text}")
        return answer


@contextmanager
def driving(issuing: Issuing) -> Iterator[Driver]:
    """The load, in a thread of its own; what ended it early is raised at the end."""
    driver, failed = Driver(issuing), []

    def drive() -> None:
        try:
            asyncio.run(driver.run())
        except Exception as error:  # noqa: BLE001 raised below
            failed.append(error)

    thread = threading.Thread(target=drive)
    thread.start()
    try:
        yield driver
    finally:
        driver.stop.set()
        thread.join()
    if failed:
        raise failed[0]
