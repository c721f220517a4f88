"""Is a document fit to be applied to what there is? Pure; every mistake is told, not just the first."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from projections.access_model import AccessModel
from schema.events import ClientSettings
from service.access.document import Document, ResourceEntry
from service.access.errors import AccessRuleError, FieldPath, Mistake, quoted
from service.access.own_api import uses_own_api, with_own_api
from service.access.plan import Plan, Wanted, make_plan
from service.access.rules import (
    Known,
    client_mistakes,
    client_references,
    resource_mistakes,
    role_mistakes,
    role_references,
    secret_file_mistakes,
)
from service.own_api.scopes import OWN_API


def plan_document(document: Document, model: AccessModel, *, prune: bool) -> Plan:
    """The plan that makes `model` what the document says. Raises AccessFileError."""
    mistakes = [*document.mistakes, *_of_entries(document), *_repeated(document)]
    if all(mistake.path[:1] == ("clients",) for mistake in document.mistakes):
        mistakes += _of_references(document, model, prune=prune)
    if mistakes:
        raise document.told(mistakes)
    return make_plan(model, with_own_api(document.wanted, model), prune=prune)


def plan_addition(model: AccessModel, wanted: Wanted) -> Plan:
    """The plan that adds to `model` what one command says. Raises AccessRuleError."""
    known = _known(model, wanted)
    mistakes: list[Mistake] = []
    for uri, descriptions in wanted.resources.items():
        mistakes += resource_mistakes(uri, descriptions)
    for name, scopes in wanted.roles.items():
        mistakes += [*role_mistakes(name, scopes), *role_references(scopes, known)]
    for settings in wanted.clients.values():
        mistakes += [*client_mistakes(settings), *client_references(settings, known)]
    if mistakes:
        raise AccessRuleError(mistakes)
    return make_plan(model, with_own_api(wanted, model) if uses_own_api(wanted) else wanted, prune=False)


def _known(model: AccessModel, wanted: Wanted) -> Known:
    """All that exists once `wanted` is added to `model`."""
    wanted = with_own_api(wanted, model)
    return Known(
        {**{uri: resource.scopes for uri, resource in model.resources.items()}, **wanted.resources},
        {**{name: role.scopes for name, role in model.roles.items()}, **wanted.roles},
    )


def _of_entries(document: Document) -> Iterator[Mistake]:
    """What is wrong with each entry alone, but for what its structure was blamed for already."""
    blamed = {mistake.path for mistake in document.mistakes}
    for mistake in _entry_mistakes(document):
        about_keys = mistake.path[:1] == ("clients",) and mistake.path[2:3] == ("jwks",)
        key_fields = {(*mistake.path[:2], field) for field in ("auth_method", "jwks", "jwks_file")}
        if mistake.path not in blamed and not (about_keys and any(path[:3] in key_fields for path in blamed)):
            yield mistake


def _entry_mistakes(document: Document) -> Iterator[Mistake]:
    for resource in document.resources:
        yield from _under(resource.path, resource_mistakes(resource.uri, resource.scopes))
    for role in document.roles:
        yield from _under(role.path, role_mistakes(role.name, role.scopes))
    for client in document.clients:
        yield from _under(client.path, client_mistakes(client.settings))
        if client.secret_file is not None:
            yield from _under(client.path, secret_file_mistakes(client.settings, client.secret_file))


def _repeated(document: Document) -> Iterator[Mistake]:
    names = (
        [((*entry.path, "uri"), entry.uri) for entry in document.resources],
        [((*entry.path, "name"), entry.name) for entry in document.roles],
        [((*entry.path, "id"), entry.settings.client_id) for entry in document.clients],
        [((*entry.path, "secret_file"), entry.secret_file) for entry in document.clients if entry.secret_file],
    )
    for section in names:
        first: dict[str, FieldPath] = {}
        for path, name in section:
            before = first.setdefault(name, path)
            if before != path:
                yield Mistake(path, f"{quoted(name)} is there twice, first in line {document.line_at(before)}")


def _of_references(document: Document, model: AccessModel, *, prune: bool) -> Iterator[Mistake]:
    wanted = with_own_api(document.wanted, model)
    known = Known(wanted.resources, wanted.roles) if prune else _known(model, wanted)
    blamed = {mistake.path for mistake in document.mistakes}
    for role in document.roles:
        yield from _under(role.path, role_references(role.scopes, known))
    for client in document.clients:
        mistakes = _under(client.path, client_references(client.settings, known))
        yield from (mistake for mistake in mistakes if mistake.path not in blamed)
    if not prune:
        for resource in document.resources:
            yield from _dropped(resource, model, known, wanted)


def _dropped(resource: ResourceEntry, model: AccessModel, known: Known, wanted: Wanted) -> Iterator[Mistake]:
    """A scope may not vanish under those that the file does not name and that keep it."""
    if resource.uri == OWN_API:
        return
    before = model.resources.get(resource.uri)
    gone = before.scopes.keys() - resource.scopes.keys() if before else frozenset()
    for scope in sorted(gone):
        for holder in _holders(scope, resource.uri, model, known, wanted):
            message = f"{quoted(scope)} is dropped, but {holder}, which is not in this file, has it"
            yield Mistake((*resource.path, "scopes"), message)


def _holders(scope: str, uri: str, model: AccessModel, known: Known, wanted: Wanted) -> Iterator[str]:
    for name, role in model.roles.items():
        if name not in wanted.roles and scope in role.scopes and not known.has_scope(scope):
            yield f"role {name}"
    for client_id, client in model.clients.items():
        if client_id not in wanted.clients and _loses(client.settings, scope, uri, known):
            yield f"client {client_id}"


def _loses(settings: ClientSettings, scope: str, uri: str, known: Known) -> bool:
    elsewhere = any(scope in known.resources.get(other, {}) for other in settings.resources)
    return scope in settings.scopes and uri in settings.resources and not elsewhere


def _under(path: FieldPath, mistakes: Iterable[Mistake]) -> Iterator[Mistake]:
    return (mistake.under(*path) for mistake in mistakes)
