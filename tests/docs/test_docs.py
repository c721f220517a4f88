"""What the documents say exists, and what exists is in the documents."""

from __future__ import annotations

import re
from pathlib import Path

import click
import msgspec
import pytest

from consumers.anomalies.thresholds import Thresholds
from service.cli.main import tallystick
from service.settings import ANOMALY_PREFIX, PREFIX, Settings

ROOT = Path(__file__).parents[2]
DOCUMENTS = sorted([ROOT / "README.md", *(ROOT / "docs").rglob("*.md")])
_ROW = re.compile(r"^\| `TALLYSTICK_([A-Z_]+)` \| (?:`([^`]*)`)? ?\|", re.MULTILINE)
_SETTING = re.compile(r"TALLYSTICK_[A-Z_]+")
_COMMAND = re.compile(r"tallystick ([a-z]+)(?: ([a-z-]+))?")
_LINK = re.compile(r"\]\((?!https?:)([^)#]+)")
_LONGEST = 120


def _defaults(kind: type[msgspec.Struct], prefix: str) -> dict[str, str]:
    return {
        prefix + name.upper(): "" if default is None else str(default)
        for name, default in zip(kind.__struct_fields__, kind.__struct_defaults__, strict=True)
    }


def test_every_setting_is_documented_with_its_default() -> None:
    """docs/settings.md lists exactly the settings and thresholds of the code, each with its default."""
    rows = _ROW.findall((ROOT / "docs" / "settings.md").read_text())

    assert {PREFIX + name: default for name, default in rows} == (
        _defaults(Settings, PREFIX) | _defaults(Thresholds, ANOMALY_PREFIX)
    )


def test_no_threshold_takes_the_variable_of_a_setting() -> None:
    """A variable is either a setting or a threshold."""
    assert set() == set(_defaults(Settings, PREFIX)) & set(_defaults(Thresholds, ANOMALY_PREFIX))


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_settings_named_in_a_document_exist(document: Path) -> None:
    """No document names a TALLYSTICK_ variable that the code does not read."""
    known = set(_defaults(Settings, PREFIX)) | set(_defaults(Thresholds, ANOMALY_PREFIX))

    assert set(_SETTING.findall(document.read_text())) - known == set()


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_links_lead_somewhere(document: Path) -> None:
    """Every relative link of a document leads to a file."""
    links = _LINK.findall(document.read_text())

    assert [link for link in links if not (document.parent / link).exists()] == []


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_commands_named_in_a_document_exist(document: Path) -> None:
    """Every `tallystick …` in code of a document is a command, and its second word a subcommand where it has those."""
    code = "\n".join(re.findall(r"`[^`\n]+`|^ {4}.*$", document.read_text(), re.MULTILINE))
    context = click.Context(tallystick)
    missing = []
    for name, second in _COMMAND.findall(code):
        command = tallystick.get_command(context, name)
        if command is None or (isinstance(command, click.Group) and second and second not in command.commands):
            missing.append(f"{name} {second}")

    assert missing == []


def test_the_repository_names_no_machine_and_no_registry() -> None:
    """The locks hold hashes and no addresses."""
    for lock in ROOT.glob("requirements*.lock"):
        assert "://" not in lock.read_text()
