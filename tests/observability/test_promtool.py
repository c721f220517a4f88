"""Prometheus' own tool on our configuration and rules."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.observability.files import PROMETHEUS, alerts
from tests.observability.prometheus import promtool

pytestmark = pytest.mark.observability


@pytest.mark.parametrize(
    ("what", "file"),
    [("config", "prometheus.yml"), ("rules", "alerts.yml")],
)
def test_files_are_well_formed(what: str, file: str) -> None:
    """As Prometheus reads them, and without what it would warn of."""
    checked = promtool("check", what, str(PROMETHEUS / file))
    assert (checked.returncode, checked.stderr) == (0, ""), checked.stdout
    assert "SUCCESS" in checked.stdout


def test_every_rule_fires_and_does_not() -> None:
    """All that deploy/prometheus/alerts_test.yml says."""
    tested = promtool("test", "rules", str(PROMETHEUS / "alerts_test.yml"))
    assert tested.returncode == 0, tested.stdout + tested.stderr


def test_every_rule_that_is_lost_is_missed(tmp_path: Path) -> None:
    """Without the rules the tests of each fail: none of them is empty."""
    rules = (PROMETHEUS / "alerts.yml").read_text()
    (tmp_path / "alerts.yml").write_text(rules.replace("alert: Tallystick", "alert: Other"))
    (tmp_path / "alerts_test.yml").write_text((PROMETHEUS / "alerts_test.yml").read_text())
    tested = promtool("test", "rules", str(tmp_path / "alerts_test.yml"))
    missed = set(re.findall(r'alertname=\\?"(\w+)\\?", alertstate', tested.stdout + tested.stderr))
    assert missed == {alert.name for alert in alerts()}
