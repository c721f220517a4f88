"""`python -m benchmarks.floor PORT CONFIGURATION`: PostgreSQL, NATS, and the application on them, until SIGTERM."""

from __future__ import annotations

import asyncio
import json
import signal
import sys
from pathlib import Path

from service.embedded.servers import embedded_servers


async def main(port: str, configuration: Path) -> None:
    """Run all three."""
    known = json.loads(configuration.read_text())  # noqa: ASYNC240 nothing else runs yet
    async with embedded_servers(Path(known["home"]), discard=True) as urls:
        configuration.write_text(json.dumps(known | {"database": urls.owner_database_url, "nats": urls.nats_url}))  # noqa: ASYNC240
        command = (sys.executable, "-m", "benchmarks.floor.app", port, str(configuration))
        app = await asyncio.create_subprocess_exec(*command)
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, app.terminate)
        await app.wait()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], Path(sys.argv[2])))
