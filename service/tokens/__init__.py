"""Tokens and other handles: how they are written, read and kept as digests."""
