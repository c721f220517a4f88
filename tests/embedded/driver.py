"""Runs `product.run` as a process, with stand-ins for worker and relay. Arguments: HOME PORT RELAY WORKERS."""

import asyncio
import signal
import sys
from collections.abc import Mapping
from pathlib import Path

import psycopg

from service.embedded.errors import EmbeddedError
from service.embedded.product import DatabaseUrls, Plan, run

STAND_IN = str(Path(__file__).with_name("stand_in.py"))


def _migrate(urls: DatabaseUrls) -> None:
    with psycopg.connect(urls.owner) as connection:
        connection.execute("CREATE TABLE IF NOT EXISTS receipts (n int)")
        connection.execute("GRANT ALL ON receipts TO tallystick_service")
    with psycopg.connect(urls.service) as connection:
        connection.execute("SELECT count(*) FROM receipts")


async def _before_workers(environment: Mapping[str, str]) -> None:
    _say(f"issuer {environment['TALLYSTICK_ISSUER']}")


def _say(line: str) -> None:
    sys.stderr.write(f"{line}\n")


def _announce(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


async def _main(home: str, port: str, relay: str, workers: str) -> None:
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    plan = Plan(
        home=Path(home),
        host="127.0.0.1",
        port=int(port),
        workers=int(workers),
        database_url=None,
        owner_database_url=None,
        nats_url=None,
        issuer=None,
        tls=lambda: None,
        worker=lambda descriptor: (sys.executable, STAND_IN, "serve", str(descriptor)),
        roles={"relay": (sys.executable, STAND_IN, relay)},
        migrate=_migrate,
        before_workers=_before_workers,
        say=_say,
        announce=_announce,
    )
    await run(plan, stop)


if __name__ == "__main__":
    try:
        asyncio.run(_main(*sys.argv[1:]))
    except EmbeddedError as error:
        sys.exit(f"Error: {error}")
