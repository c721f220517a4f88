"""Rate limiting: how much a source, a client, an account and all together may ask, and what of it is journalled."""
