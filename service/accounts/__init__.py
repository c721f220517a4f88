"""Accounts: people, their names and passwords, and how they are changed."""
