"""`tallystick relay`: publishes the journal to NATS."""

from __future__ import annotations

import click


@click.command()
def relay() -> None:
    """Publish the journal to NATS: event N at sequence N of the stream TALLYSTICK.

    Needs TALLYSTICK_DATABASE_URL, TALLYSTICK_NATS_URL and TALLYSTICK_ISSUER. Of several relays one leads, the others
    wait to take over. Runs until SIGINT or SIGTERM.
    """
    import gc

    from service.bootstrap import run_relay
    from service.cli.until_signalled import run_until_signalled

    # Messages live as long as they are sent, and nothing of them in circles: looking for those costs a tenth.
    gc.freeze()
    gc.set_threshold(200_000, 20, 100)
    run_until_signalled("relay", run_relay)
