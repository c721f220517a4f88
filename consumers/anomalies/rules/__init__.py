"""The rules, a file for each or for those that look at the same habit."""
