"""Zoe, who has just signed in, and a worker whose hashes cost little."""

from __future__ import annotations

from collections.abc import AsyncIterator

import msgspec
import pytest

from service.endpoints.core import Core
from service.settings import Settings
from tests.account_page.security.desk import OLD, Desk
from tests.accounts.conftest import CHEAP
from tests.endpoints.conftest import check_documented
from tests.endpoints.world import client_of_app
from tests.people import register_person, signed_in


@pytest.fixture
def settings(settings: Settings) -> Settings:
    """Passwords that cost little."""
    return msgspec.structs.replace(settings, **CHEAP)


@pytest.fixture
async def desk(core: Core) -> AsyncIterator[Desk]:
    """Zoe, who has just signed in by her password. In the end each refusal must be a documented one."""
    person = await register_person(core, password=OLD)
    async with client_of_app(core) as http:
        yield Desk(core, http, person, await signed_in(core, http, person))
    check_documented(await core.journal.read(0, 1_000))
