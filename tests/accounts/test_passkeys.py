from __future__ import annotations

import datetime as dt
import json
import os
from collections.abc import Callable
from typing import Any
from uuid import UUID

import pytest

from projections.accounts import Account, Accounts
from schema.envelope import Fact
from schema.events import AccountRegistered, Event, PasskeyAdded
from schema.streams import account_stream
from service.accounts import passkeys as module
from service.accounts.names import new_subject
from service.accounts.passkeys import PasskeyAsked, Passkeys, once_added
from service.tokens.digest import Digester
from service.tokens.seal import Sealer
from tests.authenticator import USER_PRESENT, Authenticator

ISSUER = "https://auth.example.com/tenant"
ORIGIN = "https://auth.example.com"
BROWSER, OTHER_BROWSER = "b" * 22, "o" * 22
SEALER = Sealer(bytes(range(32)))
DIGESTER = Digester(bytes(range(32)))


class Book:
    """Accounts, as their events make them."""

    def __init__(self) -> None:
        self.accounts = Accounts()
        self._position = 0

    def fold(self, name: str, event: Event) -> None:
        """Fold one event of an account."""
        self._position += 1
        stream = account_stream(name)
        version = self.accounts.version_of(stream) + 1
        self.accounts.apply(Fact(self._position, stream, version, event, dt.datetime.now(dt.UTC)))

    def register(self, name: str) -> Account:
        """A new account."""
        self.fold(name, AccountRegistered(subject=new_subject(), name=name))
        return self.named(name)

    def named(self, name: str) -> Account:
        """The account of a name, as it is now."""
        account = self.accounts.named(name)
        assert account is not None
        return account

    def add(self, name: str, device: Authenticator, **options: Any) -> PasskeyAdded:
        """An account gets a passkey."""
        added = create(self.named(name), device, **options)
        assert added is not None
        self.fold(name, added)
        return added


def create(
    account: Account, device: Authenticator, browser: str = BROWSER, label: str = "phone"
) -> PasskeyAdded | None:
    """A passkey for an account, asked for and made in a browser."""
    passkeys = Passkeys(ISSUER, SEALER)
    options, state = passkeys.creation_request(BROWSER, account)
    return passkeys.created(browser, state, device.create(options), account, label)


@pytest.fixture
def book() -> Book:
    """Two people without passkeys."""
    made = Book()
    made.register("zoe")
    made.register("max")
    return made


@pytest.fixture
def device() -> Authenticator:
    """A device of zoe's."""
    return Authenticator(ORIGIN)


@pytest.fixture
def passkeys() -> Passkeys:
    """Passkeys of this server."""
    return Passkeys(ISSUER, SEALER)


def test_a_passkey_is_made_discoverable_and_verifies_its_user(book: Book, passkeys: Passkeys) -> None:
    """What a browser is asked: both required, for the account's subject, at the issuer's host, without attestation."""
    account = book.named("zoe")
    options = json.loads(passkeys.creation_request(BROWSER, account)[0])
    assert options["rp"] == {"id": "auth.example.com", "name": "auth.example.com"}
    assert options["user"]["name"] == "zoe"
    assert options["authenticatorSelection"] == {
        "residentKey": "required",
        "requireResidentKey": True,
        "userVerification": "required",
    }
    assert (options["attestation"], options["excludeCredentials"]) == ("none", [])
    assert [each["alg"] for each in options["pubKeyCredParams"]] == [-8, -7, -257]


def test_an_added_passkey_signs_in_alone(book: Book, passkeys: Passkeys, device: Authenticator) -> None:
    """Nobody says who they are: the passkey does, and that it verified them."""
    added = book.add("zoe", device)
    assert (device.id, "phone", 1, ("hybrid", "internal")) == (
        added.credential_id,
        added.label,
        added.sign_count,
        added.transports,
    )
    options, state = passkeys.request(BROWSER, None)
    assert (json.loads(options)["userVerification"], json.loads(options)["allowCredentials"]) == ("required", [])
    verified = passkeys.verify(BROWSER, state, device.get(options), book.accounts)
    assert verified is not None
    assert (book.named("zoe").subject, device.id, True) == verified[:3]


def test_after_a_password_possession_is_enough(book: Book, passkeys: Passkeys, device: Authenticator) -> None:
    """The account's passkeys are named, and one that verifies nobody is told as such."""
    book.add("zoe", device)
    options, state = passkeys.request(BROWSER, book.named("zoe"))
    asked = json.loads(options)
    assert ("preferred", [device.id]) == (asked["userVerification"], [each["id"] for each in asked["allowCredentials"]])
    device.flags = USER_PRESENT
    verified = passkeys.verify(BROWSER, state, device.get(options), book.accounts)
    assert verified is not None
    assert (book.named("zoe").subject, False) == (verified.subject, verified.user_verified)


def test_a_device_that_has_one_is_not_asked_for_another(book: Book, passkeys: Passkeys, device: Authenticator) -> None:
    """The browser is told which passkeys the account has."""
    book.add("zoe", device)
    excluded = json.loads(passkeys.creation_request(BROWSER, book.named("zoe"))[0])["excludeCredentials"]
    assert [device.id] == [each["id"] for each in excluded]


def wrong_origin(device: Authenticator) -> None:
    """A page of another site asked."""
    device.origin = "https://auth.example.com.evil.example"


def other_port(device: Authenticator) -> None:
    """A page of another port of our host asked."""
    device.origin = "https://auth.example.com:8443"


def wrong_rp_id(device: Authenticator) -> None:
    """It signs for another host."""
    device.rp_id = "evil.example"


def parent_rp_id(device: Authenticator) -> None:
    """It signs for the domain above ours."""
    device.rp_id = "example.com"


def not_verified(device: Authenticator) -> None:
    """It asked for no PIN or finger."""
    device.flags = USER_PRESENT


def nobody_there(device: Authenticator) -> None:
    """Nobody touched it."""
    device.flags = 0


WRONGS = [wrong_origin, other_port, wrong_rp_id, parent_rp_id, not_verified, nobody_there]


@pytest.mark.parametrize("wrong", WRONGS)
def test_what_does_not_hold_signs_nobody_in(
    book: Book, passkeys: Passkeys, device: Authenticator, wrong: Callable[[Authenticator], None]
) -> None:
    """Signed by the right key, for another origin or relying party, or without the person."""
    book.add("zoe", device)
    options, state = passkeys.request(BROWSER, None)
    wrong(device)
    assert passkeys.verify(BROWSER, state, device.get(options), book.accounts) is None


@pytest.mark.parametrize("wrong", WRONGS)
def test_what_does_not_hold_is_not_added(
    book: Book, device: Authenticator, wrong: Callable[[Authenticator], None]
) -> None:
    """The same, where a passkey is made."""
    wrong(device)
    assert create(book.named("zoe"), device) is None


def test_another_key_signs_nobody_in(book: Book, passkeys: Passkeys, device: Authenticator) -> None:
    """An authenticator that says it is zoe's, with a key of its own."""
    book.add("zoe", device)
    forger = Authenticator(ORIGIN)
    forger.credential_id, forger.count, forger.user_handle = device.credential_id, 5, device.user_handle
    options, state = passkeys.request(BROWSER, None)
    assert passkeys.verify(BROWSER, state, forger.get(options), book.accounts) is None


def test_an_unknown_passkey_signs_nobody_in(book: Book, passkeys: Passkeys, device: Authenticator) -> None:
    """One that was never added, or removed."""
    device.user_handle = UUID(book.named("zoe").subject).bytes
    options, state = passkeys.request(BROWSER, None)
    assert passkeys.verify(BROWSER, state, device.get(options), book.accounts) is None


def test_another_accounts_passkey_is_no_second_factor(book: Book, passkeys: Passkeys, device: Authenticator) -> None:
    """Who knows zoe's password and has a passkey of their own is not zoe."""
    own = Authenticator(ORIGIN)
    book.add("max", own)
    book.add("zoe", device)
    options, state = passkeys.request(BROWSER, book.named("zoe"))
    assert passkeys.verify(BROWSER, state, own.get(options), book.accounts) is None
    own.user_handle = None
    assert passkeys.verify(BROWSER, state, own.get(options), book.accounts) is None
    assert passkeys.verify(BROWSER, state, device.get(options), book.accounts) is not None


def test_a_passkey_names_its_own_account(book: Book, passkeys: Passkeys, device: Authenticator) -> None:
    """A user handle of somebody else, or none, is no sign-in without a name (WebAuthn section 7.2, step 6)."""
    book.add("zoe", device)
    options, state = passkeys.request(BROWSER, None)
    max_handle = UUID(book.named("max").subject).bytes
    assert passkeys.verify(BROWSER, state, device.get(options, user_handle=max_handle), book.accounts) is None
    device.user_handle = None
    assert passkeys.verify(BROWSER, state, device.get(options), book.accounts) is None


def test_a_copy_that_counts_less_is_refused(book: Book, passkeys: Passkeys, device: Authenticator) -> None:
    """A counter at or below the registered one is that of a cloned device."""
    device.count = 7
    book.add("zoe", device)
    for count, taken in ((5, False), (6, False), (7, True)):
        options, state = passkeys.request(BROWSER, None)
        device.count = count
        assert taken == (passkeys.verify(BROWSER, state, device.get(options), book.accounts) is not None)


def test_a_passkey_that_does_not_count_is_taken(book: Book, passkeys: Passkeys) -> None:
    """Those that are synchronised between devices stay at zero."""
    device = Authenticator(ORIGIN, counts=False)
    book.add("zoe", device)
    options, state = passkeys.request(BROWSER, None)
    assert passkeys.verify(BROWSER, state, device.get(options), book.accounts) is not None


def test_an_answer_fits_its_own_question_alone(book: Book, passkeys: Passkeys, device: Authenticator) -> None:
    """An answer to another challenge, and a question that was put to another browser."""
    book.add("zoe", device)
    options, state = passkeys.request(BROWSER, None)
    other_options, _ = passkeys.request(BROWSER, None)
    assert passkeys.verify(BROWSER, state, device.get(other_options), book.accounts) is None
    assert passkeys.verify(OTHER_BROWSER, state, device.get(options), book.accounts) is None
    assert passkeys.verify(BROWSER, state, device.get(options), book.accounts) is not None
    assert create(book.named("zoe"), Authenticator(ORIGIN), browser=OTHER_BROWSER) is None


def test_a_question_has_one_purpose(book: Book, passkeys: Passkeys, device: Authenticator) -> None:
    """An answer for signing in adds no passkey, and the reverse; nor is one account's made another's."""
    zoe, other = book.named("zoe"), book.named("max")
    options, state = passkeys.creation_request(BROWSER, zoe)
    created = device.create(options)
    assert passkeys.created(BROWSER, state, created, other, "x") is None
    assert passkeys.verify(BROWSER, state, created, book.accounts) is None
    book.add("zoe", device)
    options, state = passkeys.request(BROWSER, None)
    assert passkeys.created(BROWSER, state, device.get(options), zoe, "x") is None


def test_a_question_is_forgotten_after_five_minutes(
    book: Book, passkeys: Passkeys, device: Authenticator, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its state does not open any more."""
    book.add("zoe", device)
    monkeypatch.setattr(module, "LIFETIME", 0)
    options, state = passkeys.request(BROWSER, None)
    assert passkeys.verify(BROWSER, state, device.get(options), book.accounts) is None
    assert create(book.named("zoe"), Authenticator(ORIGIN)) is None


def test_a_challenge_is_used_up_as_itself(book: Book, passkeys: Passkeys, device: Authenticator) -> None:
    """Two sign-ins use up two keys, one sign-in always the same; so do two passkeys that are added."""
    added = book.add("zoe", device)
    keys = set()
    for _ in range(2):
        options, state = passkeys.request(BROWSER, None)
        for _ in range(2):
            verified = passkeys.verify(BROWSER, state, device.get(options), book.accounts)
            assert verified is not None
            keys.add(verified.once(DIGESTER).key)
    assert len(keys) == 2
    assert once_added(DIGESTER, added).key == once_added(DIGESTER, added).key
    assert once_added(DIGESTER, added).key not in keys


@pytest.mark.parametrize(
    "sent", ["", "{}", "[]", "null", "\0", '{"id": 1}', '{"id": "x", "rawId": "x", "response": {}}', "[" * 10_000]
)
def test_whatever_a_browser_sends_raises_nothing(book: Book, passkeys: Passkeys, sent: str) -> None:
    """The library's errors stop here."""
    account = book.named("zoe")
    assert passkeys.verify(BROWSER, passkeys.request(BROWSER, None)[1], sent, book.accounts) is None
    assert passkeys.created(BROWSER, passkeys.creation_request(BROWSER, account)[1], sent, account, "x") is None


def test_broken_bytes_raise_nothing(book: Book, passkeys: Passkeys, device: Authenticator) -> None:
    """Each part of a right answer cut short or made random."""
    account = book.named("zoe")
    options, state = passkeys.creation_request(BROWSER, account)
    whole = json.loads(device.create(options))
    for name in ("clientDataJSON", "attestationObject"):
        for broken in ("", whole["response"][name][:20], os.urandom(200).hex()):
            sent = json.dumps(whole | {"response": whole["response"] | {name: broken}})
            assert passkeys.created(BROWSER, state, sent, account, "x") is None


@pytest.mark.parametrize(
    ("issuer", "available"),
    [
        ("https://auth.example.com", True),
        ("http://localhost:8080", True),
        ("http://auth.localhost:8080", True),
        ("https://localhost", True),
        ("http://127.0.0.1:8080", False),
        ("https://192.0.2.1", False),
        ("https://[::1]:8080", False),
        ("http://auth.example.com", False),
    ],
)
def test_passkeys_are_offered_where_browsers_have_them(book: Book, issuer: str, available: bool) -> None:
    """Not at an IP address, and not without TLS but on this machine: nothing is asked then, and nothing taken."""
    passkeys = Passkeys(issuer, SEALER)
    requests = (*passkeys.request(BROWSER, None), *passkeys.creation_request(BROWSER, book.named("zoe")))
    assert [available] * 5 == [passkeys.available, *map(bool, requests)]
    state = SEALER.seal(PasskeyAsked(browser=BROWSER, challenge=b"x" * 32, subject=None), 60)
    assert passkeys.verify(BROWSER, state, "{}", book.accounts) is None


def test_an_account_without_passkeys_is_not_asked_for_one(book: Book, passkeys: Passkeys) -> None:
    """There is nothing to show then."""
    assert passkeys.request(BROWSER, book.named("zoe")) == ("", "")
