"""Django with Django OAuth Toolkit, for production; the benchmark's options come in a JSON file."""

from __future__ import annotations

import json
import os
from pathlib import Path

OPTIONS = json.loads(Path(os.environ["PEER_CONFIGURATION"]).read_text())

DEBUG = False
SECRET_KEY = OPTIONS["secret_key"]
ALLOWED_HOSTS = ["127.0.0.1"]
ROOT_URLCONF = "benchmarks.peers.django_oauth_toolkit.server.urls"
USE_TZ = True
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
INSTALLED_APPS = ["django.contrib.auth", "django.contrib.contenttypes", "django.contrib.sessions", "oauth2_provider"]
MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
]
LOGIN_URL = "/login/"
LOGGING_CONFIG = None
DATABASES = {
    "default": {
        "ENGINE": "django.db.backends.sqlite3",
        "NAME": OPTIONS["database"],
        "CONN_MAX_AGE": None,
        "OPTIONS": {
            "transaction_mode": "IMMEDIATE",
            "timeout": 20,
            "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL; PRAGMA cache_size=-65536;"
            "PRAGMA mmap_size=268435456; PRAGMA temp_store=MEMORY;",
        },
    }
}
OAUTH2_PROVIDER = {
    "SCOPES": {OPTIONS["scope"]: "Read users", "offline_access": "Stay signed in"},
    "DEFAULT_SCOPES": [OPTIONS["scope"]],
    "ACCESS_TOKEN_EXPIRE_SECONDS": OPTIONS["lifetime"],
    "REFRESH_TOKEN_EXPIRE_SECONDS": 14 * 86_400,
    "ROTATE_REFRESH_TOKEN": True,
    "PKCE_REQUIRED": True,
    "ALLOWED_SCHEMES": ["http", "https"],
}
