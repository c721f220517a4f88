"""`tallystick project`: folds the journal into the projections that live in the database."""

from __future__ import annotations

import click


@click.command()
def project() -> None:
    """Fold the journal into the projections that live in the database, such as the usage figures.

    Needs TALLYSTICK_DATABASE_URL. Of several processes one folds each projection, the others wait to take over. What an
    older version folded is rebuilt first, while its figures still answer. Runs until SIGINT or SIGTERM.
    """
    import gc

    from service.bootstrap import run_projector
    from service.cli.until_signalled import run_until_signalled

    # A page of facts lives as long as it is folded, and nothing of it in circles: looking for those costs a third.
    gc.freeze()
    gc.set_threshold(200_000, 20, 100)
    run_until_signalled("project", run_projector)
