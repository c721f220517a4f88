"""Findings in the journal: told, answered by policy, listed, acknowledged, and tried on history."""
