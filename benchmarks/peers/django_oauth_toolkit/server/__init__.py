"""The Django project that is measured."""
