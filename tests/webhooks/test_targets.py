"""Which addresses may be called."""

from __future__ import annotations

import asyncio
import re
import socket
from typing import Any

import pytest
from aiohttp import web

from consumers.webhooks.resolver import AddressRefused, CheckedResolver
from consumers.webhooks.sender import Sender
from consumers.webhooks.targets import address_problem, target_problem

PUBLIC = ("8.8.8.8", "1.1.1.1", "2606:4700::1111", "2a00:1450:4001:80b::200e", "64:ff9b::808:808", "::ffff:8.8.8.8")
PRIVATE = (
    *("127.0.0.1", "127.255.255.254", "10.0.0.1", "172.16.0.1", "172.31.255.255", "192.168.1.1", "100.64.0.1"),
    *("::1", "fc00::1", "fd12:3456::1", "::ffff:127.0.0.1", "::ffff:10.0.0.1", "64:ff9b::7f00:1", "64:ff9b::a00:1"),
    *("198.18.0.1", "192.0.2.1", "198.51.100.1", "203.0.113.1"),
)
NEVER = (
    *("0.0.0.0", "0.1.2.3", "169.254.169.254", "169.254.0.1", "224.0.0.1", "239.255.255.250", "240.0.0.1"),  # noqa: S104 refused
    *("255.255.255.255", "192.88.99.1", "192.0.0.170", "::", "::ffff:0.0.0.0", "::ffff:169.254.169.254"),
    *("fe80::1", "fe80::1%eth0", "fd00:ec2::254", "ff02::1", "2002:7f00:1::", "2002:808:808::1", "2001:0:808:808::1"),
    *("64:ff9b::a9fe:a9fe", "64:ff9b:1::a00:1", "::127.0.0.1", "::8.8.8.8", "2001:db8::1", "3fff::1", "5f00::1"),
    *("168.63.129.16", "100.100.100.200", "::ffff:168.63.129.16", "64:ff9b::6464:64c8"),
    *(
        "2606:4700::1111%eth0",
        "fd00::1%eth0",
        "::1%lo",
        "100::1",
        "fec0::1",
        "4000::1",
        "not an address",
        "127.1",
        "0x7f000001",
    ),
)


@pytest.mark.parametrize("address", PUBLIC)
def test_public_addresses_are_called(address: str) -> None:
    """What is public is called."""
    assert (address_problem(address, private=False), address_problem(address, private=True)) == (None, None)


@pytest.mark.parametrize("address", PRIVATE)
def test_own_addresses_are_called_where_that_is_set(address: str) -> None:
    """Loopback, private and documentation addresses, also within IPv6, need the setting."""
    assert address_problem(address, private=False) is not None
    assert address_problem(address, private=True) is None


@pytest.mark.parametrize("address", NEVER)
def test_what_is_no_server_of_anybody_is_never_called(address: str) -> None:
    """Cloud metadata, multicast, unspecified, reserved and tunnelled addresses are refused whatever is set."""
    assert None not in {address_problem(address, private=False), address_problem(address, private=True)}


@pytest.mark.parametrize(
    "url",
    [
        "https://hooks.example.com/a/b?c=d%20e",
        "https://hooks.example.com",
        "https://hooks.example.com:8443/",
        "https://hooks.example.com./x",
        "https://8.8.8.8/x",
        "https://[2606:4700::1111]/x",
        "https://xn--bcher-kva.example/x",
        "https://1password.example/x",
    ],
)
def test_a_public_https_address_may_be_registered(url: str) -> None:
    """Names and public addresses, on any port."""
    assert target_problem(url, private=False) is None


@pytest.mark.parametrize(
    ("url", "problem"),
    [
        ("http://hooks.example.com/", "must be https"),
        ("ftp://hooks.example.com/", "is not an https:// address"),
        ("file:///etc/passwd", "is not an https:// address"),
        ("hooks.example.com", "is not an https:// address"),
        ("", "is not an https:// address"),
        ("https://", "is not a URL that means the same to everybody"),
        ("https:///x", "is not a URL that means the same to everybody"),
        ("https://user@hooks.example.com/", "holds a user name or password"),
        ("https://user:secret@hooks.example.com/", "holds a user name or password"),
        ("https://hooks.example.com\\@127.0.0.1/", "holds a user name or password"),
        ("https://hooks.example.com/#part", "has a fragment"),
        ("https://hooks.example.com:0/", "has a port that cannot be"),
        ("https://hooks.example.com:65536/", "has a port that cannot be"),
        ("https://hooks.example.com/\r\nX: y", "is not a URL that means the same to everybody"),
        ("https://hooks.example.com/ x", "is not a URL that means the same to everybody"),
        ("https://bücher.example/", "is not a URL that means the same to everybody"),
        ("https://①②⑦.⓪.⓪.①/", "is not a URL that means the same to everybody"),
        ("https://127%2e0.0.1/", "is not a URL that means the same to everybody"),
        ("https://[fe80::1%25eth0]/", "is not a URL"),
        ("https://[::1]/", "is not a public address"),
        ("https://[::ffff:127.0.0.1]/", "is not a public address"),
        ("https://[1:2]/", "is no IP address"),
        ("https://127.0.0.1/", "is not a public address"),
        ("https://169.254.169.254/latest/meta-data/", "is not a public address"),
        ("https://127.1/", "a number but no IPv4 address"),
        ("https://2130706433/", "a number but no IPv4 address"),
        ("https://0x7f000001/", "a number but no IPv4 address"),
        ("https://0x7f.0.0.1/", "a number but no IPv4 address"),
        ("https://0177.0.0.1/", "a number but no IPv4 address"),
        ("https://127.0.0.1./", "a number but no IPv4 address"),
        ("https://../", "has a host that is no name"),
        ("https://./", "has a host that is no name"),
        ("https://-/", "has a host that is no name"),
        ("https://hooks..example.com/", "has a host that is no name"),
        ("https://-hooks.example.com/", "has a host that is no name"),
        ("https://hooks-.example.com/", "has a host that is no name"),
        (f"https://{'a' * 64}.example/", "has a host that is no name"),
        ("https://168.63.129.16/", "is not a public address"),
        (f"https://hooks.example.com/{'x' * 2000}", "is longer than"),
    ],
)
def test_any_other_address_is_refused_with_its_reason(url: str, problem: str) -> None:
    """Ways around the check, and URLs that two parsers read differently, are refused at once."""
    assert problem in (target_problem(url, private=False) or "")


def lookup_of(*addresses: str) -> Any:
    """A resolver that knows one name."""

    def lookup(_: str, port: int) -> list[Any]:
        return [
            (socket.AF_INET6 if ":" in each else socket.AF_INET, socket.SOCK_STREAM, 6, "", (each, port))
            for each in addresses
        ]

    return lookup


@pytest.mark.parametrize("own", ["10.0.0.1", "fd00::1"])
@pytest.mark.parametrize("public", ["8.8.8.8", "2606:4700::1111"])
async def test_a_name_with_one_address_of_the_own_network_is_refused(own: str, public: str) -> None:
    """All addresses of a name must be public, else the name is not called at all."""
    for addresses in ((public, own), (own, public), (public, own, public)):
        resolver = CheckedResolver(private=False, lookup=lookup_of(*addresses))
        with pytest.raises(AddressRefused, match=f"{re.escape(own)}, which is not a public address"):
            await resolver.resolve("hooks.example.com", 443, socket.AF_UNSPEC)
        await resolver.close()


async def test_all_addresses_of_a_name_are_for_the_connection() -> None:
    """IPv4 and IPv6, in the order of the name's servers; those of one family where that is asked for."""
    resolver = CheckedResolver(private=False, lookup=lookup_of("2606:4700::1111", "8.8.8.8"))
    found = [
        [(each["host"], each["family"], each["port"]) for each in await resolver.resolve("a.example", 443, family)]
        for family in (socket.AF_UNSPEC, socket.AF_INET6, socket.AF_INET)
    ]
    await resolver.close()
    six, four = ("2606:4700::1111", socket.AF_INET6, 443), ("8.8.8.8", socket.AF_INET, 443)
    assert [[six, four], [six], [four]] == found


async def test_a_name_that_changes_its_mind_is_checked_each_time_and_gains_nothing() -> None:
    """The connection goes to the address that was checked: the name is asked once a connection, not once more."""
    asked: list[str] = []

    def rebinding(host: str, port: int) -> list[Any]:
        asked.append(host)
        return lookup_of("203.0.113.1" if len(asked) % 2 else "127.0.0.1")(host, port)  # type: ignore[no-any-return]

    async def handle(_: web.Request) -> web.Response:
        reached.set()
        return web.Response()

    reached = asyncio.Event()
    runner = web.AppRunner(web.Application())
    runner.app.router.add_route("*", "/", handle)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    port = runner.addresses[0][1]
    sender = Sender(timeout=2, private=False, lookup=rebinding)
    try:
        answers = [await sender.send(f"https://hooks.example.com:{port}/", {}, b"{}") for _ in range(4)]
    finally:
        await sender.close()
        await runner.cleanup()
    assert (len(asked), reached.is_set()) == (4, False)
    assert all(answer.error.startswith("refused: hooks.example.com is ") for answer in answers)


async def test_a_name_is_reached_at_the_address_that_was_checked() -> None:
    """What the check saw is what is connected to, whatever the system's own resolver says of the name."""

    async def handle(request: web.Request) -> web.Response:
        hosts.append(request.host)
        return web.Response(status=204)

    hosts: list[str] = []
    runner = web.AppRunner(web.Application())
    runner.app.router.add_route("*", "/", handle)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    port = runner.addresses[0][1]
    sender = Sender(timeout=5, private=True, lookup=lookup_of("127.0.0.1"))
    try:
        answer = await sender.send(f"http://hooks.example.com:{port}/", {}, b"{}")
    finally:
        await sender.close()
        await runner.cleanup()
    assert (204, [f"hooks.example.com:{port}"]) == (answer.status, hosts)


@pytest.mark.parametrize(
    ("host", "scheme", "problem"),
    [
        ("127.0.0.1", "https", "has a host that is not a public address"),
        ("[::ffff:127.0.0.1]", "https", "has a host that is not a public address"),
        ("127.1", "https", "has a host that is a number but no IPv4 address of four parts"),
        ("localhost", "http", "must be https"),
    ],
)
async def test_an_address_that_is_written_out_is_checked_at_each_message(host: str, scheme: str, problem: str) -> None:
    """No name is looked up for it, and what may be sent to may have been set otherwise when it was registered."""
    reached = asyncio.Event()

    async def serve(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        reached.set()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    sender = Sender(timeout=5, private=False, lookup=lookup_of("127.0.0.1"))
    answer = await sender.send(f"{scheme}://{host}:{port}/", {}, b"{}")
    await sender.close()
    server.close()
    assert (answer.status, answer.error.startswith(f"the address {problem}"), reached.is_set()) == (None, True, False)


@pytest.mark.parametrize("name", ["a" * 64 + ".example", "..", "nowhere.invalid"])
async def test_a_name_without_address_is_an_answer(name: str) -> None:
    """A name that cannot be looked up is told, and raises nothing."""
    sender = Sender(timeout=10, private=False)
    answer = await sender.send(f"https://{name}/", {}, b"{}")
    await sender.close()
    assert (answer.status, bool(answer.error)) == (None, True)


async def test_a_silent_name_server_holds_up_one_lookup() -> None:
    """Many messages to one name ask for it once at a time; another name is answered meanwhile."""
    asked: list[str] = []
    answer = asyncio.Event()
    loop = asyncio.get_running_loop()

    def lookup(host: str, port: int) -> list[Any]:
        asked.append(host)
        if host == "silent.example":
            asyncio.run_coroutine_threadsafe(answer.wait(), loop).result()
        return lookup_of("8.8.8.8")(host, port)  # type: ignore[no-any-return]

    resolver = CheckedResolver(private=False, lookup=lookup)
    silent = [asyncio.create_task(resolver.resolve("silent.example", 443, socket.AF_UNSPEC)) for _ in range(100)]
    await asyncio.sleep(0)
    assert (await resolver.resolve("quick.example", 443, socket.AF_UNSPEC))[0]["host"] == "8.8.8.8"
    answer.set()
    await asyncio.gather(*silent)
    await resolver.close()
    assert sorted(asked) == ["quick.example", "silent.example"]
