"""Settings: `TALLYSTICK_*` environment variables, converted and checked in one place.

Every field is documented in `docs/settings.md`; a test holds the two equal. Those of the anomaly rules are
`TALLYSTICK_ANOMALY_*` (`consumers/anomalies/thresholds.py`).
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Literal, TypeVar

import msgspec
from msgspec import Meta

from consumers.anomalies.thresholds import Thresholds

PREFIX = "TALLYSTICK_"
ANOMALY_PREFIX = f"{PREFIX}ANOMALY_"

Seconds = Annotated[float, Meta(gt=0, le=3_600)]
Rate = Annotated[float, Meta(ge=0, le=1_000_000)]
Burst = Annotated[int, Meta(ge=1, le=10_000_000)]
SigningAlgorithm = Literal["ES256", "EdDSA", "RS256", "PS256"]
SessionEndRevokes = Literal["online", "all", "none"]


class SettingsError(Exception):
    """A setting has a value that cannot be used. The message names the variable."""


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """What an operator can set. Times are in seconds, sizes in bytes."""

    home: Path = Path(".tallystick")
    database_url: str | None = None
    owner_database_url: str | None = None
    nats_url: str | None = None
    issuer: str | None = None
    master_key: str | None = None
    master_key_file: Path | None = None

    signing_alg: SigningAlgorithm = "ES256"
    access_token_lifetime: Annotated[int, Meta(ge=1, le=86_400)] = 600
    secret_overlap: Annotated[int, Meta(ge=0)] = 86_400
    key_publish_ahead: Annotated[int, Meta(ge=0)] = 900
    jwks_max_age: Annotated[int, Meta(ge=0)] = 300
    assertion_max_lifetime: Annotated[int, Meta(ge=1, le=86_400)] = 3_600

    authorization_code_lifetime: Annotated[int, Meta(ge=1, le=600)] = 60
    id_token_lifetime: Annotated[int, Meta(ge=1, le=86_400)] = 600
    refresh_token_lifetime: Annotated[int, Meta(ge=1)] = 2_592_000
    refresh_idle_lifetime: Annotated[int, Meta(ge=1)] = 1_209_600
    refresh_grace: Annotated[int, Meta(ge=0, le=60)] = 10
    refresh_grace_retries: Annotated[int, Meta(ge=0, le=100)] = 5
    device_code_lifetime: Annotated[int, Meta(ge=1, le=3_600)] = 600
    device_interval: Annotated[int, Meta(ge=1, le=60)] = 5

    session_lifetime: Annotated[int, Meta(ge=1)] = 43_200
    session_end_revokes: SessionEndRevokes = "online"
    login_failures_window: Annotated[int, Meta(ge=1, le=86_400)] = 900
    login_failures_per_account: Annotated[int, Meta(ge=1)] = 10
    login_failures_per_source: Annotated[int, Meta(ge=1)] = 50

    password_memory_kib: Annotated[int, Meta(ge=1_024, le=4_194_304)] = 65_536
    password_passes: Annotated[int, Meta(ge=1, le=100)] = 3
    password_lanes: Annotated[int, Meta(ge=1, le=64)] = 1
    password_workers: Annotated[int, Meta(ge=1, le=64)] = 2
    breached_passwords_file: Path | None = None

    commit_deadline: Seconds = 2.0
    commit_queue_limit: Annotated[int, Meta(ge=1)] = 4_096
    commit_batch_limit: Annotated[int, Meta(ge=1, le=1_000)] = 256
    staleness_bound: Seconds = 1.0
    grant_cache_limit: Annotated[int, Meta(ge=1)] = 1_000_000
    session_cache_limit: Annotated[int, Meta(ge=1)] = 100_000
    stream_replicas: Annotated[int, Meta(ge=1, le=5)] = 1

    audit_heartbeat: Annotated[float, Meta(gt=0, le=300)] = 15.0
    audit_streams_limit: Annotated[int, Meta(ge=0, le=10_000)] = 100

    usage_interval: Annotated[int, Meta(ge=1, le=3_600)] = 60
    country_database: Path | None = None
    anomaly_partitions: Annotated[int, Meta(ge=1, le=16)] = 1
    anomaly_responses: str = "refresh_token_reuse=revoke_grant"
    anomaly_quiet: Annotated[int, Meta(ge=60, le=2_592_000)] = 3_600
    anomaly_relearn: Annotated[int, Meta(ge=1, le=366)] = 30
    usage_minutes_kept: Annotated[int, Meta(ge=3_600, le=31_622_400)] = 604_800

    webhook_timeout: Annotated[float, Meta(gt=0, le=300)] = 10.0
    webhook_attempts: Annotated[int, Meta(ge=1, le=100)] = 10
    webhook_private_targets: bool = False

    tls_certificate: Path | None = None
    tls_key: Path | None = None
    trusted_proxies: str = ""
    proxy_header: Literal["x-forwarded-for", "forwarded"] = "x-forwarded-for"
    insecure_http: bool = False
    hsts_max_age: Annotated[int, Meta(ge=0)] = 31_536_000

    source_rate: Rate = 20.0
    source_burst: Burst = 400
    client_rate: Rate = 200.0
    client_burst: Burst = 2_000
    account_rate: Rate = 2.0
    account_burst: Burst = 100
    global_rate: Rate = 0.0
    global_burst: Burst = 10_000
    refusal_rate: Rate = 10.0
    refusal_burst: Burst = 500
    throttle_hold: Annotated[float, Meta(ge=0, le=60)] = 0.5
    throttle_window: Annotated[int, Meta(ge=1, le=3_600)] = 60

    max_header: Annotated[int, Meta(ge=4_096, le=1_048_576)] = 32_768
    max_body: Annotated[int, Meta(ge=1_024)] = 65_536
    header_timeout: Seconds = 10.0
    body_timeout: Seconds = 30.0
    connections_limit: Annotated[int, Meta(ge=1, le=1_000_000)] = 10_000
    connections_per_source: Annotated[int, Meta(ge=0, le=1_000_000)] = 256
    log_level: Literal["debug", "info", "warning", "error"] = "info"

    def __repr__(self) -> str:
        """The home alone: URLs hold passwords, and the master key is a key."""
        return f"Settings(home={str(self.home)!r})"

    @property
    def migration_url(self) -> str | None:
        """The URL whose role owns the schema: the owner's where one is given, else the service's."""
        return self.owner_database_url or self.database_url


def load_settings(environ: Mapping[str, str] | None = None) -> Settings:
    """Read the settings from the environment.

    Raises SettingsError naming the variable and what is wrong with it.
    """
    return _load(Settings, PREFIX, environ)


def load_thresholds(environ: Mapping[str, str] | None = None) -> Thresholds:
    """Read the thresholds of the anomaly rules from the environment. Raises SettingsError as `load_settings` does."""
    return _load(Thresholds, ANOMALY_PREFIX, environ)


S = TypeVar("S", bound=msgspec.Struct)


def _load(kind: type[S], prefix: str, environ: Mapping[str, str] | None) -> S:
    source = os.environ if environ is None else environ
    variables = {name: prefix + name.upper() for name in kind.__struct_fields__}
    values = {name: source[variable] for name, variable in variables.items() if source.get(variable, "") != ""}
    try:
        return msgspec.convert(values, kind, strict=False, dec_hook=_decode)
    except msgspec.ValidationError as error:
        raise SettingsError(_explain(str(error), prefix)) from None


def _decode(wanted: type, value: object) -> object:
    if wanted is Path:
        try:
            return Path(str(value)).expanduser()
        except RuntimeError as error:
            raise ValueError(str(error)) from error
    raise NotImplementedError(wanted)


def _explain(message: str, prefix: str) -> str:
    reason, _, path = message.partition(" - at `$.")
    variable = prefix + path.rstrip("`").upper() if path else prefix + "*"
    return f"{variable}: {reason}"
