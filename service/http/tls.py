"""TLS of the HTTP server: a certificate from files, taken anew when they change, and one of its own for trying."""

from __future__ import annotations

import asyncio
import datetime as dt
import ipaddress
import logging
import ssl
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from service.embedded.files import make_private_dir, write_private
from service.settings import Settings, SettingsError

log = logging.getLogger(__name__)

LOOK = 5.0
"""Seconds between two looks at the files."""

_LIFETIME = dt.timedelta(days=90)
_RENEWED = dt.timedelta(days=30)
_LOCAL = ("localhost", "127.0.0.1", "::1")


class TlsFiles(NamedTuple):
    """A certificate with its chain and its private key, both in PEM."""

    certificate: Path
    key: Path

    @classmethod
    def of(cls, settings: Settings) -> TlsFiles | None:
        """The files of the settings; None where there are none. Raises SettingsError for one without the other."""
        certificate, key = settings.tls_certificate, settings.tls_key
        if certificate is None and key is None:
            return None
        if certificate is None or key is None:
            raise SettingsError("TALLYSTICK_TLS_CERTIFICATE and TALLYSTICK_TLS_KEY need each other")
        return cls(certificate, key)

    def context(self) -> ssl.SSLContext:
        """TLS 1.2 and newer by this certificate. Raises SettingsError."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.set_alpn_protocols(["http/1.1"])
        self.load_into(context)
        return context

    def load_into(self, context: ssl.SSLContext) -> None:
        """Have new connections see this certificate. Raises SettingsError for files that are no pair, which the context
        then does not see; only a change in the very middle of this is seen until the next look.
        """
        try:
            # A pair that does not fit is found here, before anything of it is in use.
            ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(self.certificate, self.key, password=_no_password)
            context.load_cert_chain(self.certificate, self.key, password=_no_password)
        except (OSError, ValueError) as error:  # an ssl.SSLError is an OSError
            raise SettingsError(
                f"the certificate {self.certificate} and the key {self.key} cannot be used: {error}"
            ) from None

    async def reload(self, context: ssl.SSLContext, look: float = LOOK) -> None:
        """Load the files into the context whenever they change, until cancelled. `look` is in seconds.

        Files that cannot be used are told, and the certificate of before stays.
        """
        loaded: object = None  # so that what changed since the start is seen at the first look
        while True:
            await asyncio.sleep(look)
            state = self._state()
            if state == loaded:
                continue
            try:
                self.load_into(context)
            except SettingsError as error:
                log.error("the certificate of before stays: %s", error)  # noqa: TRY400 its own words say it all
            else:
                if loaded is not None:
                    log.info("the certificate %s was taken anew", self.certificate)
            loaded = state

    def _state(self) -> tuple[object, ...]:
        return tuple(_state(path) for path in self)


def self_signed(folder: Path, host: str) -> TlsFiles:
    """A certificate for this machine and `host`, signed by itself, made in `folder` unless one is there that is good
    for a month more. For trying: nobody but who is told to trusts it. Raises OSError.
    """
    files = TlsFiles(folder / "certificate.pem", folder / "key.pem")
    names = tuple(dict.fromkeys((host, *_LOCAL)))
    now = dt.datetime.now(dt.UTC)
    with suppress(OSError, ValueError, SettingsError, x509.ExtensionNotFound):
        made = x509.load_pem_x509_certificate(files.certificate.read_bytes())
        said = made.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        files.context()
        if made.not_valid_after_utc - now > _RENEWED and list(said) == [_name(name) for name in names]:
            make_private_dir(folder)
            files.key.chmod(0o600)
            return files
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Tallystick, signed by itself")])
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(hours=1))
        .not_valid_after(now + _LIFETIME)
        .add_extension(x509.SubjectAlternativeName([_name(name) for name in names]), critical=False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .sign(key, hashes.SHA256())
    )
    make_private_dir(folder)
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    write_private(files.key, pem.decode())
    write_private(files.certificate, certificate.public_bytes(Encoding.PEM).decode())
    return files


def _name(text: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(text))
    except ValueError:
        return x509.DNSName(text.encode("idna").decode("ascii"))


def _state(path: Path) -> object:
    with suppress(OSError):
        stat = path.stat()
        return (stat.st_mtime_ns, stat.st_size, stat.st_ino)
    return None


def _no_password() -> str:
    """Instead of a question at the terminal, which nobody would answer."""
    raise ValueError("the key is encrypted")
