"""Grants: one file a grant type, each of which declares what it takes."""

SUPPORTED_GRANTS = ("client_credentials",)
