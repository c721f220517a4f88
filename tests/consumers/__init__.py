"""What reacts to events."""
