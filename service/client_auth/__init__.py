"""Client authentication: which client is this, and how it proved it (RFC 6749 section 2.3)."""
