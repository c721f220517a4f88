"""Makes the database: the tables, the clients and the account."""

from __future__ import annotations

import django
from django.conf import settings

django.setup()

from django.contrib.auth import get_user_model  # noqa: E402 - models can be imported only now
from django.core.management import call_command  # noqa: E402
from oauth2_provider.models import Application  # noqa: E402

OPTIONS = settings.OPTIONS


def main() -> None:
    """Once, before the server starts."""
    call_command("migrate", verbosity=0)
    get_user_model().objects.create_user("zoe")
    for name, secret in OPTIONS["secrets"].items():
        web = name == "web-app"
        Application.objects.create(
            name=name,
            client_id=name,
            client_secret=secret,
            hash_client_secret=OPTIONS["hashed_secrets"],
            client_type=Application.CLIENT_CONFIDENTIAL,
            authorization_grant_type=(
                Application.GRANT_AUTHORIZATION_CODE if web else Application.GRANT_CLIENT_CREDENTIALS
            ),
            redirect_uris=OPTIONS["callback"] if web else "",
            skip_authorization=True,
        )


main()
