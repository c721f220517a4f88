"""The access model's management, from YAML to events."""
