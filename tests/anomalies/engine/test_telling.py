"""Findings in the journal, and what policy wants done about them: once."""

from __future__ import annotations

from typing import Any

import pytest

from consumers.anomalies.contract import Signal
from consumers.anomalies.deliveries import Undelivered
from consumers.anomalies.findings import Findings, Told
from schema.envelope import Context
from schema.events import (
    AccountRegistered,
    AccountSignedOut,
    AnomalyAnswered,
    ClientDisabled,
    ClientEnabled,
    ClientRegistered,
    Event,
    GrantRevoked,
)
from schema.streams import account_stream, client_stream, new_stream
from service.access.errors import ModelUnavailable
from service.anomalies.deeds import Deeds
from service.anomalies.policy import Policy, parse_policy
from service.anomalies.telling import Teller
from service.journal.port import Append, JournalUnavailable
from service.journal.postgres import PostgresJournal
from service.settings import SettingsError
from tests.anomalies.engine.engines import Engines
from tests.relay.support import ISSUED
from tests.servers import Database

RULE = "refresh_token_reuse"


def finding(number: int = 1, **named: Any) -> Told:
    """The event of a finding with this number."""
    findings, told = Findings(), None
    for position in range(1, 2**number):
        told = (
            findings.note(Signal(RULE, "grant x", "high", "T1528", "a copy", position, 1_790_000_000.0, **named))
            or told
        )
    assert told is not None
    assert number == told.number
    return told


def teller(journal: PostgresJournal, database: Database, policy: Policy) -> Teller:
    """One that answers by a policy."""
    return Teller(journal, Deeds(database.service_url, journal), policy)


async def events_of(journal: PostgresJournal, told: Told) -> list[Event]:
    """What the finding's stream holds."""
    return [recorded.fact().event for recorded in await journal.read_stream(told.stream)]


async def answers(journal: PostgresJournal, told: Told) -> list[tuple[str, str, bool, str]]:
    """What was done about it."""
    return [
        (each.response, each.target, each.done, each.detail)
        for each in await events_of(journal, told)
        if isinstance(each, AnomalyAnswered)
    ]


async def test_what_is_told_again_is_there_once(journal: PostgresJournal, database: Database) -> None:
    """After a crash the same findings are told again, and change nothing, whatever came in between."""
    telling = teller(journal, database, {RULE: ("revoke_grant",)})
    first, second = finding(1), finding(2)
    for told in (first, second, first, second):
        await telling.deliver(told)
    kinds = [type(each).__name__ for each in await events_of(journal, first)]
    assert kinds == ["AnomalyDetected", "AnomalyAnswered", "AnomalyExtended"]
    assert [f"rule:{RULE}"] * 3 == [each.actor for each in await journal.read_stream(first.stream)]


async def test_a_grant_is_revoked_by_the_rule(journal: PostgresJournal, database: Database) -> None:
    """The grant of a finding is revoked once, by the rule; one that the server revoked already counts as done."""
    grant = new_stream()
    await journal.append(Append(grant, 0, (ISSUED,)))
    told = finding(grant_id=str(grant))
    for _ in range(2):
        await teller(journal, database, {RULE: ("revoke_grant",)}).deliver(told)
    last = (await journal.read_stream(grant))[-1]
    revoked = GrantRevoked(client_id="billing-worker", reason=f"anomaly_{RULE}")
    assert (revoked, f"rule:{RULE}", 2) == (last.fact().event, last.actor, last.version)
    assert [("revoke_grant", str(grant), True, "")] == await answers(journal, told)

    other = finding(grant_id=str(grant), client_id="billing-worker")._replace(stream=new_stream())
    await teller(journal, database, {RULE: ("revoke_grant",)}).deliver(other)
    assert [("revoke_grant", str(grant), True, "revoked already")] == await answers(journal, other)


async def test_a_client_is_disabled_once(journal: PostgresJournal, database: Database, engines: Engines) -> None:
    """Between the deed and its record a crash changes nothing: a client that was enabled since stays so."""
    stream = client_stream("worker")
    registered = ClientRegistered(client_id="worker", auth_method="none")
    await journal.append(Append(stream, 0, (registered,)))
    told = finding(client_id="worker")
    await teller(journal, database, {}).deliver(told)
    await Deeds(database.service_url, journal).do("disable_client", "worker", RULE, told.stream)
    await journal.append(Append(stream, 2, (ClientEnabled(client_id="worker"),)))
    await teller(journal, database, {RULE: ("disable_client",)}).deliver(told)

    events = [(each.fact().event, each.actor) for each in await journal.read_stream(stream)]
    disabled = ClientDisabled(client_id="worker", reason=f"finding {told.stream}")
    assert [(disabled, f"rule:{RULE}"), (ClientEnabled(client_id="worker"), "tallystick")] == events[1:]
    assert await answers(journal, told) == [("disable_client", "worker", True, "")]


async def test_a_person_has_to_sign_in_again(journal: PostgresJournal, database: Database) -> None:
    """All sessions and grants of the account end, once for a finding."""
    await journal.append(Append(account_stream("zoe"), 0, (AccountRegistered(subject="s-1", name="zoe"),)))
    told = finding(subject="s-1")
    deeds = Deeds(database.service_url, journal)
    await deeds.do("require_sign_in", "s-1", RULE, told.stream)
    await teller(journal, database, {RULE: ("require_sign_in",)}).deliver(told)
    events = [each.fact().event for each in await journal.read_stream(account_stream("zoe"))]
    assert [AccountSignedOut(subject="s-1", reason=f"finding {told.stream}")] == events[1:]
    assert await answers(journal, told) == [("require_sign_in", "s-1", True, "")]


async def test_what_cannot_be_done_is_said(journal: PostgresJournal, database: Database) -> None:
    """A finding that names no target says so, as does one whose target is not there; a target that comes is tried."""
    policy: Policy = {RULE: ("disable_client", "require_sign_in")}
    told = finding()
    for _ in range(2):
        await teller(journal, database, policy).deliver(told)
    gone = finding(2, client_id="gone", subject="nobody")._replace(stream=told.stream)
    await teller(journal, database, policy).deliver(gone)
    assert await answers(journal, told) == [
        ("disable_client", "grant x", False, "the finding names no client"),
        ("require_sign_in", "grant x", False, "the finding names no account"),
        ("disable_client", "gone", False, 'there is no client "gone"'),
        ("require_sign_in", "nobody", False, "there is no such account"),
    ]


@pytest.mark.parametrize("error", [JournalUnavailable("no journal"), ModelUnavailable("another change is under way")])
async def test_what_fails_is_tried_again(journal: PostgresJournal, database: Database, error: Exception) -> None:
    """A deed that cannot be known to be done is not recorded as tried."""

    class Failing(Deeds):
        async def do(self, *_: object) -> Any:
            raise error

    told = finding(client_id="worker")
    with pytest.raises(Undelivered, match=str(error)):
        await Teller(journal, Failing(database.service_url, journal), {RULE: ("disable_client",)}).deliver(told)
    assert await answers(journal, told) == []


async def test_two_who_tell_the_same_tell_it_once(journal: PostgresJournal, database: Database) -> None:
    """What somebody else puts into the finding's stream meanwhile keeps nothing from being told."""
    told, telling = finding(), teller(journal, database, {})
    await telling.deliver(told)
    answered = AnomalyAnswered(rule=RULE, response="revoke_grant", target="x", done=False)
    await journal.append(Append(told.stream, 1, (answered,), Context()))
    await telling.deliver(finding(2))
    assert [each.version for each in await journal.read_stream(told.stream)] == [1, 2, 3]


def test_a_policy_is_read() -> None:
    """Rules and responses, in order, without repetition; `none` is nothing."""
    rules = (RULE, "password_spray")
    text = f"{RULE}=revoke_grant, password_spray = require_sign_in,{RULE}=disable_client,{RULE}=revoke_grant"
    assert parse_policy(text, rules) == {
        RULE: ("revoke_grant", "disable_client"),
        "password_spray": ("require_sign_in",),
    }
    assert parse_policy(" none ", rules) == {}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("revoke_grant", "expected rule=response"),
        (f"{RULE}=revoke_grant,", "expected rule=response"),
        ("refresh_reuse=revoke_grant", '"refresh_reuse" is no rule — did you mean "refresh_token_reuse"'),
        (f"{RULE}=revoke", '"revoke" is no response — did you mean "revoke_grant"'),
    ],
)
def test_a_policy_that_cannot_be_meant_is_refused(text: str, said: str) -> None:
    """What is wrong is said, with the name of the variable."""
    with pytest.raises(SettingsError, match="TALLYSTICK_ANOMALY_RESPONSES") as caught:
        parse_policy(text, (RULE,))
    assert said in str(caught.value)
