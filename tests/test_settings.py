from pathlib import Path

import pytest

from consumers.anomalies.thresholds import Thresholds
from service.settings import ANOMALY_PREFIX, PREFIX, Settings, SettingsError, load_settings, load_thresholds


def test_nothing_set_is_the_defaults() -> None:
    """Without any variable, and with empty ones, the settings are the documented defaults."""
    assert Settings() == load_settings({})
    assert Settings() == load_settings({PREFIX + name.upper(): "" for name in Settings.__struct_fields__})


def test_every_setting_is_read_from_its_variable() -> None:
    """A value of each kind is converted: path, text, number, choice."""
    loaded = load_settings(
        {
            "TALLYSTICK_HOME": "~/tally",
            "TALLYSTICK_ISSUER": "https://auth.example.com",
            "TALLYSTICK_SIGNING_ALG": "EdDSA",
            "TALLYSTICK_ACCESS_TOKEN_LIFETIME": "60",
            "TALLYSTICK_STALENESS_BOUND": "0.25",
            "OTHER": "ignored",
        }
    )
    assert (Path("~/tally").expanduser(), "https://auth.example.com", "EdDSA", 60, 0.25) == (
        loaded.home,
        loaded.issuer,
        loaded.signing_alg,
        loaded.access_token_lifetime,
        loaded.staleness_bound,
    )


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("HOME", "~nobody-of-that-name/tally"),
        ("SIGNING_ALG", "HS256"),
        ("SIGNING_ALG", "none"),
        ("ACCESS_TOKEN_LIFETIME", "0"),
        ("ACCESS_TOKEN_LIFETIME", "86401"),
        ("ACCESS_TOKEN_LIFETIME", "ten"),
        ("ACCESS_TOKEN_LIFETIME", "1.5"),
        ("SECRET_OVERLAP", "-1"),
        ("KEY_PUBLISH_AHEAD", "-1"),
        ("JWKS_MAX_AGE", "-1"),
        ("ASSERTION_MAX_LIFETIME", "0"),
        ("AUTHORIZATION_CODE_LIFETIME", "601"),
        ("ID_TOKEN_LIFETIME", "0"),
        ("REFRESH_TOKEN_LIFETIME", "0"),
        ("REFRESH_IDLE_LIFETIME", "0"),
        ("REFRESH_GRACE", "61"),
        ("REFRESH_GRACE", "-1"),
        ("REFRESH_GRACE_RETRIES", "101"),
        ("DEVICE_CODE_LIFETIME", "3601"),
        ("DEVICE_INTERVAL", "0"),
        ("SESSION_LIFETIME", "0"),
        ("SESSION_END_REVOKES", "some"),
        ("LOGIN_FAILURES_WINDOW", "86401"),
        ("LOGIN_FAILURES_PER_ACCOUNT", "0"),
        ("LOGIN_FAILURES_PER_SOURCE", "0"),
        ("PASSWORD_MEMORY_KIB", "1023"),
        ("PASSWORD_PASSES", "0"),
        ("PASSWORD_LANES", "65"),
        ("PASSWORD_WORKERS", "0"),
        ("COMMIT_DEADLINE", "0"),
        ("COMMIT_DEADLINE", "nan"),
        ("COMMIT_DEADLINE", "inf"),
        ("COMMIT_QUEUE_LIMIT", "0"),
        ("COMMIT_BATCH_LIMIT", "1001"),
        ("STALENESS_BOUND", "-1"),
        ("GRANT_CACHE_LIMIT", "0"),
        ("SESSION_CACHE_LIMIT", "0"),
        ("BREACHED_PASSWORDS_FILE", "~nobody-of-that-name/list"),
        ("STREAM_REPLICAS", "6"),
        ("MAX_HEADER", "4095"),
        ("MAX_BODY", "10"),
        ("HEADER_TIMEOUT", "0"),
        ("BODY_TIMEOUT", "0"),
        ("CONNECTIONS_LIMIT", "0"),
        ("CONNECTIONS_PER_SOURCE", "-1"),
        ("WEBHOOK_TIMEOUT", "0"),
        ("WEBHOOK_TIMEOUT", "300.5"),
        ("WEBHOOK_TIMEOUT", "nan"),
        ("WEBHOOK_ATTEMPTS", "0"),
        ("WEBHOOK_ATTEMPTS", "101"),
        ("WEBHOOK_PRIVATE_TARGETS", "perhaps"),
        ("LOG_LEVEL", "loud"),
    ],
)
def test_an_error_names_the_variable(name: str, value: str) -> None:
    """A value that cannot be used stops the start, and the message says which variable it is."""
    with pytest.raises(SettingsError, match=f"^{PREFIX}{name}: "):
        load_settings({PREFIX + name: value})


def test_an_error_never_shows_a_secret() -> None:
    """What is wrong with one variable tells nothing of another."""
    with pytest.raises(SettingsError) as refused:
        load_settings({"TALLYSTICK_MASTER_KEY": "c2VjcmV0", "TALLYSTICK_MAX_BODY": "x"})
    assert "c2VjcmV0" not in str(refused.value)


def test_migrations_run_as_the_owner_where_there_is_one() -> None:
    """The owner's URL wins over the service's."""
    assert Settings(database_url="service", owner_database_url="owner").migration_url == "owner"
    assert Settings(database_url="service").migration_url == "service"


def test_thresholds_are_read_from_their_own_variables() -> None:
    """Without any variable the thresholds are the defaults; settings beside them are let be."""
    environ = {f"{ANOMALY_PREFIX}SPRAY_SHARE": "0.25", f"{ANOMALY_PREFIX}ASLEEP": "60", "TALLYSTICK_ISSUER": "x"}

    assert Thresholds() == load_thresholds({})
    assert Thresholds(spray_share=0.25, asleep=60) == load_thresholds(environ)


@pytest.mark.parametrize(("name", "value"), [("ASLEEP", "0"), ("SPRAY_SHARE", "-1"), ("REPLAYS", "many")])
def test_a_threshold_that_cannot_be_used_names_its_variable(name: str, value: str) -> None:
    """The message begins with the whole name of the variable."""
    with pytest.raises(SettingsError, match=f"^{ANOMALY_PREFIX}{name}: "):
        load_thresholds({ANOMALY_PREFIX + name: value})
