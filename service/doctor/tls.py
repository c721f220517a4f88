"""TLS of the issuer: its certificate, the versions that it agrees on, and that browsers come by it alone."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Iterator
from typing import NamedTuple

from service.doctor.facts import Certificate, HttpFacts
from service.doctor.finding import Check, Finding, Group, Severity
from service.doctor.places import is_loopback, split

UNTRUSTED = Check(
    "certificate-untrusted",
    ("fail", "info"),
    "the certificate is one that this machine trusts",
    "Clients that take any certificate talk to whoever is in between, and those that do not cannot come (RFC 9525,"
    " RFC 9700 section 2.6). One that is signed by itself is for trying.",
    "take a certificate of a public authority, such as Let's Encrypt; for a private one, name its file by"
    " SSL_CERT_FILE for this command and for clients",
)
EXPIRES = Check(
    "certificate-expires",
    ("warn", "fail"),
    "the certificate is good for two weeks or more",
    "When it has expired every client, API and browser stops at once (RFC 5280 section 4.1.2.5).",
    "renew it; files named by TALLYSTICK_TLS_CERTIFICATE and TALLYSTICK_TLS_KEY are taken anew within seconds",
)
OLD_TLS = Check(
    "tls-old-version",
    ("fail",),
    "TLS 1.1 and older are refused",
    "TLS before 1.2 has known weaknesses and must not be used (RFC 8996, RFC 9325 section 3.1.1).",
    "let the proxy take TLS 1.2 and newer alone, such as nginx's `ssl_protocols TLSv1.2 TLSv1.3;`",
)
NO_HSTS = Check(
    "hsts-absent",
    ("warn",),
    "browsers are told to come by HTTPS alone",
    "Without Strict-Transport-Security a browser that is led to http:// asks there first, where anybody in between"
    " answers (RFC 6797 section 2.3).",
    "set TALLYSTICK_HSTS_MAX_AGE back to 31536000; behind a proxy, name it by TALLYSTICK_TRUSTED_PROXIES or let it"
    " add the header",
)
CHECKS = (UNTRUSTED, EXPIRES, OLD_TLS, NO_HSTS)

SOON = dt.timedelta(days=14)
_MAX_AGE = re.compile(r'max-age="?(\d+)', re.IGNORECASE)


class TlsFacts(NamedTuple):
    """What the server showed at `http.url`, which is https, and what time it is."""

    http: HttpFacts
    now: dt.datetime


def examine(facts: TlsFacts) -> Iterator[Finding]:
    """The findings on TLS."""
    http, now = facts
    local = is_loopback(split(http.url).hostname)
    if http.certificate is None:
        yield from (check.unseen("no certificate was shown") for check in CHECKS)
        return
    yield from _certificate(http.certificate, now, local=local)
    if http.old_tls is None:
        how = f"openssl s_client -connect {split(http.url).netloc} -tls1_1"
        yield OLD_TLS.unseen("this machine's own TLS library cannot ask by TLS 1.1", f"from another machine: {how}")
    elif http.old_tls:
        yield OLD_TLS.found(f"{http.url} agrees on {http.old_tls}")
    age = _MAX_AGE.search(http.hsts or "")
    if (age is None or int(age[1]) == 0) and not local:
        yield NO_HSTS.found(f"answers of {http.url} have no Strict-Transport-Security")


def _certificate(shown: Certificate, now: dt.datetime, *, local: bool) -> Iterator[Finding]:
    if shown.distrust:
        what = "is signed by itself" if shown.signed_by_itself else f"is not trusted here: {shown.distrust}"
        severity: Severity = "info" if local and shown.signed_by_itself else "fail"
        yield UNTRUSTED.found(f'the certificate "{shown.subject}" {what}', severity=severity)
    left = shown.expires - now
    if left < SOON:
        over = left <= dt.timedelta(0)
        told = f"expired on {shown.expires:%Y-%m-%d}" if over else f"expires on {shown.expires:%Y-%m-%d %H:%M} UTC"
        yield EXPIRES.found(f'the certificate "{shown.subject}" {told}', severity="fail" if over else "warn")


GROUP = Group("tls", CHECKS, examine)
