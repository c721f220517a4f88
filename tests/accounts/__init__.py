"""Tests of accounts: names, passwords, decisions, the store and the commands."""
