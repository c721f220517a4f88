"""So many connections and no more, in all and from one source; who is idle makes room for who asks."""

from __future__ import annotations

import math
import socket
import ssl
from contextlib import ExitStack
from functools import partial
from pathlib import Path

import pytest

from service.http.connections import ConnectionLimits, Connections
from service.http.tls import self_signed
from service.settings import Settings
from tests.http.limited import GET, PATIENCE, Limited, Peer, eventually, limited
from tests.http.test_slow_clients import Waiting

LIMITS = ConnectionLimits(header_timeout=3_600, body_timeout=3_600, idle=3_600)


def test_beyond_the_number_of_connections_it_says_so() -> None:
    """503 with Retry-After, until another one ends."""
    with limited(LIMITS._replace(connections=3)) as server, ExitStack() as stack:
        peers = [stack.enter_context(server.peer()).send(GET[:20]) for _ in range(3)]
        eventually(partial(_has_open, server, 3))
        refused = server.asked(b"")
        assert refused.statuses == [503]
        assert b"retry-after: " in refused.read
        peers.pop().socket.close()
        eventually(lambda: len(server.connections) == 2)
        assert server.is_well()


def test_beyond_the_number_of_connections_from_one_source_it_says_so() -> None:
    """Where none of them is idle; those that may be any number go on."""
    limits = LIMITS._replace(per_source=3)
    for exempt in (False, True):
        with limited(limits, exempt=partial(_says, exempt)) as server, ExitStack() as stack:
            for _ in range(3):
                stack.enter_context(server.peer()).send(b"GET / HT")
            eventually(partial(_has_open, server, 3))
            if exempt:
                assert server.is_well()
            else:
                assert server.asked(b"").statuses == [503]


def _says(any_number: bool, _: str) -> bool:
    return any_number


def _has_open(server: Limited, number: int) -> bool:
    return len(server.connections) == number


def test_an_idle_connection_makes_room_for_another_from_its_source() -> None:
    """The one that waits for longest, so that many people behind one address are served; not one that is asked on."""
    with limited(LIMITS._replace(per_source=3), exempt=lambda _: False) as server, ExitStack() as stack:

        def peer() -> Peer:
            return stack.enter_context(server.peer())

        asking = peer().send(b"GET / HT")
        idle = [peer().send(GET).until(b"\r\n\r\n") for _ in range(2)]
        for _ in idle:
            peer().send(GET).until(b"\r\n\r\n")
        assert [one.until_closed().statuses for one in idle] == [[200], [200]]
        assert asking.send(b"TP/1.1\r\nhost: x\r\n\r\n").until(b"\r\n\r\n").statuses == [200]


def test_an_idle_connection_makes_room_for_another_from_anywhere() -> None:
    """Where there are as many as may be: the one that waits for longest, so that who waits keeps nobody out."""
    with limited(LIMITS._replace(connections=3)) as server, ExitStack() as stack:
        asking = stack.enter_context(server.peer()).send(GET[:20])
        idle = [stack.enter_context(server.peer()).send(GET).until(b"]\n") for _ in range(2)]
        for _ in idle:
            stack.enter_context(server.peer()).send(GET).until(b"]\n")
        assert [one.until_closed().statuses for one in idle] == [[200], [200]]
        assert asking.send(GET[20:]).until(b"]\n").statuses == [200]


@pytest.mark.parametrize("limits", [LIMITS._replace(connections=2), LIMITS._replace(per_source=2)])
def test_a_connection_that_has_just_come_is_not_idle_for_longest(limits: ConnectionLimits) -> None:
    """It has less time to say something than an answered one, and said nothing for less long."""
    limits = limits._replace(header_timeout=PATIENCE)
    with limited(limits, exempt=lambda _: False) as server, server.peer() as old:
        old.send(GET).until(b"]\n")
        with server.peer() as new:
            eventually(partial(_has_open, server, 2))
            with server.peer() as newest:
                newest.send(GET).until(b"]\n")
                assert new.send(GET).until(b"]\n").statuses == [200]
                assert old.until_closed().statuses == [200]


class Idle(Waiting):
    """A connection that may be ended, and counts how often it was asked whether it may."""

    def __init__(self, until: float, idle: bool = True) -> None:
        super().__init__(until)
        self.idle, self.asked, self.ended = idle, 0, False

    def is_idle(self) -> bool:
        """As it was made."""
        self.asked += 1
        return self.idle

    def abort(self) -> None:
        """Note it."""
        self.ended = True


def test_a_trusted_proxys_idle_connections_make_room_last() -> None:
    """Others ask through it; and who is over the limit of its own source ends nobody else's."""
    proxy = "192.0.2.1"
    connections = Connections(LIMITS._replace(connections=3, per_source=1), exempt=proxy.__eq__)
    of_proxy, first, second = Idle(1.0), Idle(3.0), Idle(2.0, idle=False)
    for one, address in ((of_proxy, proxy), (first, "198.51.100.1"), (second, "198.51.100.2")):
        assert connections.admit(one, address) is None
    assert connections.admit(Idle(4.0), "198.51.100.2") == "connections_per_source"
    assert connections.admit(Idle(4.0, idle=False), "198.51.100.3") is None
    assert (first.ended, of_proxy.ended) == (True, False)
    assert connections.admit(Idle(5.0), "198.51.100.4") is None
    assert of_proxy.ended
    assert len(connections) == 3
    assert set(connections._sources) == {f"198.51.100.{number}" for number in (2, 3, 4)}


def test_idle_connections_are_looked_for_now_and_then() -> None:
    """Whoever keeps knocking where none is idle costs no look through all of them each time."""
    connections = Connections(LIMITS._replace(connections=2))
    connections.start(100.0)
    busy = [Idle(math.inf, idle=False) for _ in range(2)]
    for one in busy:
        connections.admit(one, None)
    for _ in range(100):
        assert connections.admit(Idle(0.0), None) == "connections_limit"
    assert [one.asked for one in busy] == [1, 1]
    connections.tick(101.0)
    busy[1].idle, busy[1].until = True, 170.0
    assert connections.admit(Idle(0.0), None) is None
    assert busy[1].ended


def test_who_asked_again_meanwhile_is_not_the_one_that_waits_for_longest() -> None:
    """Found idle, and idle once more, it makes no room while another waits since before."""
    connections = Connections(LIMITS._replace(connections=3))
    connections.start(100.0)
    first, second, third = Idle(170.0), Idle(171.0), Idle(172.0)
    for one in (first, second, third):
        connections.admit(one, None)
    connections.admit(Idle(173.0), None)
    second.until = 175.0
    connections.admit(Idle(174.0), None)
    assert (first.ended, second.ended, third.ended) == (True, False, True)


def test_an_idle_connection_that_makes_room_is_not_waited_for(tmp_path: Path) -> None:
    """By TLS its peer would have a goodbye to answer, and for that time a place that nobody counts."""
    context = self_signed(tmp_path / "tls", "127.0.0.1").context()
    trusting = ssl.create_default_context()
    trusting.check_hostname, trusting.verify_mode = False, ssl.CERT_NONE
    trusting.options &= ~ssl.OP_IGNORE_UNEXPECTED_EOF  # which Python before 3.11.4 sets by itself
    limits = LIMITS._replace(per_source=2)
    with limited(limits, exempt=lambda _: False, tls=context) as server, ExitStack() as stack:
        idle = []
        for _ in range(6):
            plain = stack.enter_context(socket.create_connection(server.address, PATIENCE))
            peer = stack.enter_context(trusting.wrap_socket(plain, suppress_ragged_eofs=False))
            peer.sendall(GET)
            while not peer.recv(65_536).endswith(b"]\n"):
                pass
            idle.append(peer)
        for peer in idle[:-2]:
            with pytest.raises(ssl.SSLError, match="EOF"):  # the connection's end: a goodbye would be an empty read
                peer.recv(1)
        assert len(server.connections) == 2


def test_a_source_is_an_address_or_a_network_of_ipv6() -> None:
    """Whoever has a /64 has all its addresses; an IPv4 address within IPv6 is itself."""
    connections = Connections(LIMITS._replace(per_source=1), exempt=lambda _: False)

    def admitted(address: str | None) -> bool:
        return connections.admit(Waiting(0.0), address) is None

    assert admitted("2001:db8::1")
    assert not admitted("2001:db8::2")
    assert admitted("2001:db8:0:1::1")
    assert admitted("192.0.2.1")
    assert not admitted("::ffff:192.0.2.1")
    assert admitted("192.0.2.2")
    assert admitted(None)
    assert admitted(None)


def test_a_source_is_forgotten_with_its_last_connection() -> None:
    """What is remembered is what is open."""
    connections = Connections(LIMITS._replace(per_source=1), exempt=lambda _: False)
    first, second = Waiting(0.0), Waiting(0.0)
    assert connections.admit(first, "192.0.2.1") is None
    assert connections.admit(second, "192.0.2.1") is not None
    connections.leave(second)
    connections.leave(first)
    assert connections._sources == {}
    assert len(connections) == 0


def test_trusted_proxies_and_this_machine_have_no_limit_of_their_own() -> None:
    """All that others ask comes from there."""
    settings = Settings(trusted_proxies="192.0.2.0/24", connections_per_source=1)
    connections = Connections.of(settings)
    for address, any_number in (
        ("192.0.2.7", True),
        ("::ffff:192.0.2.7", True),
        ("127.0.0.1", True),
        ("::1", True),
        ("198.51.100.1", False),
    ):
        assert connections.admit(Waiting(0.0), address) is None
        assert (connections.admit(Waiting(0.0), address) is None) == any_number, address
