"""Keys: the master key, the signing keys and their life."""
