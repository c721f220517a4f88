"""The toolkit's own endpoints, and a person who signs in at once."""

from __future__ import annotations

from django.contrib.auth import get_user_model, login
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import URLPattern, URLResolver, include, path


def sign_in(request: HttpRequest) -> HttpResponse:
    """In place of a form: the one account is signed in, and the browser goes on."""
    login(request, get_user_model().objects.get(username="zoe"))
    return redirect(request.GET["next"])


def ready(_request: HttpRequest) -> HttpResponse:
    """Answered as soon as the server runs."""
    return HttpResponse("ready")


urlpatterns: list[URLPattern | URLResolver] = [
    path("o/", include("oauth2_provider.urls", namespace="oauth2_provider")),
    path("login/", sign_in),
    path("ready", ready),
]
