"""An API that Django OAuth Toolkit protects as a resource server, by introspection (docs/verifiers.md)."""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Sequence
from typing import Any

import django
import requests
from django.conf import settings
from django.core.management import call_command, execute_from_command_line
from django.http import HttpRequest, JsonResponse
from django.urls import path

AUDIENCE = os.environ["AUDIENCE"]


def for_this_api(_: str, audiences: Sequence[str]) -> bool:
    """Whether a token is for this API, whatever the address that it is called by."""
    return AUDIENCE in audiences


def introspection_endpoint(issuer: str) -> str:
    """What the issuer's metadata says."""
    metadata = requests.get(f"{issuer}/.well-known/oauth-authorization-server", timeout=10).json()
    return str(metadata["introspection_endpoint"])


def users(_: HttpRequest) -> JsonResponse:
    """Whoever may read users."""
    return JsonResponse({"users": ["zoe"]})


def configure(folder: str) -> list[Any]:
    """The settings of the API, whose database of known tokens is in a folder; its addresses."""
    settings.configure(
        SECRET_KEY=os.urandom(32).hex(),
        ALLOWED_HOSTS=["127.0.0.1"],
        ROOT_URLCONF=__name__,
        USE_TZ=True,
        DEFAULT_AUTO_FIELD="django.db.models.BigAutoField",
        INSTALLED_APPS=["django.contrib.auth", "django.contrib.contenttypes", "oauth2_provider"],
        DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": f"{folder}/known.sqlite"}},
        OAUTH2_PROVIDER={
            "RESOURCE_SERVER_INTROSPECTION_URL": introspection_endpoint(os.environ["ISSUER"]),
            "RESOURCE_SERVER_INTROSPECTION_CREDENTIALS": (os.environ["CLIENT_ID"], os.environ["CLIENT_SECRET"]),
            "RESOURCE_SERVER_TOKEN_CACHING_SECONDS": 10,
            "RESOURCE_SERVER_TOKEN_RESOURCE_VALIDATOR": for_this_api,
            "SCOPES": {"read:users": "Read users"},
        },
    )
    django.setup()
    from oauth2_provider.decorators import protected_resource  # noqa: PLC0415 it needs the settings

    protected = protected_resource(scopes=["read:users"], advertise_metadata=True, resource_metadata_url=None)
    return [path("users", protected(users))]


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as place:
        urlpatterns = configure(place)
        call_command("migrate", verbosity=0)
        execute_from_command_line([sys.argv[0], "runserver", "--noreload", f"127.0.0.1:{os.environ['PORT']}"])
