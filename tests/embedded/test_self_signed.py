"""`tallystick up --tls-self-signed`, for trying."""

from __future__ import annotations

import asyncio
import socket
from pathlib import Path

import pytest
from click.testing import CliRunner

from service.cli import up as up_module
from service.cli.main import tallystick
from service.embedded.home import Home
from service.embedded.product import Plan, _Product
from service.embedded.programs import Register
from service.settings import Settings, load_settings


async def settings_of_programs(plan: Plan) -> Settings:
    """The settings that the programs of a product are started with."""
    home = Home(plan.home)
    with home.lock() as secrets, socket.create_server(("127.0.0.1", 0)) as listener:
        product = _Product(plan, home, secrets, Register(home.run_dir / "programs.json"), listener)
        return load_settings(product._environment(product._info()))


@pytest.mark.parametrize(("arguments", "seconds"), [(["--tls-self-signed"], 0), ([], 600)])
def test_browsers_remember_nothing_of_a_certificate_for_trying(
    arguments: list[str], seconds: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With a certificate that it signs itself no HSTS is sent, whatever the setting; else what the setting says."""
    plans: list[Plan] = []

    async def keep(plan: Plan) -> None:
        plans.append(plan)

    monkeypatch.setattr(up_module, "_until_signalled", keep)
    monkeypatch.setattr(up_module, "configure_logs", lambda _level, _role: None)
    monkeypatch.setenv("TALLYSTICK_HSTS_MAX_AGE", "600")
    for name in ("TALLYSTICK_DATABASE_URL", "TALLYSTICK_NATS_URL"):
        monkeypatch.setenv(name, "postgresql://x@127.0.0.1/x" if "DATABASE" in name else "nats://127.0.0.1:1")
    result = CliRunner().invoke(tallystick, ["up", "--home", str(tmp_path / "home"), "--port", "0", *arguments])
    assert result.exit_code == 0, result.output
    assert asyncio.run(settings_of_programs(plans[0])).hsts_max_age == seconds
