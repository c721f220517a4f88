"""Faults of the issuer, of TLS and of redirect URIs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from service.doctor import (
    issuer,
    redirects,
)
from service.doctor import tls as tls_checks
from service.doctor.facts import Plain
from service.doctor.finding import Unseen
from tests.doctor.healthy import (
    ISSUER,
    Case,
    certificate,
    client,
    client_facts,
    days,
    issuer_facts,
    one,
    tls_facts,
)

LOCAL = "http://127.0.0.1:8080"
_OF_LOCAL: dict[str, Any] = {"url": LOCAL, "issuer": LOCAL, "asked": LOCAL, "metadata": {"issuer": LOCAL}, "plain": ()}


def _issuer(set_: Mapping[str, Any] = {}, *, says: str = "", found: dict[str, str], **changes: Any) -> Case:
    return Case(issuer.GROUP, issuer_facts(set_, **changes), set(found.items()), says)


def _tls(says: str = "", *, found: dict[str, str], **changes: Any) -> Case:
    return Case(tls_checks.GROUP, tls_facts(**changes), set(found.items()), says)


def _redirect(uri: str, found: str | None, severity: str = "warn", field: str = "redirect_uris") -> Case:
    told = set() if found is None else {(f"redirect-uri-{found}", severity)}
    changes: dict[str, Any] = {field: (uri,)}
    return Case(redirects.GROUP, client_facts(client(**changes)), told, uri if told else "")


ISSUER_CASES = {
    "behind a proxy": _issuer(found={}),
    "by itself": _issuer({"trusted_proxies": ""}, speaks_tls=True, found={}),
    "on this machine": _issuer(**_OF_LOCAL, found={"issuer-not-https": "info"}, says="this machine alone"),
    "this machine's metrics": _issuer(**_OF_LOCAL, public_metrics=True, found={"issuer-not-https": "info"}),
    "insecure on this machine": _issuer(
        {"insecure_http": True}, **_OF_LOCAL, found={"issuer-not-https": "info", "insecure-http-on": "warn"}
    ),
    "no issuer": _issuer(issuer=None, plain=(), found={"issuer-not-set": "fail", "plain-http-answered": "unknown"}),
    "plain http": _issuer(
        issuer="http://auth.example.com",
        metadata={"issuer": "http://auth.example.com"},
        found={"issuer-not-https": "fail"},
    ),
    "silent": _issuer(
        unreachable="Connection refused",
        metadata=None,
        public_metrics=None,
        found={
            "issuer-unreachable": "fail",
            "issuer-mismatch": "unknown",
            "endpoint-other-host": "unknown",
            "metrics-public": "unknown",
        },
        says="Connection refused",
    ),
    "silent from here": _issuer(
        unreachable="no answer", url=LOCAL, found={"issuer-unreachable": "warn"}, says=f"{LOCAL} does"
    ),
    "other issuer": _issuer(
        metadata={"issuer": "https://other.example.com"}, found={"issuer-mismatch": "fail"}, says="other.example.com"
    ),
    "issuer with a slash": _issuer(metadata={"issuer": f"{ISSUER}/"}, found={"issuer-mismatch": "fail"}),
    "other host": _issuer(
        metadata={"issuer": ISSUER, "token_endpoint": "https://evil.example/t"},
        found={"endpoint-other-host": "warn"},
        says="evil.example",
    ),
    "endpoint by http": _issuer(
        metadata={"issuer": ISSUER, "jwks_uri": "http://auth.example.com/jwks"}, found={"endpoint-other-host": "warn"}
    ),
    "port named": _issuer(metadata={"issuer": ISSUER, "jwks_uri": "https://auth.example.com:443/jwks"}, found={}),
    "plain answered": _issuer(
        plain=(Plain("http://10.0.0.2:8080", 200),), found={"plain-http-answered": "fail"}, says="10.0.0.2"
    ),
    "plain to plain": _issuer(
        plain=(Plain("http://auth.example.com", 302, "http://auth.example.com/x"),),
        found={"plain-http-answered": "fail"},
    ),
    "plain refused": _issuer(plain=(Plain("http://10.0.0.2:8080", 403),), found={}),
    "insecure": _issuer({"insecure_http": True}, found={"insecure-http-on": "fail"}),
    "everybody a proxy": _issuer({"trusted_proxies": "10.0.0.1, 0.0.0.0/0"}, found={"proxies-anyone": "fail"}),
    "half of IPv6 a proxy": _issuer({"trusted_proxies": "8000::/1"}, found={"proxies-anyone": "fail"}),
    "no proxy": _issuer({"trusted_proxies": ""}, found={"proxies-none": "warn"}),
    "metrics": _issuer(public_metrics=True, found={"metrics-public": "warn"}),
}
TLS_CASES = {
    "well": _tls(found={}),
    "no certificate": _tls(
        certificate=None,
        found=dict.fromkeys(
            ("certificate-untrusted", "certificate-expires", "tls-old-version", "hsts-absent"), "unknown"
        ),
    ),
    "untrusted": _tls(
        "hostname mismatch",
        certificate=certificate(distrust="hostname mismatch"),
        found={"certificate-untrusted": "fail"},
    ),
    "signed by itself": _tls(
        certificate=certificate(distrust="self-signed", signed_by_itself=True),
        found={"certificate-untrusted": "fail"},
    ),
    "signed by itself, for trying": _tls(
        url="https://127.0.0.1:8443",
        hsts=None,
        certificate=certificate(distrust="self-signed", signed_by_itself=True),
        found={"certificate-untrusted": "info"},
    ),
    "13 days left": _tls(certificate=certificate(expires=days(-13)), found={"certificate-expires": "warn"}),
    "15 days left": _tls(certificate=certificate(expires=days(-15)), found={}),
    "expired": _tls(
        "expired on 2026-05-31", certificate=certificate(expires=days(1)), found={"certificate-expires": "fail"}
    ),
    "TLS 1.1": _tls("TLSv1.1", old_tls="TLSv1.1", found={"tls-old-version": "fail"}),
    "TLS 1.1 untried": _tls(old_tls=None, found={"tls-old-version": "unknown"}),
    "no HSTS": _tls(hsts=None, found={"hsts-absent": "warn"}),
    "HSTS taken back": _tls(hsts="max-age=0", found={"hsts-absent": "warn"}),
}
REDIRECT_CASES = {
    uri: _redirect(uri, found, severity)
    for uri, found, severity in (
        ("https://app.example.com/callback", None, ""),
        ("http://127.0.0.1/callback", None, ""),
        ("http://[::1]:9000/callback", None, ""),
        ("com.example.app:/callback", None, ""),
        ("https://app.example.com/callback?tenant=7", None, ""),
        ("http://app.example.com/callback", "http", "fail"),
        ("https://*.example.com/callback", "wildcard", "fail"),
        ("https://app.example.com/a/../callback", "wildcard", "fail"),
        ("https://app.example.com/a/%2e%2e/callback", "wildcard", "fail"),
        ("https://app.example.com/a%5c..%5ccallback", "wildcard", "fail"),
        ("https://app.example.com/callback#here", "fragment", "fail"),
        ("myapp:/callback", "scheme", "fail"),
        ("javascript:alert(1)", "scheme", "fail"),
        ("http://localhost:3000/callback", "localhost", "warn"),
        ("https://app.example.com/callback?next=https://evil.example", "open", "warn"),
        ("https://app.example.com/callback?Redirect_URI=", "open", "warn"),
        ("https://app.example.com/redirect", "open", "warn"),
        ("https://bit.ly/3abc", "shortener", "warn"),
        ("https://www.tinyurl.com/abc", "shortener", "warn"),
    )
} | {
    "after a logout": _redirect("http://app.example.com/bye", "http", "fail", "post_logout_redirect_uris"),
    "ten": Case(
        redirects.GROUP, client_facts(client(redirect_uris=tuple(f"https://a.example/{n}" for n in range(10)))), set()
    ),
    "eleven": one(
        redirects.GROUP,
        client_facts(client(redirect_uris=tuple(f"https://a.example/{n}" for n in range(11)))),
        "redirect-uri-many",
        "info",
    ),
    "unseen": Case(
        redirects.GROUP, Unseen("Postgres is away"), {(check.id, "unknown") for check in redirects.CHECKS}, "is away"
    ),
}
