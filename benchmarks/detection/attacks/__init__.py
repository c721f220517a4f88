"""Attacks as attackers act: plain ones in a hurry, and patient ones that stay under every limit."""
