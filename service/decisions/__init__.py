"""Decisions: pure functions of (state, command, now). No clock, no I/O, no randomness."""
