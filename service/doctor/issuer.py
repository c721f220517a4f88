"""The issuer: its address, what it says of itself, and that nothing gets to it by plain HTTP."""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import ip_network
from typing import NamedTuple

from service.doctor.facts import HttpFacts
from service.doctor.finding import Check, Finding, Group, listed
from service.doctor.places import is_loopback, origin, split
from service.settings import Settings

NOT_SET = Check(
    "issuer-not-set",
    ("fail",),
    "the issuer is set",
    "The issuer is the address by which clients know this server and verify its tokens; without it no worker starts"
    " (RFC 8414 section 2).",
    "export TALLYSTICK_ISSUER=https://…, the same for every process and for this command",
)
NOT_HTTPS = Check(
    "issuer-not-https",
    ("fail", "info"),
    "the issuer is https",
    "Secrets, codes and tokens that go over plain HTTP can be read and changed on their way (RFC 8414 section 2,"
    " RFC 9700 section 2.6). An issuer on this machine is for trying.",
    "export TALLYSTICK_ISSUER=https://…, and set TALLYSTICK_TLS_CERTIFICATE and TALLYSTICK_TLS_KEY, or put a proxy"
    " with TLS in front",
)
UNREACHABLE = Check(
    "issuer-unreachable",
    ("fail", "warn"),
    "the issuer answers at its address",
    "Clients and APIs fetch the metadata and keys from the issuer's own address (RFC 8414 section 3).",
    "look at DNS, the proxy and the firewall for {url}; `tallystick doctor --url URL` asks at another address",
)
MISMATCH = Check(
    "issuer-mismatch",
    ("fail",),
    "the metadata names the issuer of the settings",
    "Clients must refuse metadata whose issuer is not the address that they asked at (RFC 8414 section 3.3); that"
    " is what keeps one server from posing as another (RFC 9700 section 4.4).",
    "give every process the same TALLYSTICK_ISSUER, exactly as clients have it, and start them anew",
)
OTHER_HOST = Check(
    "endpoint-other-host",
    ("warn",),
    "the endpoints of the metadata are at the issuer",
    "Whoever has the other host gets the secrets and codes that are sent there (RFC 8414 section 2, RFC 9700 section"
    " 4.4).",
    "let the proxy pass the metadata on as it is, and do not rewrite addresses in it",
)
ANSWERS_PLAIN = Check(
    "plain-http-answered",
    ("fail",),
    "plain HTTP from other machines is refused, or redirected to https",
    "What came by plain HTTP was readable on its way, before any redirect or refusal of what it asked for (RFC 9700"
    " sections 2.6 and 4.13).",
    "unset TALLYSTICK_INSECURE_HTTP, bind `serve` to an address that the proxy alone reaches, and let the proxy"
    " redirect {url} to https",
)
INSECURE = Check(
    "insecure-http-on",
    ("fail", "warn"),
    "plain HTTP from other machines is not taken",
    "TALLYSTICK_INSECURE_HTTP is for trying: credentials of every client can be read on the network (RFC 9700 section"
    " 2.6). A proxy that ends TLS does not need it.",
    "unset TALLYSTICK_INSECURE_HTTP; for a proxy that ends TLS set TALLYSTICK_TRUSTED_PROXIES",
)
ANY_PROXY = Check(
    "proxies-anyone",
    ("fail",),
    "no more than networks of one's own are trusted as proxies",
    "Whoever is taken for a proxy says from where and by which scheme a request came: every limit by source, and the"
    " record, believes it (RFC 9700 section 4.13).",
    "export TALLYSTICK_TRUSTED_PROXIES=… with the addresses of the proxies alone",
)
NO_PROXY = Check(
    "proxies-none",
    ("warn",),
    "where a proxy ends TLS, it is trusted to say who asked",
    "The issuer is https and the server itself speaks none, so a proxy stands in front. Unless it is trusted, every"
    " request seems to come from it: limits by source count everybody together (RFC 9700 section 4.13).",
    "export TALLYSTICK_TRUSTED_PROXIES=… with the addresses of the proxies",
)
METRICS = Check(
    "metrics-public",
    ("warn",),
    "the metrics are not at the issuer's public address",
    "`/metrics` tells whoever asks how much is issued, refused and revoked; it asks for no token.",
    "let the proxy refuse `/metrics`, and scrape it at the workers' own address",
)
CHECKS = (
    NOT_SET,
    NOT_HTTPS,
    UNREACHABLE,
    MISMATCH,
    OTHER_HOST,
    ANSWERS_PLAIN,
    INSECURE,
    ANY_PROXY,
    NO_PROXY,
    METRICS,
)

_WIDE = {4: 8, 6: 16}
"""Networks wider than these are taken for everybody."""

_OK = range(200, 300)
_REDIRECTS = range(300, 400)


class IssuerFacts(NamedTuple):
    """What the server says by HTTP, the settings that it should have, and whether it speaks HTTPS by itself."""

    http: HttpFacts
    settings: Settings
    speaks_tls: bool


def examine(facts: IssuerFacts) -> Iterator[Finding]:
    """The findings on the issuer."""
    http = facts.http
    yield from _address(http)
    yield from _metadata(http)
    yield from _plain(http)
    yield from _edge(facts)


def _address(http: HttpFacts) -> Iterator[Finding]:
    if http.issuer is None:
        yield NOT_SET.found("TALLYSTICK_ISSUER is not set here")
    elif split(http.issuer).scheme != "https":
        local = _local(http)
        yield NOT_HTTPS.found(
            f"the issuer {http.issuer} is plain http" + (", on this machine alone" if local else ""),
            http.issuer,
            severity="info" if local else "fail",
        )
    if http.unreachable:
        elsewhere = http.metadata is not None
        yield UNREACHABLE.found(
            f"{http.asked} does not answer from here: {http.unreachable}" + (f"; {http.url} does" if elsewhere else ""),
            severity="warn" if elsewhere else "fail",
            url=http.asked,
        )


def _metadata(http: HttpFacts) -> Iterator[Finding]:
    if http.metadata is None:
        yield from (check.unseen("the metadata could not be fetched") for check in (MISMATCH, OTHER_HOST))
        return
    said = http.metadata.get("issuer")
    if http.issuer is not None and said != http.issuer:
        yield MISMATCH.found(f"the metadata at {http.url} names the issuer {said}, the settings name {http.issuer}")
    home = origin(str(said))
    others = {
        name: value
        for name, value in http.metadata.items()
        if (name.endswith("_endpoint") or name == "jwks_uri") and origin(str(value)) != home
    }
    if others:
        yield OTHER_HOST.found(f"not at the issuer {said}: {listed(f'{k} {v}' for k, v in others.items())}", *others)


def _plain(http: HttpFacts) -> Iterator[Finding]:
    if not http.plain and not _local(http):
        how = "curl -i http://…/.well-known/openid-configuration from another machine: 403, a redirect, or no answer"
        yield ANSWERS_PLAIN.unseen("no address that others reach by plain HTTP is known here", how)
    for answer in http.plain:
        redirected = answer.status in _REDIRECTS and split(answer.location).scheme == "https"
        if answer.status in _OK or (answer.status in _REDIRECTS and not redirected):
            yield ANSWERS_PLAIN.found(f"{answer.url} answers {answer.status} by plain HTTP", url=answer.url)


def _edge(facts: IssuerFacts) -> Iterator[Finding]:
    http, settings, speaks_tls = facts
    if settings.insecure_http:
        yield INSECURE.found(
            "TALLYSTICK_INSECURE_HTTP is on: plain HTTP from other machines is taken",
            "TALLYSTICK_INSECURE_HTTP",
            severity="warn" if _local(http) else "fail",
        )
    trusted = [text.strip() for text in settings.trusted_proxies.split(",") if text.strip()]
    wide = [text for text in trusted if _is_wide(text)]
    if wide:
        yield ANY_PROXY.found(f"TALLYSTICK_TRUSTED_PROXIES has {listed(wide)}", "TALLYSTICK_TRUSTED_PROXIES")
    behind_proxy = split(http.issuer or "").scheme == "https" and not speaks_tls
    if behind_proxy and not trusted and not _local(http):
        yield NO_PROXY.found(
            f"{http.issuer} is https, the server is not, and TALLYSTICK_TRUSTED_PROXIES names no proxy"
        )
    if http.public_metrics is None:
        yield METRICS.unseen(f"{http.asked} does not answer")
    elif http.public_metrics and not _local(http):
        yield METRICS.found(f"{http.asked}/metrics answers whoever asks")


def _local(http: HttpFacts) -> bool:
    return is_loopback(split(http.issuer or http.url).hostname)


def _is_wide(text: str) -> bool:
    try:
        network = ip_network(text)
    except ValueError:
        return False
    return network.prefixlen < _WIDE[network.version]


GROUP = Group("issuer", CHECKS, examine)
