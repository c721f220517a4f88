"""`tallystick consume`: what reacts to events, apart from the service."""

from __future__ import annotations

import click


@click.command()
def consume() -> None:
    """Watch the events for abuse, and send them to webhooks.

    Needs TALLYSTICK_DATABASE_URL, TALLYSTICK_NATS_URL, TALLYSTICK_ISSUER and the master key. Several processes share
    the partitions of the anomaly engine; where one ends, the others take over. Runs until SIGINT or SIGTERM.
    """
    import gc

    from service.bootstrap import run_consumers
    from service.cli.until_signalled import run_until_signalled

    # A batch of facts lives as long as it is judged, and nothing of it in circles: looking for those costs a tenth.
    gc.freeze()
    gc.set_threshold(200_000, 20, 100)
    run_until_signalled("consume", run_consumers)
