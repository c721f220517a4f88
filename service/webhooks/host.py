"""What a webhook's host stands for when it is registered: a mistake is told at once, not when it is sent to."""

from __future__ import annotations

import asyncio
import socket
from urllib.parse import urlsplit

from consumers.webhooks.resolver import AddressRefused, CheckedResolver
from consumers.webhooks.targets import target_problem
from service.access.errors import AccessRuleError, Mistake

_PATIENCE = 5.0


async def host_warning(url: str, *, private: bool) -> str | None:
    """A sentence where the host has no address now, None where it has or where `target_problem` says what is wrong.

    Raises AccessRuleError where it has an address that sending would refuse. Sending asks again at each connection.
    """
    if target_problem(url, private=private) is not None:
        return None
    parts = urlsplit(url)
    host, resolver = parts.hostname or "", CheckedResolver(private=private)
    try:
        async with asyncio.timeout(_PATIENCE):
            await resolver.resolve(host, parts.port or 0, socket.AF_UNSPEC)
    except AddressRefused as error:
        raise AccessRuleError([Mistake(("url",), f"has a host that is refused: {error}")]) from error
    except TimeoutError:
        return f"{host} could not be looked up within {_PATIENCE:.0f} s; nothing can be sent until it can be"
    except OSError as error:
        return f"{host} has no address now ({error.strerror or error}); nothing can be sent until it has one"
    finally:
        await resolver.close()
    return None
