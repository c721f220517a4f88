"""What looks like abuse is told by webhook, as any event."""

from __future__ import annotations

from consumers.anomalies.thresholds import Thresholds
from schema.envelope import Context
from schema.events import AccessRejected
from schema.streams import new_stream
from service.anomalies.deeds import Deeds
from service.anomalies.replay import replay
from service.anomalies.telling import Teller
from service.journal.port import Append
from service.settings import Settings
from tests.webhooks.receiver import Receiver
from tests.webhooks.world import World, until

GUESSES = Thresholds().secret_guesses
WRONG = AccessRejected(
    endpoint="token", error="invalid_client", reason="bad_secret", status=401, client_id="billing-worker"
)


async def test_a_finding_arrives_signed(world: World, receiver: Receiver, settings: Settings) -> None:
    """Wrong secrets until a rule speaks: the webhook of the client is sent the finding, whole, and nothing else."""
    await world.register("siem", receiver.url, types=("anomaly.*",), clients=("billing-worker",))
    for _ in range(GUESSES):
        await world.journal.append(Append(new_stream(), 0, (WRONG,), Context(source="192.0.2.7")))
    (told,) = await replay(world.journal, settings, Thresholds(), since=0.0, until=None, only=())
    async with world.sending():
        await Teller(world.journal, Deeds(world.url, world.journal), {}).deliver(told)
        await until(lambda: len(receiver.taken) == 1)
    (message,) = receiver.received
    event = message.verified()
    assert (event["type"], event["actor"], event["subject"]) == (
        "tallystick.anomaly.detected.v1",
        "rule:client_secret_guessing",
        str(told.stream),
    )
    data = event["data"]
    assert (data["rule"], data["about"], data["client_id"], data["count"], data["sources"]) == (
        "client_secret_guessing",
        "client billing-worker",
        "billing-worker",
        GUESSES,
        ["192.0.2.7"],
    )
