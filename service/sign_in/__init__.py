"""Signing in: name and password, second factor, passkey; what failed is counted, and too much of it is refused."""
