"""Django OAuth Toolkit (PyPI: django-oauth-toolkit) under gunicorn."""
