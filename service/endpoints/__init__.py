"""Endpoints: each a readable list of named steps."""
