"""`tallystick apply`: make the access model what a file says."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from service.access.document import Document
    from service.access.plan import Applied, Plan


@click.command()
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--dry-run", is_flag=True, help="Only show the difference.")
@click.option("--prune", is_flag=True, help="Remove what is not in the file; without it, such things are kept.")
@click.option("--json", "as_json", is_flag=True, help='Print JSON: {"changes": […], "secrets": {…}, …}.')
def apply(file: Path, dry_run: bool, prune: bool, as_json: bool) -> None:
    """Make resources, scopes, roles and clients what the YAML FILE says.

    Shows the difference first. A second run changes nothing. The secret of a new client is shown once, at the end.
    """
    from service.access.document import read_document
    from service.access.errors import AccessFileError
    from service.cli.access_session import Mistakes

    try:
        document = read_document(file)
    except AccessFileError as error:
        raise Mistakes(str(error)) from error
    if dry_run:
        _show(document, prune=prune, as_json=as_json)
    else:
        _apply(document, prune=prune, as_json=as_json)


def _show(document: Document, *, prune: bool, as_json: bool) -> None:
    from service.access.check import plan_document
    from service.access.difference import as_json as changes
    from service.cli.access_output import print_json
    from service.cli.access_session import query

    plan = query(lambda model: plan_document(document, model, prune=prune))
    if as_json:
        print_json({"dry_run": True, "changes": changes(plan.steps), "secrets": {}, "kept": _kept(plan), "notes": []})
    else:
        _print_plan(plan)


def _apply(document: Document, *, prune: bool, as_json: bool) -> None:
    from service.access.check import plan_document
    from service.cli.access_session import change

    plans: list[Plan] = []

    def show(plan: Plan) -> None:
        plans.append(plan)
        if not as_json:
            _print_plan(plan)

    def report(applied: Applied) -> None:
        if as_json:
            _print_applied(applied, plans[-1])
        else:
            _tell_applied(applied)

    change(
        lambda model: plan_document(document, model, prune=prune),
        report,
        show=show,
        secret_files=document.secret_files,
    )


def _print_applied(applied: Applied, plan: Plan) -> None:
    from service.access.difference import as_json as changes
    from service.cli.access_output import print_json

    print_json(
        {
            "dry_run": False,
            "changes": changes(applied.steps),
            "secrets": applied.secrets,
            "kept": _kept(plan),
            "notes": applied.notes,
        }
    )


def _tell_applied(applied: Applied) -> None:
    from service.cli.access_output import print_secrets

    for note in applied.notes:
        click.echo(note)
    if applied.steps:
        click.echo(f"applied: {len(applied.steps)} change{'s' if len(applied.steps) > 1 else ''}")
    print_secrets(applied.secrets)


def _print_plan(plan: Plan) -> None:
    from service.access.difference import difference
    from service.cli.access_output import print_lines

    print_lines(difference(plan))


def _kept(plan: Plan) -> list[dict[str, Any]]:
    return [{"kind": kind, "name": name} for kind, name in plan.kept]
