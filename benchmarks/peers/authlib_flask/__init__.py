"""Authlib (PyPI: authlib): an authorization server in Flask, under gunicorn, in memory."""
