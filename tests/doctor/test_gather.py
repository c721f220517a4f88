from __future__ import annotations

import pytest

from service.doctor import gather
from service.doctor.finding import Unseen
from service.doctor.instance import Deployed
from service.doctor.tls import TlsFacts
from service.settings import Settings
from tests.doctor.healthy import ISSUER, NOW, http, lag, nats_facts, settings

LOCAL = "http://127.0.0.1:8080"


@pytest.mark.parametrize(
    ("asked", "url", "issuer", "expected"),
    [
        (ISSUER, None, ISSUER, TlsFacts),
        (LOCAL, None, LOCAL, type(None)),
        (LOCAL, LOCAL, ISSUER, type(None)),
        (LOCAL, None, ISSUER, Unseen),
        ("https://10.0.0.2", "https://10.0.0.2", LOCAL, TlsFacts),
    ],
)
def test_tls_is_judged_where_it_is_spoken(asked: str, url: str | None, issuer: str, expected: type) -> None:
    """Over plain http there is none to judge; where the issuer should have answered by https, it is unknown."""
    assert type(gather._tls(http(url=asked), settings(issuer=issuer), url, NOW)) is expected


def test_the_stream_is_compared_with_the_journal() -> None:
    """Its ends are those that NATS tells; without a stream or NATS there are none."""
    there = gather._record([lag("relay")], (nats_facts(first=1, last=5, deleted=2), None), http())

    assert (there.stream, there.head) == ((1, 5, 2), 7)
    assert gather._record([lag("relay")], (nats_facts(stream_there=False), None), http()).stream is None
    assert gather._record([lag("relay")], Unseen("away"), http()).stream is None


async def test_what_cannot_be_asked_is_told_for_each_group() -> None:
    """With servers that are not there every group says so, and none raises."""
    nowhere = Settings(database_url="postgresql://127.0.0.1:1/x", nats_url=None, issuer="https://127.0.0.1:1")
    findings = await gather.examine(Deployed(nowhere, None, None, ()))
    of = {group.name: {each.severity for each in findings if each.group == group.name} for group in gather.GROUPS}

    assert "TALLYSTICK_NATS_URL is not set" in {each.found for each in findings if each.id == "nats-unreachable"}
    assert of["tls"] == of["redirect URIs"] == of["use of clients"] == of["clocks"] == {"unknown"}
    for name in ("clients", "database", "NATS", "record", "signing keys"):
        assert of[name] == {"fail", "unknown"}
    assert of["tokens"] == {"unknown"}


def test_a_file_of_breached_passwords_is_tried(tmp_path: object) -> None:
    """One that is not there is told, and none is no problem."""
    missing = settings(breached_passwords_file=f"{tmp_path}/none.txt")

    assert "none.txt" in gather._breached_problem(missing)
    assert gather._breached_problem(settings(breached_passwords_file=None)) == ""
