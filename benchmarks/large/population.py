"""Who is registered before the mix begins: people with passwords, and what each allows two applications."""

from __future__ import annotations

from collections.abc import Iterator

from benchmarks.mix import APPLICATIONS
from schema import events
from schema.streams import account_stream, consent_stream
from service.journal.port import Append


def registrations(accounts: int) -> Iterator[Append]:
    """Four events for each account, as the requests that would append them; the people are those of the mix."""
    for number in range(accounts):
        subject, name = f"0b6f1c1e-3f0e-4b7a-9b0e-{number:012d}", f"person-{number}"
        registered = events.AccountRegistered(subject=subject, name=name, email=f"{name}@example.com")
        yield Append(account_stream(name), 0, (registered, events.AccountPasswordSet(subject=subject)))
        for application in {number % APPLICATIONS, (number + 7) % APPLICATIONS}:
            client = f"app-{application}"
            granted = events.ConsentGranted(client_id=client, subject=subject, scopes=("read:things",))
            yield Append(consent_stream(subject, client), 0, (granted,))
