"""The shared world of the endpoint tests."""

from tests.endpoints.conftest import world

__all__ = ["world"]
