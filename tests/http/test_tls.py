"""HTTPS by the server itself: files that are taken anew when they change, and a certificate for trying."""

from __future__ import annotations

import asyncio
import datetime as dt
import ipaddress
import socket
import ssl
import subprocess
import warnings
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, Encoding, PrivateFormat

from service.endpoints.core import Core
from service.http import tls as tls_module
from service.http.app import create_app
from service.http.server import listen, server_of
from service.http.tls import TlsFiles, self_signed
from service.settings import Settings, SettingsError
from tests.product import COMMAND, running_product
from tests.relay.support import until


@asynccontextmanager
async def serving(core: Core, files: TlsFiles) -> AsyncIterator[str]:
    """A worker that speaks HTTPS; it looks at its files all the time."""
    listener = listen("127.0.0.1", 0)
    context = files.context()
    server = server_of(create_app(core), context)
    running = asyncio.create_task(server.serve(sockets=[listener]))
    reloading = asyncio.create_task(files.reload(context, 0.02))
    try:
        yield f"https://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        server.should_exit = True
        reloading.cancel()
        await running


def shown(url: str) -> bytes:
    """The certificate that the server shows, in DER."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    host, port = url.removeprefix("https://").split(":")
    with socket.create_connection((host, int(port)), timeout=20) as plain, context.wrap_socket(plain) as wrapped:
        der = wrapped.getpeercert(binary_form=True)
    assert der is not None
    return der


def of(path: Path) -> bytes:
    """A certificate file's certificate, in DER."""
    return x509.load_pem_x509_certificate(path.read_bytes()).public_bytes(Encoding.DER)


def replace(files: TlsFiles, by: TlsFiles) -> None:
    """Put other files in their place."""
    for path, other in zip(files, by, strict=True):
        path.write_bytes(other.read_bytes())


async def test_it_speaks_https_and_no_old_tls(core: Core, tmp_path: Path) -> None:
    """By a certificate that a client verifies; TLS 1.1 is refused."""
    files = self_signed(tmp_path / "tls", "127.0.0.1")
    async with serving(core, files) as url:
        trust = ssl.create_default_context(cafile=str(files.certificate))
        async with httpx.AsyncClient(verify=trust) as http:
            answer = await http.get(f"{url}/health/live")
            whole = await http.post(f"{url}/oauth2/token")
        assert (answer.status_code, whole.status_code) == (200, 400)
        for each in (answer, whole):
            assert each.headers["strict-transport-security"] == "max-age=31536000"
            assert each.headers["x-content-type-options"] == "nosniff"
        old = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        old.check_hostname = False
        old.verify_mode = ssl.CERT_NONE
        old.set_ciphers("ALL:@SECLEVEL=0")
        with warnings.catch_warnings(action="ignore", category=DeprecationWarning):
            old.minimum_version = ssl.TLSVersion.TLSv1
            old.maximum_version = ssl.TLSVersion.TLSv1_1
        async with httpx.AsyncClient(verify=old) as http:
            with pytest.raises(httpx.ConnectError):
                await http.get(f"{url}/health/live")


async def test_certificate_is_taken_anew_when_it_changes(core: Core, tmp_path: Path) -> None:
    """Without a restart; connections that are open go on."""
    files = self_signed(tmp_path / "tls", "127.0.0.1")
    other = self_signed(tmp_path / "other", "127.0.0.1")
    async with serving(core, files) as url, httpx.AsyncClient(verify=False) as http:  # noqa: S501 which one is shown is the test
        await http.get(f"{url}/health/live")
        assert await asyncio.to_thread(shown, url) == of(files.certificate)
        replace(files, other)

        async def anew() -> bool:
            return await asyncio.to_thread(shown, url) == of(other.certificate)

        await until(anew)
        assert (await http.get(f"{url}/health/live")).status_code == 200


async def test_files_that_cannot_be_used_leave_the_certificate_of_before(
    core: Core, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """A key that is not the certificate's, half a file, no file: told, and nobody is cut off."""
    files = self_signed(tmp_path / "tls", "127.0.0.1")
    before = of(files.certificate)
    other = self_signed(tmp_path / "other", "127.0.0.1")
    async with serving(core, files) as url:
        files.key.write_bytes(other.key.read_bytes())
        await until(lambda: "the certificate of before stays" in caplog.text)
        assert await asyncio.to_thread(shown, url) == before
        caplog.clear()
        files.certificate.write_text("-----BEGIN CERTIFICATE-----")
        await until(lambda: "the certificate of before stays" in caplog.text)
        assert await asyncio.to_thread(shown, url) == before
        caplog.clear()
        files.certificate.unlink()
        await until(lambda: "the certificate of before stays" in caplog.text)
        assert await asyncio.to_thread(shown, url) == before


def test_one_file_needs_the_other(tmp_path: Path) -> None:
    """Told by both names; without any there is no TLS."""
    assert TlsFiles.of(Settings()) is None
    for settings in (Settings(tls_certificate=tmp_path / "a"), Settings(tls_key=tmp_path / "b")):
        with pytest.raises(SettingsError, match="TALLYSTICK_TLS_CERTIFICATE and TALLYSTICK_TLS_KEY"):
            TlsFiles.of(settings)


def test_key_that_is_encrypted_is_no_question_at_the_terminal(tmp_path: Path) -> None:
    """It is refused, by the file's name."""
    files = self_signed(tmp_path / "tls", "localhost")
    key = ec.generate_private_key(ec.SECP256R1())
    files.key.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"x")))
    with pytest.raises(SettingsError, match=r"key\.pem cannot be used"):
        files.context()


def test_own_certificate_is_kept_while_it_is_good(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same at the next start; another for another host, for one that ends soon, and for files that are broken."""
    folder = tmp_path / "tls"
    first = of(self_signed(folder, "auth.test").certificate)
    assert of(self_signed(folder, "auth.test").certificate) == first
    made = x509.load_der_x509_certificate(first)
    names = made.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.DNSName) == ["auth.test", "localhost"]
    assert names.get_values_for_type(x509.IPAddress) == [ipaddress.ip_address(one) for one in ("127.0.0.1", "::1")]
    assert (folder / "key.pem").stat().st_mode & 0o077 == 0
    second = of(self_signed(folder, "other.test").certificate)
    assert second != first
    monkeypatch.setattr(tls_module, "_RENEWED", dt.timedelta(days=91))
    third = of(self_signed(folder, "other.test").certificate)
    assert third != second
    monkeypatch.undo()
    (folder / "key.pem").write_text("x")
    assert of(self_signed(folder, "other.test").certificate) != third


def test_up_speaks_https_by_its_own_certificate() -> None:
    """`tallystick up --tls-self-signed`: ready, and a token that names it as its issuer."""
    with running_product(arguments=("--tls-self-signed",)) as product:
        assert product.url.startswith("https://")
        trust = ssl.create_default_context(cafile=str(product.home / "tls" / "certificate.pem"))
        with httpx.Client(base_url=product.url, verify=trust) as http:
            assert http.get("/.well-known/openid-configuration").json()["issuer"] == product.url
            answer = http.post(
                "/oauth2/token",
                data={"grant_type": "client_credentials", "resource": "https://api.example.com/users"},
                auth=("worker", product.secret("worker")),
            )
            assert answer.status_code == 200, answer.text
        with pytest.raises(httpx.HTTPError):
            httpx.get(product.url.replace("https", "http") + "/health/live")


def test_two_certificates_are_a_mistake(tmp_path: Path) -> None:
    """Told before anything starts."""
    files = self_signed(tmp_path / "tls", "localhost")
    env = {"TALLYSTICK_TLS_CERTIFICATE": str(files.certificate), "TALLYSTICK_TLS_KEY": str(files.key)}
    command = [*COMMAND, "up", "--home", str(tmp_path / "home"), "--tls-self-signed"]
    done = subprocess.run(command, capture_output=True, text=True, env=env, check=False, timeout=60)
    assert done.returncode == 1
    assert "take one" in done.stderr
