"""What can go wrong here, told to a person."""

from __future__ import annotations


class EmbeddedError(Exception):
    """A server or the home folder cannot be used. The message says what, where, and what helps; it holds no secret."""
