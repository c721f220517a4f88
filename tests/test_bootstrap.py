"""What the composition root refuses before anything runs."""

from __future__ import annotations

import base64

import msgspec
import pytest

from schema.envelope import Context
from schema.events import ClientRegistered, ClientRemoved, ResourceRegistered
from schema.streams import client_stream, resource_stream
from service.bootstrap import ensure_master_key, issuer_of, open_journal, open_worker
from service.journal.migrate import MigrationError, migrate
from service.journal.port import Append, JournalUnavailable
from service.journal.postgres import connect
from service.keys.lifecycle import KeyChangeRefused
from service.keys.manage import KeyManager
from service.keys.master import load_keys
from service.keys.material import UnwrapError
from service.keys.vault import Vault
from service.settings import Settings, SettingsError

OTHER_KEY = base64.b64encode(bytes(32)).decode()
USERS = "https://api.example.com/users"


@pytest.mark.parametrize(
    "issuer", ["notaurl", "ftp://a.example", "https://", "https://a.example?x", "https://a.example/#", "http://[::1"]
)
def test_an_issuer_that_cannot_be_one_is_refused(issuer: str) -> None:
    """An issuer is an http(s) address without query and fragment (RFC 8414 section 2)."""
    with pytest.raises(SettingsError, match="TALLYSTICK_ISSUER"):
        issuer_of(Settings(issuer=issuer))


async def test_another_master_key_is_refused_at_once(settings: Settings) -> None:
    """Data that was written under one master key is not opened, nor added to, under another."""
    async with open_worker(settings):
        pass
    await ensure_master_key(settings)
    with pytest.raises(UnwrapError, match="master key"):
        await ensure_master_key(msgspec.structs.replace(settings, master_key=OTHER_KEY))


@pytest.mark.parametrize("url", ["postgresql://u:SECRET/PW@127.0.0.1/x", "postgresql://u:SECRET@[::1/x"])
async def test_a_broken_url_is_not_quoted(url: str) -> None:
    """A URL that cannot be read is told without any part of it: it holds a password."""
    with pytest.raises(JournalUnavailable) as of_service:
        await connect(url)
    with pytest.raises(MigrationError) as of_owner:
        migrate(url)

    assert "SECRET" not in str(of_service.value) + str(of_owner.value)


async def test_a_waiting_key_of_another_algorithm_is_not_taken_for_it(settings: Settings) -> None:
    """`keys rotate --alg` never answers with a key of another algorithm."""
    async with open_journal(settings) as journal:
        manager = KeyManager(journal, Vault(journal, load_keys(settings).wrapping), publish_ahead=900)
        await manager.ensure_first("ES256")
        waiting = await manager.rotate("ES256", Context())
        with pytest.raises(KeyChangeRefused, match="waits to sign"):
            await manager.rotate("EdDSA", Context(), now=True)

        assert await manager.rotate("ES256", Context()) == waiting


async def test_tokens_of_a_removed_client_stay_dead(settings: Settings) -> None:
    """A client that is registered under the id of a removed one does not bring the other's tokens back."""
    async with open_worker(settings) as core:
        stream = client_stream("reborn")
        client = ClientRegistered(client_id="reborn", auth_method="none", resources=(USERS,))
        await core.journal.append(Append(resource_stream(USERS), 0, (ResourceRegistered(uri=USERS),)))
        await core.journal.append(Append(stream, 0, (client,)))
        first = core.state.access.clients["reborn"].since
        await core.journal.append(Append(stream, 1, (ClientRemoved(client_id="reborn"), client)))

        assert first == 0
        assert core.state.access.clients["reborn"].since > 0
