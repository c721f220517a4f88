"""A header that proved a client is remembered, for as long as it would prove the client again and no longer."""

from __future__ import annotations

import pickle
from base64 import b64encode
from collections.abc import Mapping

import pytest

from projections.access_model import AccessModel
from schema.envelope import Fact
from schema.events import (
    ClientDisabled,
    ClientEnabled,
    ClientRegistered,
    ClientRemoved,
    ClientSecretRotated,
    ClientUpdated,
    Event,
)
from schema.streams import client_stream
from service.client_auth import remembered
from service.client_auth.assertion import AssertionVerifier
from service.client_auth.authenticate import AuthenticatedClient, Authenticator
from service.client_auth.credentials import present
from service.errors import InvalidClient
from service.tokens.digest import Digester
from tests.projections.histories import MOMENT

NOW = 1_800_000_000.0
GRANTS = ("client_credentials",)
NAME, SECRET, NEWER = "worker", "first-secret", "second-secret"


class Counting(Digester):
    """A digester that counts what it digests."""

    def __init__(self, key: bytes) -> None:
        super().__init__(key)
        self.times = 0

    def raw(self, text: str) -> bytes:
        """The digest."""
        self.times += 1
        return super().raw(text)


class Door:
    """One client and what its requests are answered by."""

    def __init__(self) -> None:
        self.access = AccessModel()
        self.digester = Counting(b"k" * 32)
        self.authenticator = Authenticator(
            self.access, self.digester, AssertionVerifier(frozenset(), self.digester, 60)
        )
        self.apply(
            ClientRegistered(
                client_id=NAME,
                auth_method="client_secret_basic",
                grants=GRANTS,
                secret_digest=self.digester.digest(SECRET),
            )
        )
        self.digester.times = 0

    def apply(self, event: Event) -> None:
        """Let something happen to the client."""
        stream = client_stream(NAME)
        version = self.access.version_of(stream) + 1
        self.access.apply(Fact(version, stream, version, event, MOMENT, None))

    def enter(self, secret: str = SECRET, now: float = NOW, form: Mapping[str, str] = {}) -> AuthenticatedClient:
        """As a request does. Raises InvalidClient."""
        header = b"Basic " + b64encode(f"{NAME}:{secret}".encode())
        caller = self.authenticator.recall(header, form, now)
        if caller is None:
            caller = self.authenticator.authenticate(present(header, form), now)
            self.authenticator.remember(header, caller, now)
        return caller


def test_the_same_header_is_digested_once() -> None:
    """And says the same the second time."""
    door = Door()
    first = door.enter()
    assert door.digester.times == 1
    assert door.enter() == first == (door.access.clients[NAME], "client_secret_basic", None)
    assert door.digester.times == 1


def test_a_wrong_secret_is_refused_each_time() -> None:
    """What proved nothing is not remembered, nor let in by what proved something."""
    door = Door()
    door.enter()
    for _ in range(3):
        with pytest.raises(InvalidClient):
            door.enter("wrong")
    assert door.digester.times == 4


@pytest.mark.parametrize(
    "event",
    [ClientDisabled(client_id=NAME, reason="leaked"), ClientRemoved(client_id=NAME)],
    ids=lambda event: event.TYPE,
)
def test_a_client_that_is_no_more_is_refused_at_once(event: Event) -> None:
    """Whatever its header proved a moment ago."""
    door = Door()
    door.enter()
    door.apply(event)
    with pytest.raises(InvalidClient):
        door.enter()


def test_another_method_is_asked_for_at_once() -> None:
    """A client that was changed proves itself anew."""
    door = Door()
    door.enter()
    door.apply(ClientUpdated(client_id=NAME, auth_method="client_secret_post", grants=GRANTS))
    with pytest.raises(InvalidClient):
        door.enter()


def test_an_old_secret_ends_in_time_with_no_event() -> None:
    """Both prove the client until the older one's end; then the newer alone."""
    door = Door()
    door.enter()
    end = int(NOW) + 100
    door.apply(ClientSecretRotated(client_id=NAME, secret_digest=door.digester.digest(NEWER), previous_expire_at=end))
    for _ in range(2):
        door.enter(now=end - 1)
        door.enter(NEWER, now=end - 1)
    with pytest.raises(InvalidClient):
        door.enter(now=end)
    door.enter(NEWER, now=end)


def test_a_client_that_comes_back_proves_itself_anew() -> None:
    """Disabled and enabled again, it is another one to who remembers."""
    door = Door()
    door.enter()
    door.apply(ClientDisabled(client_id=NAME, reason="tried"))
    door.apply(ClientEnabled(client_id=NAME))
    door.enter()
    assert door.digester.times == 2


@pytest.mark.parametrize("field", ["client_secret", "client_assertion", "client_assertion_type"])
def test_a_second_method_in_the_form_is_seen(field: str) -> None:
    """What is remembered is for requests whose form says nothing of clients."""
    door = Door()
    door.enter()
    with pytest.raises(InvalidClient):
        door.enter(form={"client_id": NAME, field: "x"})
    assert door.authenticator.recall(b"Basic x", {field: "x"}, NOW) is None


def test_it_keeps_no_secret_and_so_many_headers(monkeypatch: pytest.MonkeyPatch) -> None:
    """Digests under a key of its own are kept, and begun anew where they become too many."""
    monkeypatch.setattr(remembered, "_MOST", 4)
    door = Door()
    client, kept = door.access.clients[NAME], remembered.RememberedHeaders(door.access)
    headers = [f"Basic {number:032}".encode() for number in range(9)]
    for header in headers:
        kept.remember(header, client, "client_secret_basic", NOW)
        assert len(kept) <= 4
        assert kept.find(header, {}, NOW) is not None
    held = pickle.dumps(list(kept._proven))
    assert not any(header in held for header in headers)
    other = remembered.RememberedHeaders(door.access)
    other.remember(headers[-1], client, "client_secret_basic", NOW)
    assert other._proven.keys().isdisjoint(kept._proven)
