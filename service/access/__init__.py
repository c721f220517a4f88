"""The access model's management: what may be in it, the difference to what is wanted, and how that becomes events."""
