"""Checks a deployment against RFC 9700 and common mistakes: what is asked of it, and what follows."""
