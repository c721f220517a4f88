"""The events in the words of other systems: pure functions of a recorded event."""
