"""The end of a server: what was asked is answered, what waits for nothing goes at once, and it comes in any case."""

from __future__ import annotations

import asyncio
import socket
import ssl
import threading
from pathlib import Path

import pytest
from litestar.types import Receive, Scope, Send

from service.http import server as server_module
from service.http.connections import ConnectionLimits, Connections
from service.http.server import listen, server_of
from service.http.tls import self_signed
from tests.http.limited import GET, PATIENCE, POST, Peer, answer, eventually, limited

LIMITS = ConnectionLimits(header_timeout=3_600, body_timeout=3_600, idle=3_600)


@pytest.fixture
def endless(monkeypatch: pytest.MonkeyPatch) -> None:
    """Time without end to answer: nothing ends because it is over."""
    monkeypatch.setattr(server_module, "_GRACE", 3_600.0)


@pytest.fixture
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    """Hardly any time to answer."""
    monkeypatch.setattr(server_module, "_GRACE", 0.1)


class Held:
    """An application that answers once it may."""

    def __init__(self) -> None:
        self.began, self.may, self.cut = threading.Event(), threading.Event(), threading.Event()

    async def __call__(self, _: Scope, __: Receive, send: Send) -> None:
        """Wait, and answer."""
        self.began.set()
        try:
            while not self.may.is_set():
                await asyncio.sleep(0.01)
        except asyncio.CancelledError:
            self.cut.set()
            raise
        await answer(send, b"done\n")


@pytest.mark.usefixtures("endless")
def test_connections_that_wait_for_nothing_end_at_once() -> None:
    """New ones, answered ones, those that have begun to ask or to send what nobody waits for."""
    with limited(LIMITS) as server:
        peers = [server.peer().send(said) for said in (b"", GET, GET[:20], GET + GET[:20])]
        for peer in peers[1::2]:
            peer.until(b"]\n")
        eventually(lambda: len(server.connections) == 4)
        server.stop()
        assert [peer.until_closed().statuses for peer in peers] == [[], [200], [], [200]]
        assert server.ends()
        for peer in peers:
            peer.socket.close()


@pytest.mark.usefixtures("endless")
def test_an_idle_peer_need_not_say_goodbye(tmp_path: Path) -> None:
    """By TLS it would be waited for; nor need one finish to shake hands."""
    files = self_signed(tmp_path / "tls", "127.0.0.1")
    trust = ssl.create_default_context(cafile=str(files.certificate))
    with limited(LIMITS, tls=files.context()) as server, socket.create_connection(server.address) as shaking:
        shaking.send(b"\x16\x03\x01")
        with (
            socket.create_connection(server.address, PATIENCE) as plain,
            trust.wrap_socket(plain, server_hostname="127.0.0.1") as peer,
        ):
            peer.sendall(GET)
            read = b""
            while not read.endswith(b"]\n"):
                read += peer.recv(1_000)
            eventually(lambda: len(server.connections) == 2)
            server.stop()
            assert server.ends()


@pytest.mark.usefixtures("endless")
@pytest.mark.parametrize("number", [1, 3])
def test_what_was_asked_is_answered(number: int) -> None:
    """The last answer says that the connection ends; what is asked later is not answered, nor can anybody connect."""
    held = Held()
    with limited(LIMITS, held) as server, server.peer() as peer:
        peer.send(GET * number)
        assert held.began.wait(PATIENCE)
        connection = server.connection()
        eventually(lambda: connection._waiting == number)
        server.stop()
        eventually(lambda: not connection._cycle.keep_alive)
        peer.send(GET)
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(server.address)
        held.may.set()
        peer.until_closed().socket.close()
        assert server.ends()
    assert peer.statuses == [200] * number
    assert peer.read.count(b"connection: close\r\n") == 1
    assert b"connection: close\r\n" in peer.read.rpartition(b"HTTP/1.1 200")[2]


@pytest.mark.usefixtures("short")
def test_what_is_not_answered_in_time_is_cut_off(caplog: pytest.LogCaptureFixture) -> None:
    """The application too is told."""
    held = Held()
    with limited(LIMITS, held) as server, server.peer() as peer:
        peer.send(GET)
        assert held.began.wait(PATIENCE)
        server.stop()
        assert peer.until_closed().read == b""
        assert server.ends()
    assert held.cut.is_set()
    assert "1 requests, 1 connections are cut off" in caplog.text


@pytest.mark.usefixtures("short")
@pytest.mark.parametrize("asked", [GET, POST % 10 + b"abc"])
def test_nobody_keeps_it_from_its_end(asked: bytes) -> None:
    """Who does not read, who does not send: the connection is gone when the server is."""

    async def huge(_: Scope, receive: Receive, send: Send) -> None:
        while (await receive()).get("more_body"):
            pass
        await answer(send, b"x" * 20_000_000)

    with limited(LIMITS, huge) as server, server.peer(4_096) as peer:
        peer.send(asked)
        connection = server.connection()
        eventually(lambda: connection.flow.write_paused if asked == GET else connection._waiting == 1)
        server.stop()
        assert server.ends()
        assert len(server.connections) == 0


@pytest.mark.usefixtures("short")
async def test_who_is_cut_off_may_put_away_what_it_holds() -> None:
    """Before the server is at its end, for then what it would need is."""
    began, put_away = asyncio.Event(), asyncio.Event()

    async def holding(_: Scope, __: Receive, ___: Send) -> None:
        try:
            began.set()
            await asyncio.Event().wait()
        finally:
            for _turn in range(3):
                await asyncio.sleep(0)
            put_away.set()

    listener = listen("127.0.0.1", 0)
    server = server_of(holding, None, Connections(LIMITS))
    serving = asyncio.create_task(server.serve(sockets=[listener]))
    with await asyncio.to_thread(Peer, listener.getsockname()) as peer:
        peer.send(GET)
        await asyncio.wait_for(began.wait(), PATIENCE)
        server.should_exit = True
        await asyncio.wait_for(serving, PATIENCE)
        assert put_away.is_set()


def test_its_sockets_are_closed() -> None:
    """Also where nobody ever connected."""
    listener = listen("127.0.0.1", 0)
    server = server_of(Held())
    server.should_exit = True
    asyncio.run(server.serve(sockets=[listener]))
    assert listener.fileno() == -1
