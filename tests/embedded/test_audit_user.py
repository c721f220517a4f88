"""The user `audit` reads the stream and can do nothing else, on the embedded NATS and with `deploy/nats.conf`."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import nats
import pytest
from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.errors import NoRespondersError
from nats.errors import TimeoutError as NoAnswer
from nats.js.api import ConsumerConfig

from consumers.connection import NatsUnavailable, connected
from service.embedded.nats import _program
from service.embedded.nats_accounts import PUSH_PREFIX, STREAM
from service.journal.stream import Stream
from tests.nats_server import nats_server
from tests.ports import free_port

DEPLOY = Path(__file__).parents[2] / "deploy"
OURS = "tallystick-anomalies-1-0123456789abcdef"
EVENTS = 5
_CREATE = f"$JS.API.CONSUMER.CREATE.{STREAM}"
_DURABLE_CREATE = f"$JS.API.CONSUMER.DURABLE.CREATE.{STREAM}"
_NEXT = f"$JS.API.CONSUMER.MSG.NEXT.{STREAM}"
_ENDING = ("DELETE", "PAUSE", "RESET", "UNPIN", "LEADER.STEPDOWN")
FORBIDDEN = (
    "tally.v1.token.issued.worker",
    *(f"$JS.API.STREAM.{verb}.{STREAM}" for verb in ("CREATE", "UPDATE", "PURGE", "DELETE", "MSG.DELETE", "SNAPSHOT")),
    *(f"$JS.API.STREAM.{verb}.OTHER" for verb in ("INFO", "CREATE", "MSG.GET")),
    *(f"$JS.API.CONSUMER.{verb}.{STREAM}.siem" for verb in _ENDING),
    _CREATE,
    f"$JS.API.CONSUMER.NAMES.{STREAM}",
    f"$JS.API.CONSUMER.LIST.{STREAM}",
    "$JS.API.CONSUMER.CREATE.OTHER.any",
    "$JS.API.DIRECT.GET.OTHER",
    "$JS.API.STREAM.LIST",
    "other.x",
    "$KV.settings.key",
    "$SYS.REQ.SERVER.PING",
    "$SYS.REQ.ACCOUNT.PING.CONNZ",
    "_INBOX.of.somebody",
    "_R_.somebody",
)


class Urls(NamedTuple):
    """The URLs of the service's user and of the audit user."""

    service: str
    audit: str


class Auditor:
    """A connection of the audit user, with what the server refused it."""

    def __init__(self) -> None:
        self.refused: list[str] = []
        self.client = Client()

    async def connect(self, url: str, **options: Any) -> None:
        """Connect."""

        async def remember(error: Exception) -> None:
            self.refused.append(str(error))

        await self.client.connect(url, error_cb=remember, allow_reconnect=False, **options)

    async def is_refused(self, subject: str, body: object = None, reply: str = "") -> bool:
        """Whether the server refuses to take a message."""
        before = len(self.refused)
        await self.client.publish(subject, b"" if body is None else json.dumps(body).encode(), reply=reply)
        await self.heard()
        return len(self.refused) > before

    async def heard(self) -> None:
        """Return once what the server says to what was sent is in `refused`."""
        for _ in range(2):
            await self.client.flush()

    async def ask(self, subject: str, body: object = None) -> dict[str, Any]:
        """JetStream's answer."""
        answer = await self.client.request(subject, b"" if body is None else json.dumps(body).encode(), timeout=30)
        return dict(json.loads(answer.data))


@contextlib.contextmanager
def _deployed(folder: Path) -> Iterator[Urls]:
    """A server with the configuration that is shipped, but for its port and folder; the passwords look like numbers."""
    port = free_port()
    text = (DEPLOY / "nats.conf").read_text().replace("0.0.0.0:4222", f"127.0.0.1:{port}")
    text = re.sub("^http: .*$", "", text, flags=re.MULTILINE).replace("/data", str(folder / "data"))
    (folder / "nats.conf").write_text(text)
    shutil.copy(DEPLOY / "nats-accounts.conf", folder)
    passwords = {"NATS_PASSWORD": '"1e3"', "NATS_AUDIT_PASSWORD": '"12"'}
    command = [str(_program()), "-c", str(folder / "nats.conf"), "-l", str(folder / "log")]
    server = subprocess.Popen(command, env=os.environ | passwords)
    try:
        yield Urls(f"nats://tallystick:1e3@127.0.0.1:{port}", f"nats://audit:12@127.0.0.1:{port}")
    finally:
        server.terminate()
        server.wait()


@pytest.fixture(params=["embedded", "deployed"])
async def urls(request: pytest.FixtureRequest) -> AsyncIterator[Urls]:
    """A server with the stream, five events, one of the service's consumers, and another stream."""
    folder = Path(tempfile.mkdtemp(prefix="tallystick-audit-", dir="/tmp"))
    try:
        if request.param == "embedded":
            async with nats_server(folder / "home") as server:
                yield await _filled(Urls(server.url, server.audit_url))
        else:
            with _deployed(folder) as deployed:
                await _until_connected(deployed.service)
                yield await _filled(deployed)
    finally:
        shutil.rmtree(folder)


@pytest.fixture
async def auditor(urls: Urls) -> AsyncIterator[Auditor]:
    """The audit user, connected."""
    connected_one = Auditor()
    await connected_one.connect(urls.audit)
    yield connected_one
    await connected_one.client.close()


@pytest.fixture
async def service(urls: Urls) -> AsyncIterator[Client]:
    """The service's user, connected."""
    client = await nats.connect(urls.service)
    yield client
    await client.close()


async def _until_connected(url: str) -> None:
    async with asyncio.timeout(20):
        while True:
            with contextlib.suppress(NatsUnavailable):
                async with connected(url, "test"):
                    return
            await asyncio.sleep(0.05)


async def _filled(urls: Urls) -> Urls:
    stream = await Stream.connect(urls.service)
    await stream.create(1, 1)
    await stream.close()
    client = await nats.connect(urls.service)
    jetstream = client.jetstream()
    for number in range(1, EVENTS + 1):
        await jetstream.publish("tally.v1.token.issued.worker", f"{number}".encode())
    await jetstream.add_consumer(STREAM, ConsumerConfig(durable_name=OURS, ack_policy="explicit"))  # type: ignore[arg-type]
    await jetstream.add_stream(name="OTHER", subjects=["other.>"])
    await client.close()
    return urls


async def _ends(service: Client) -> tuple[int, int]:
    """The last sequences of the stream and of the other one."""
    info = service.jetstream().stream_info
    return (await info(STREAM)).state.last_seq, (await info("OTHER")).state.last_seq


async def test_it_reads_by_a_durable_consumer(urls: Urls, auditor: Auditor) -> None:
    """It makes a durable pull consumer, acknowledges, and goes on there over another connection."""
    jetstream = auditor.client.jetstream()
    first = await jetstream.pull_subscribe("tally.v1.>", durable="siem")
    for message in await first.fetch(2, 5):
        await message.ack_sync()
    again = Auditor()
    await again.connect(urls.audit)
    second = await again.client.jetstream().pull_subscribe("tally.v1.>", durable="siem", stream=STREAM)
    rest = await second.fetch(3, 5)

    assert [message.data for message in rest] == [b"3", b"4", b"5"]
    assert auditor.refused + again.refused == []
    await again.client.close()


async def test_it_reads_in_every_other_way(auditor: Auditor, service: Client) -> None:
    """It makes an ephemeral consumer, reads single messages, asks about stream and consumer, and listens live."""
    jetstream = auditor.client.jetstream()
    passing = await jetstream.pull_subscribe("tally.v1.token.*.worker", stream=STREAM)
    live = await auditor.client.subscribe("tally.v1.>")
    await auditor.client.flush()
    await service.jetstream().publish("tally.v1.token.issued.worker", b"6")

    assert (await passing.fetch(1, 5))[0].data == b"1"
    assert (
        (await jetstream.get_msg(STREAM, 2)).data,
        (await jetstream.get_msg(STREAM, 2, direct=True)).data,
    ) == (b"2", b"2")
    assert (await live.next_msg(5)).data == b"6"
    assert (await jetstream.stream_info(STREAM)).state.messages == EVENTS + 1
    assert (await passing.consumer_info()).num_ack_pending == 1
    assert auditor.refused == []


async def test_it_reads_by_a_push_consumer(urls: Urls) -> None:
    """With the inbox prefix of the audit account it is pushed what it subscribes to, and acknowledges it."""
    auditor = Auditor()
    await auditor.connect(urls.audit, inbox_prefix=PUSH_PREFIX)
    pushed = await auditor.client.jetstream().subscribe("tally.v1.>", stream=STREAM, durable="pushed")
    messages = [await pushed.next_msg(5) for _ in range(EVENTS)]
    for message in messages:
        await message.ack_sync()

    assert [message.data for message in messages] == [b"1", b"2", b"3", b"4", b"5"]
    assert auditor.refused == []
    await auditor.client.close()


async def test_what_it_may_not_publish(auditor: Auditor, service: Client) -> None:
    """Events, changes of the stream, other streams, other consumers' ends and the system are not its to ask for."""
    before = await _ends(service)

    assert [subject for subject in FORBIDDEN if not await auditor.is_refused(subject)] == []
    assert before == await _ends(service)


async def test_what_it_may_not_subscribe_to(auditor: Auditor) -> None:
    """It may listen to nothing but the events and its own inboxes."""
    subjects = (">", "other.>", "$JS.>", "$SYS.>", "$KV.>", "_R_.>", "*.>", "tally.>")
    for subject in subjects:
        await auditor.client.subscribe(subject)
    await auditor.heard()

    assert len(subjects) == len(auditor.refused)


async def test_no_answer_names_the_services_consumers(auditor: Auditor) -> None:
    """Whoever knew a consumer's name could take its messages: nothing that it may ask tells one."""
    answers = [
        await auditor.client.request(subject, b"", timeout=30)
        for subject in ("$JS.API.INFO", "$JS.API.STREAM.NAMES", f"$JS.API.STREAM.INFO.{STREAM}")
    ]

    assert [answer.data for answer in answers if b"tallystick-anomalies" in answer.data] == []


async def test_it_ends_no_consumer(auditor: Auditor) -> None:
    """Even of one whose name it knows."""
    subjects = [f"$JS.API.CONSUMER.{verb}.{STREAM}.{OURS}" for verb in _ENDING]

    assert [subject for subject in subjects if not await auditor.is_refused(subject)] == []


@pytest.mark.parametrize(
    ("subject", "config"),
    [
        (f"{_CREATE}.mine", {"name": OURS}),
        (f"{_CREATE}.mine", {"name": "mine", "durable_name": OURS}),
        (f"{_CREATE}.mine.tally.v1.>", {"name": OURS, "durable_name": OURS, "filter_subject": "tally.v1.>"}),
        (f"{_DURABLE_CREATE}.mine", {"durable_name": OURS}),
        (f"{_DURABLE_CREATE}.mine", {"durable_name": "mine", "name": OURS}),
    ],
)
async def test_a_name_in_the_body_reaches_no_other_consumer(
    auditor: Auditor, service: Client, subject: str, config: dict[str, str]
) -> None:
    """The server takes the name from the subject, so that the permission decides."""
    changed = {**config, "ack_policy": "explicit", "max_deliver": 1}
    await auditor.ask(subject, {"stream_name": STREAM, "config": changed, "action": ""})

    assert (await service.jetstream().consumer_info(STREAM, OURS)).config.max_deliver == -1


@pytest.mark.parametrize("reply", ["tally.v1.token.issued.worker", "other.x"])
async def test_an_answer_is_written_nowhere(auditor: Auditor, service: Client, reply: str) -> None:
    """An answer that is asked to go to a subject of a stream does not get there, nor does a message that is pulled."""
    await auditor.client.jetstream().pull_subscribe("tally.v1.>", durable="siem", stream=STREAM)
    before = await _ends(service)
    await auditor.is_refused("$JS.API.INFO", reply=reply)
    await auditor.is_refused(f"$JS.API.STREAM.INFO.{STREAM}", reply=reply)
    await auditor.is_refused(f"{_NEXT}.siem", {"batch": 1}, reply=reply)
    await auditor.is_refused(f"$JS.API.DIRECT.GET.{STREAM}", {"seq": 1}, reply=reply)
    await _settled(auditor)

    assert before == await _ends(service)


async def test_an_answer_asks_for_nothing(auditor: Auditor, service: Client) -> None:
    """An answer that is asked to go where a request of the service's consumer would go changes nothing there."""
    taken = await (await service.jetstream().pull_subscribe_bind(OURS, STREAM)).fetch(1, 5)
    bare = {"stream_name": STREAM, "config": {"name": "bare", "headers_only": True}, "action": "create"}
    await auditor.ask(f"{_CREATE}.bare", bare)
    for reply in (
        f"{_NEXT}.{OURS}",
        taken[0].reply,
        f"$JS.API.STREAM.DELETE.{STREAM}",
        f"$JS.API.CONSUMER.DELETE.{STREAM}.{OURS}",
    ):
        await auditor.is_refused(f"{_NEXT}.bare", {"batch": 1}, reply=reply)
    await _settled(auditor)
    ours = await service.jetstream().consumer_info(STREAM, OURS)

    assert (ours.num_ack_pending, ours.delivered.stream_seq) == (1, 1)
    assert (await _ends(service))[0] == EVENTS


async def test_a_push_consumer_cannot_write(auditor: Auditor, service: Client) -> None:
    """A consumer that is to deliver into a stream, or to JetStream, delivers nothing there."""
    before = await _ends(service)
    for number, target in enumerate(
        ("tally.v1.token.issued.worker", "other.x", "$JS.API.STREAM.DELETE.OTHER", f"$JS.API.STREAM.DELETE.{STREAM}")
    ):
        config = {"name": f"push{number}", "deliver_subject": target, "headers_only": True}
        await auditor.ask(f"{_CREATE}.push{number}", {"stream_name": STREAM, "config": config, "action": "create"})
    await _settled(auditor)

    assert before == await _ends(service)


async def test_it_hears_nobody_elses_answers(urls: Urls, auditor: Auditor, service: Client) -> None:
    """What the service is answered comes to no inbox of the audit account."""
    heard: list[str] = []

    async def note(message: Msg) -> None:
        heard.append(message.subject)

    for subject in ("_INBOX.>", f"{PUSH_PREFIX}.>"):
        await auditor.client.subscribe(subject, cb=note)
    await auditor.client.flush()
    await service.jetstream().stream_info(STREAM)
    async with connected(urls.service, "service") as connection:
        await connection.request(f"$JS.API.STREAM.INFO.{STREAM}")
    await auditor.client.flush()

    assert auditor.refused == []
    assert heard == []


async def test_nobody_answers_for_another_account(auditor: Auditor) -> None:
    """Streams of other names do not exist for it."""
    with pytest.raises((NoAnswer, NoRespondersError)):
        await auditor.client.request("$JS.API.STREAM.INFO.OTHER", b"", timeout=0.2)


async def test_a_home_of_before_the_accounts_keeps_its_stream(tmp_path: Path) -> None:
    """What the nameless account held is what the service finds after the upgrade, consumers included."""
    async with nats_server(tmp_path / "home") as server:
        await _filled(Urls(server.url, server.audit_url))
        await server.stop()
        store = tmp_path / "home" / "nats" / "jetstream"
        (store / "TALLYSTICK").rename(store / "$G")
        await server.start()
        client = await nats.connect(server.url)
        assert (await client.jetstream().stream_info(STREAM)).state.messages == EVENTS
        assert (await client.jetstream().consumer_info(STREAM, OURS)).name == OURS
        await client.close()


async def _settled(auditor: Auditor) -> None:
    """What was asked before has been answered: JetStream answers one connection's questions in turn."""
    for _ in range(3):
        await auditor.client.jetstream().get_msg(STREAM, 1)
        await auditor.client.flush()
        await asyncio.sleep(0.1)
