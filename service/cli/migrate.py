"""`tallystick migrate`: bring the database to this version."""

from __future__ import annotations

import click


@click.command()
def migrate() -> None:
    """Bring the database to this version; refuses a newer one.

    Uses TALLYSTICK_OWNER_DATABASE_URL, whose role owns the schema, else TALLYSTICK_DATABASE_URL, else the instance that
    runs on the home.
    """
    from service.cli.connect import checked_settings, servers
    from service.journal.migrate import MigrationError
    from service.journal.migrate import migrate as migrate_database

    settings = checked_settings()
    url = settings.owner_database_url
    if url is None:
        found = servers(settings)
        url = found.owner_database_url or found.database_url
    try:
        applied = migrate_database(url)
    except MigrationError as error:
        raise click.ClickException(str(error)) from error
    for migration in applied:
        click.echo(f"applied {migration}")
    click.echo("the database is at this version")
