"""nginx keeps answers for as long as `/verify` says, and no longer. `make gateways` runs these."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.gateways.client import bearer
from tests.gateways.conftest import Behind
from tests.gateways.running import FILES, running_gateway
from tests.gateways.upstream import Upstream
from tests.product import Product

pytestmark = pytest.mark.gateways

_SECONDS = 30.0


@contextmanager
def keeping(
    seconds: int, product: Product, api: Upstream, certificates: Path, others: Mapping[str, str] = {}
) -> Iterator[Behind]:
    """nginx with another `max_age` than that of its file, and after `others` changes."""
    tallystick = int(product.url.rpartition(":")[2])
    changes = dict(others) | {"max_age=5": f"max_age={seconds}"}
    with running_gateway("nginx", tallystick, api.port, certificates, changes) as port:
        running = Behind("nginx", product, api, port)
        yield running
        running.close()


def test_answer_is_kept_and_is_that_token_s_alone(product: Product, api: Upstream, certificates: Path) -> None:
    """A revoked token passes for so long, and tells the API the same; nobody else does, nor a token in the query."""
    with keeping(600, product, api, certificates) as nginx:
        token, other = nginx.token(), nginx.token(client="opaque")
        first = nginx.served("/reports/1", bearer(token))
        nginx.revoke(token)
        kept = nginx.served("/reports/2", bearer(token))
        assert kept.all("x-auth-token-id") == first.all("x-auth-token-id")
        assert nginx.served("/reports/1", bearer(other)).all("x-auth-client") == ["opaque"]
        for sent, target, reason in (
            ([bearer(token)], "/users/1", "token_not_active"),  # which keeps nothing
            ([bearer(f"{token}x")], "/reports/1", "token_not_active"),
            ([], "/reports/1", "no_token"),
            ([bearer(other)], "/reports/1?access_token=x", "token_in_query"),
            ([bearer(other)], "/reports/1?%61ccess_token=x", "token_in_query"),
        ):
            answer, rejected = nginx.refused(target, sent)
            assert (answer.status, rejected.data["reason"]) == (401, reason)


def block(location: str) -> str:
    """A location of the file, whole."""
    text = (FILES / "nginx" / "nginx.conf").read_text()
    return text[text.index(f"location = {location} {{") :].partition("}")[0]


def test_answer_is_kept_for_its_own_needs_alone(product: Product, api: Upstream, certificates: Path) -> None:
    """Where a location that keeps answers was copied for another scope, and nothing but name and scope was changed."""
    copy = (
        block("/_verify/reports").replace("/_verify/reports", "/_verify/admin").replace("scope=read:", "scope=write:")
    )
    with keeping(600, product, api, certificates, {block("/_verify/admin"): copy}) as nginx:
        reader, writer = bearer(nginx.token()), bearer(nginx.token("write:users"))
        nginx.served("/reports/1", reader)
        nginx.served("/admin/1", writer)
        for target, sent in (("/admin/1", reader), ("/reports/1", writer)):
            answer, rejected = nginx.refused(target, [sent])
            assert (answer.status, rejected.data["reason"]) == (403, "scope_missing")


def test_answer_is_asked_for_again_when_its_time_is_over(product: Product, api: Upstream, certificates: Path) -> None:
    """Then a revoked token is refused, and the refusal is not kept either."""
    with keeping(1, product, api, certificates) as nginx:
        token = nginx.token()
        nginx.served("/reports/1", bearer(token))
        nginx.revoke(token)
        until = time.monotonic() + _SECONDS
        while nginx.ask("/reports/1", bearer(token)).status == 200:
            assert time.monotonic() < until, "it still passes"
            time.sleep(0.05)
        nginx.refused("/reports/1", [bearer(token)])
        nginx.refused("/reports/1", [bearer(token)])
