"""Webhooks: how they are registered, and their secrets."""
