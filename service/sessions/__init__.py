"""Sessions: how they start, are renewed, and end."""
