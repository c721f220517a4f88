"""The journal: append, read, follow, relay, check."""
