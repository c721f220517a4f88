"""The command `tallystick`: joins the commands, each imported only when it is used, so that help is there at once."""

from __future__ import annotations

from importlib import import_module

import click

COMMANDS = {
    "up": "Run everything: PostgreSQL, NATS, the service, its relay, projections and consumers.",
    "serve": "Answer HTTP requests: one worker.",
    "relay": "Publish the journal to NATS.",
    "project": "Fold the journal into usage figures.",
    "consume": "Watch the events for abuse, and send them to webhooks.",
    "migrate": "Bring the database to this version.",
    "apply": "Make resources, scopes, roles and clients what a file says.",
    "resource": "APIs by their audience URI, and their scopes.",
    "role": "Roles, which gather scopes.",
    "client": "Clients: what they may ask for, and their secrets.",
    "account": "Accounts: people, their passwords and roles.",
    "keys": "Signing keys.",
    "webhook": "Webhooks: events sent by HTTP.",
    "audit": "Follow, show and check the record of events.",
    "anomalies": "What looks like abuse: list, show, acknowledge, and try rules on history.",
    "usage": "Figures of use.",
    "projections": "How far each projection of the journal is, and rebuilding one.",
    "doctor": "Check the running deployment against RFC 9700 and common mistakes.",
}
"""Each command and its line in the help. The module `service.cli.<name>` has it as the attribute of its own name."""


class Commands(click.Group):
    """A group whose commands are imported by name when they are used."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 click's signature
        """The names, in the order of the help."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002 click's signature
        """The command of a name, imported now; None if there is none."""
        if cmd_name not in COMMANDS:
            return None
        command: click.Command = getattr(import_module(f"service.cli.{cmd_name}"), cmd_name)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002 the same
        """Write the list of commands without importing any."""
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))


@click.command(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="tallystick", message="%(prog)s %(version)s")
def tallystick() -> None:
    """An OAuth 2.0 and OpenID Connect authorization server that keeps its receipts.

    TALLYSTICK_HOME (default ./.tallystick) is where its data is and where commands find a running one;
    TALLYSTICK_DATABASE_URL and TALLYSTICK_NATS_URL name real servers.
    """


def main() -> None:
    """Run the command line. Exits 0 done, 1 failed, 2 wrong usage."""
    tallystick(prog_name="tallystick")


if __name__ == "__main__":
    main()
