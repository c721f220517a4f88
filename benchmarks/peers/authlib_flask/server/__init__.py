"""The Flask application that is measured."""
