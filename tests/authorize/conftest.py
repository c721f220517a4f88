"""The scene that all tests of the authorization endpoint share."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest_asyncio

from service.bootstrap import open_worker
from service.settings import Settings
from tests.authorize.scene import Scene
from tests.conftest import ISSUER, MASTER_KEY, UNLIMITED
from tests.endpoints.conftest import check_documented
from tests.endpoints.world import client_of_app
from tests.servers import Servers, fresh_database


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def scene(servers: Servers) -> AsyncIterator[Scene]:
    """The shared scene. In the end its whole journal is searched for secrets, and each refusal in it is one that
    docs/rejections.md tells of.
    """
    with fresh_database(servers) as database:
        settings = Settings(
            database_url=database.service_url,
            issuer=ISSUER,
            master_key=MASTER_KEY,
            password_memory_kib=1_024,
            password_passes=1,
            **UNLIMITED,
        )
        async with open_worker(settings) as core, client_of_app(core) as http:
            shared = Scene(core, http)
            await shared.populate()
            yield shared
            recorded = await core.journal.read(0, 1_000_000)
            shared.check_no_secret(recorded)
            check_documented(recorded)
