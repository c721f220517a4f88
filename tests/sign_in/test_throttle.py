from __future__ import annotations

import asyncio
import json
import time
from types import SimpleNamespace

import msgspec
import pytest

from projections.login_failures import network_of
from service.bootstrap import open_worker
from service.settings import Settings
from service.sign_in import throttle
from tests.people import Browser, Person, register_person
from tests.sign_in.conftest import PASSWORD, Answer, Door, door_at, http_from

WRONG = "not it at all"


@pytest.fixture
def settings(settings: Settings) -> Settings:
    """Three failures of an account are enough, or six from a source."""
    return msgspec.structs.replace(settings, login_failures_per_account=3, login_failures_per_source=6)


async def fail(door: Door, name: str, times: int) -> None:
    """Fail to sign in."""
    for _ in range(times):
        assert (await door.sign_in(name, WRONG)).types == ["login.failed"]


def throttled(answer: Answer) -> str:
    """That an answer says to wait; returns what the audit is told was tried too often."""
    assert (answer.page.status, answer.event["error"]) == (429, "too_many_attempts")
    assert (answer.event["reason"], answer.event["status"]) == ("login_throttled", 429)
    assert 1 <= int(answer.page.headers["retry-after"]) <= 900
    assert "Please wait a little, then try again." in answer.page.text
    return str(answer.event["detail"])


async def test_an_account_is_throttled_by_its_failures(
    door: Door, zoe: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After three, even the right password is refused, from wherever it comes, before any work is done."""
    await fail(door, "zoe", 3)
    monkeypatch.setattr(door.core.passwords, "_hasher", SimpleNamespace())
    assert throttled(await door.sign_in("zoe")) == f"account {zoe.subject}"
    async with door_at(door.core, "10.0.0.2") as elsewhere:
        assert throttled(await elsewhere.sign_in("zoe")) == f"account {zoe.subject}"


async def test_a_name_that_is_nobodys_is_throttled_alike(door: Door, zoe: Person) -> None:
    """As often, in the same words: who asks learns nothing of which names exist."""
    for name in ("zoe", "nobody"):
        async with door_at(door.core, f"10.0.0.{len(name)}") as own:
            await fail(own, name, 3)
    known, unknown = await door.sign_in("zoe"), await door.sign_in("nobody")
    assert throttled(unknown) == "account " + door.core.digester.digest("name\0nobody")
    assert throttled(known) == f"account {zoe.subject}"
    assert known.page.text == unknown.page.text
    assert known.page.headers.keys() == unknown.page.headers.keys()


async def test_others_sign_in_meanwhile(door: Door, zoe: Person) -> None:
    """An account that is attacked is no other's trouble."""
    await register_person(door.core, "yan", password=PASSWORD)
    await fail(door, "zoe", 3)
    assert (await door.sign_in("yan")).page.status == 303


async def test_a_source_is_throttled_by_its_failures(door: Door, zoe: Person) -> None:
    """Six from one address, at whatever names, and none of them signs in from there; from elsewhere they do."""
    for number in range(6):
        await fail(door, f"name-{number}", 1)
    assert throttled(await door.sign_in("zoe")) == "source 127.0.0.1"
    async with door_at(door.core, "10.0.0.2") as elsewhere:
        assert (await elsewhere.sign_in("zoe")).page.status == 303


async def test_one_ipv6_network_is_one_source(door: Door, zoe: Person) -> None:
    """Who has one address of a /64 has them all; the next network is another's."""
    for number in range(6):
        async with door_at(door.core, f"2001:db8:0:1::{number}") as each:
            await fail(each, f"name-{number}", 1)
    async with door_at(door.core, "2001:db8:0:1:ffff::1") as same, door_at(door.core, "2001:db8:0:2::1") as other:
        assert throttled(await same.sign_in("zoe")) == "source 2001:db8:0:1::/64"
        assert (await other.sign_in("zoe")).page.status == 303


async def test_success_forgives_nothing(door: Door, zoe: Person) -> None:
    """Signing in between guesses, to an account of one's own or the one guessed at, buys no more of them."""
    await register_person(door.core, "mallory", password=PASSWORD)
    await fail(door, "zoe", 2)
    assert (await door.sign_in("mallory")).page.status == 303
    assert (await door.sign_in("zoe")).page.status == 303
    await fail(door, "zoe", 1)
    throttled(await door.sign_in("zoe"))


async def test_time_forgives(door: Door, zoe: Person, monkeypatch: pytest.MonkeyPatch) -> None:
    """When the window is over, as Retry-After says, the right password signs in."""
    await fail(door, "zoe", 3)
    wait = int((await door.sign_in("zoe")).page.headers["retry-after"])
    now = time.time()
    assert 890 <= wait <= 900
    monkeypatch.setattr(throttle, "time", SimpleNamespace(time=lambda: now + wait - 20))
    throttled(await door.sign_in("zoe"))
    monkeypatch.setattr(throttle, "time", SimpleNamespace(time=lambda: now + wait + 1))
    assert (await door.sign_in("zoe")).page.status == 303


@pytest.mark.parametrize("name", ["zoe", "nobody"])
async def test_many_guesses_at_once_get_no_further(door: Door, zoe: Person, name: str) -> None:
    """Of 200 at the same moment three are looked at, the last of them the right one or not; all others are refused."""
    form = (await door.browser.get("/sign-in")).form("/sign-in")
    guesses = [f"guess number {number}" for number in range(200)] + [PASSWORD]
    before = await door.core.journal.head()
    pages = await asyncio.gather(*(door.browser.submit(form, name=name, password=guess) for guess in guesses))
    statuses = [page.status for page in pages]
    assert (statuses.count(400), statuses.count(429)) == (3, 198)
    events = await door.core.journal.read(before, 1_000)
    assert sorted(event.type for event in events) == ["access.rejected"] * 198 + ["login.failed"] * 3
    throttled(await door.sign_in(name))


async def test_attempts_at_all_pages_count_together(door: Door, zoe: Person, monkeypatch: pytest.MonkeyPatch) -> None:
    """While three guesses at a password are under way on the account page, signing in must wait."""
    async with door_at(door.core, "10.0.0.2") as owner:
        await owner.sign_in("zoe")
        form = (await owner.browser.get("/account/password")).form("/account/password")
        entered, go_on = asyncio.Semaphore(0), asyncio.Event()

        async def held(*_: object) -> bool:
            entered.release()
            await go_on.wait()
            return False

        with monkeypatch.context() as patch:
            patch.setattr(door.core.passwords, "verify", held)
            guesses = [
                asyncio.create_task(owner.browser.submit(form, old_password=WRONG, new_password=WRONG)) for _ in "123"
            ]
            for _ in guesses:
                await entered.acquire()
            # Its browser is at the owner's application: there is one throttle for all pages of it.
            other = Door(door.core, Browser(owner.browser.http))
            refused = await asyncio.wait_for(other.sign_in("zoe"), 60)
            assert throttled(refused) == f"account {zoe.subject}"
            go_on.set()
            assert [page.status for page in await asyncio.gather(*guesses)] == [400] * 3


async def test_an_attempt_that_could_not_be_judged_counts_for_nothing(
    door: Door, zoe: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A fault on this side uses up nobody's attempts."""

    async def broken(*_: object) -> bool:
        raise RuntimeError

    with monkeypatch.context() as patch:
        patch.setattr(door.core.passwords, "verify", broken)
        page = await door.browser.get("/sign-in")
        for _ in range(4):
            failed = await door.browser.submit(page.form("/sign-in"), name="zoe", password=PASSWORD)
            assert failed.status == 500
    assert (await door.sign_in("zoe")).page.status == 303


async def test_two_workers_count_together(settings: Settings, door: Door, zoe: Person) -> None:
    """What failed at one worker counts at the other, and at one that starts later."""
    async with open_worker(settings) as core, door_at(core) as second:
        await fail(door, "zoe", 2)
        await fail(second, "zoe", 1)
        await door.core.follower.folded(await core.journal.head())
        throttled(await door.sign_in("zoe"))
        throttled(await second.sign_in("zoe"))
    async with open_worker(settings) as core, door_at(core) as third:
        throttled(await third.sign_in("zoe"))
        assert len(core.state.login_failures.of_source("127.0.0.1")) == 3


async def test_failures_older_than_the_window_are_not_recalled(settings: Settings, door: Door, zoe: Person) -> None:
    """A worker that starts reads what may still count, and no more."""
    await fail(door, "zoe", 3)
    await asyncio.sleep(1.1)
    async with open_worker(msgspec.structs.replace(settings, login_failures_window=1)) as core:
        assert core.state.login_failures.of_account(zoe.subject) == ()


async def test_two_workers_hold_the_same(settings: Settings, door: Door, zoe: Person) -> None:
    """Folded as they came, by the feed, or read at the start: the failures are the same."""
    async with open_worker(settings) as core:
        for name in ("zoe", "nobody", "zoe"):
            await fail(door, name, 1)
        head = await core.journal.head()
        await core.follower.folded(head)
        async with open_worker(settings) as later:
            keys = (zoe.subject, core.digester.digest("name\0nobody"))
            of = [
                ([state.of_account(key) for key in keys], state.of_source("127.0.0.1"))
                for state in (door.core.state.login_failures, core.state.login_failures, later.state.login_failures)
            ]
            assert of[0] == of[1] == of[2]
            assert [len(each) for each in of[0][0]] == [2, 1]


async def test_failures_and_refusals_have_their_source(door: Door, zoe: Person) -> None:
    """Who investigates sees where each came from."""
    async with http_from(door.core, "10.1.2.3") as http:
        own = Door(door.core, Browser(http))
        answers = [await own.sign_in("zoe", WRONG) for _ in range(4)]
    assert {event.source for answer in answers for event in answer.events} == {"10.1.2.3"}
    assert json.loads(answers[-1].events[0].data)["endpoint"] == "sign_in"


@pytest.mark.parametrize(
    ("source", "network"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("::ffff:192.0.2.7", "192.0.2.7"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("testclient", "testclient"),
    ],
)
def test_network_of_a_source(source: str, network: str) -> None:
    """An IPv4 address is itself, however it is written; an IPv6 one is its network; anything else is what it is."""
    assert network_of(source) == network
