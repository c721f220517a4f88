"""Files of this machine: who can read secrets, and settings that do not belong in production."""

from __future__ import annotations

from collections.abc import Iterator

from service.doctor.facts import FileFacts
from service.doctor.finding import Check, Finding, Group, listed

HOME_OPEN = Check(
    "home-open",
    ("fail",),
    "the home folder is its owner's alone",
    "The home holds passwords, the master key and the database; who can list it finds them.",
    "chmod 700 {path}",
)
KEY_OPEN = Check(
    "master-key-open",
    ("fail",),
    "the master key is its owner's alone",
    "Whoever has the master key opens every signing key, and can sign any token (RFC 8725 section 3.5 is about keys"
    " that can be guessed; one that can be read is worse).",
    "chmod 600 {path}, and, if others use this machine, take it for known",
)
SECRET_OPEN = Check(
    "secret-file-open",
    ("fail",),
    "files with secrets are their owner's alone",
    "Others of this machine can act as the service, as its database's owner, or as a client.",
    "chmod 600 {path}, and change what is in it if others use this machine",
)
KEY_IN_ENVIRONMENT = Check(
    "master-key-in-environment",
    ("info",),
    "the master key is in a file",
    "An environment is inherited by every child process, and shown by crash reports and inspection of containers; a"
    " file with mode 600 is not.",
    "put it into a file with mode 600, and export TALLYSTICK_MASTER_KEY_FILE=…",
)
DEBUG = Check(
    "log-level-debug",
    ("warn",),
    "the log is not at debug",
    "Debug logs are large, and are made for whoever looks for a mistake, not to be kept.",
    "unset TALLYSTICK_LOG_LEVEL",
)
DIFFER = Check(
    "settings-differ",
    ("warn",),
    "this shell has the settings of the running instance",
    "Commands such as apply, keys and migrate use the settings of the shell they run in; these checks used those of"
    " the running instance.",
    "export in this shell what the service has, or start the service anew with what is set here",
)
CHECKS = (HOME_OPEN, KEY_OPEN, SECRET_OPEN, KEY_IN_ENVIRONMENT, DEBUG, DIFFER)


def examine(facts: FileFacts) -> Iterator[Finding]:
    """The findings on this machine's files and settings."""
    if facts.home is not None:
        told = f"{facts.home.path} has mode {facts.home.mode:o}"
        yield HOME_OPEN.found(told, str(facts.home.path), path=str(facts.home.path))
    if facts.master_key is not None:
        path, mode = facts.master_key
        yield KEY_OPEN.found(f"{path} has mode {mode:o}", str(path), path=str(path))
    for path, mode in facts.open:
        yield SECRET_OPEN.found(f"{path} has mode {mode:o}", str(path), path=str(path))
    if facts.settings.master_key is not None:
        yield KEY_IN_ENVIRONMENT.found("the master key is in TALLYSTICK_MASTER_KEY", "TALLYSTICK_MASTER_KEY")
    if facts.settings.log_level == "debug":
        yield DEBUG.found("TALLYSTICK_LOG_LEVEL is debug", "TALLYSTICK_LOG_LEVEL")
    if facts.differing:
        told = f"other in this shell than in the running instance: {listed(facts.differing)}"
        yield DIFFER.found(told, *facts.differing)


GROUP = Group("files", CHECKS, examine)
