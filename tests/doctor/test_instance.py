from __future__ import annotations

from pathlib import Path

import pytest

from service.doctor.instance import deployed
from service.embedded.home import RunInfo
from service.settings import Settings, SettingsError

RUNNING = RunInfo(
    pid=7,
    http_url="http://127.0.0.1:8080",
    database_url="postgresql://service@/db",
    owner_database_url="postgresql://owner@/db",
    nats_url="nats://service@127.0.0.1",
    audit_nats_url="nats://audit@127.0.0.1",
)
SHELL = Settings(home=Path("/srv/home"), access_token_lifetime=60)


def proc(folder: Path, **variables: str) -> Path:
    """A /proc in which process 7 has an environment and a working directory."""
    process = folder / "7"
    process.mkdir()
    pairs = ["PATH=/bin", *(f"TALLYSTICK_{name}={value}" for name, value in variables.items()), "NO_EQUALS_SIGN"]
    (process / "environ").write_bytes("\0".join(pairs).encode() + b"\0")
    (process / "cwd").symlink_to("/srv/elsewhere")
    return folder


def test_the_running_instance_s_environment_is_what_counts(tmp_path: Path) -> None:
    """Its settings are those checked, with the addresses that it runs at and files as it finds them."""
    theirs = proc(tmp_path, ACCESS_TOKEN_LIFETIME="900", HOME="home", TLS_KEY="key.pem", ISSUER="https://a.example/")

    found = deployed(SHELL, RUNNING, theirs)

    assert found.settings.access_token_lifetime == 900
    assert found.settings.home == Path("/srv/home")
    assert found.settings.tls_key == Path("/srv/elsewhere/key.pem")
    assert found.settings.issuer == "https://a.example"
    assert found.settings.database_url == RUNNING.database_url
    assert found.settings.nats_url == RUNNING.nats_url
    assert (found.local_url, found.audit_nats_url) == (RUNNING.http_url, RUNNING.audit_nats_url)


def test_what_this_shell_has_otherwise_is_named_without_its_value(tmp_path: Path) -> None:
    """Settings that commands of this shell would use and the service does not are told by name."""
    found = deployed(SHELL, RUNNING, proc(tmp_path, ACCESS_TOKEN_LIFETIME="900", MASTER_KEY="c2VjcmV0"))

    assert found.differing == ("TALLYSTICK_MASTER_KEY", "TALLYSTICK_ACCESS_TOKEN_LIFETIME")


def test_a_file_is_the_same_by_another_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A relative path here and there may name one file."""
    monkeypatch.chdir(tmp_path)
    theirs = proc(tmp_path, ACCESS_TOKEN_LIFETIME="60", TLS_KEY=str(tmp_path / "key.pem"))
    shell = Settings(home=Path("/srv/home"), access_token_lifetime=60, tls_key=Path("key.pem"))

    assert deployed(shell, RUNNING, theirs).differing == ()


def test_without_a_readable_environment_this_shell_s_settings_count(tmp_path: Path) -> None:
    """Elsewhere than on Linux, or as another account, there is nothing to compare with."""
    found = deployed(SHELL, RUNNING, tmp_path)

    assert (found.settings.access_token_lifetime, found.settings.issuer, found.differing) == (60, RUNNING.http_url, ())


def test_servers_that_this_shell_names_are_another_deployment(tmp_path: Path) -> None:
    """The instance of the home is left out where this shell names another database."""
    shell = Settings(home=Path("/srv/home"), database_url="postgresql://service@db/x", issuer="https://a.example/")

    found = deployed(shell, RUNNING, proc(tmp_path, ACCESS_TOKEN_LIFETIME="900"))

    assert (found.settings.access_token_lifetime, found.settings.issuer) == (600, "https://a.example")
    assert (found.local_url, found.audit_nats_url, found.differing) == (None, None, ())


def test_an_environment_that_cannot_be_used_names_the_variable(tmp_path: Path) -> None:
    """A running instance of another version may have settings that this one refuses."""
    with pytest.raises(SettingsError, match="TALLYSTICK_SIGNING_ALG"):
        deployed(SHELL, RUNNING, proc(tmp_path, SIGNING_ALG="HS256"))
