"""Figures of size: a journal of millions of events."""
