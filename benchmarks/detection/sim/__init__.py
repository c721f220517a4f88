"""The simulated world: time, places, the service's own decisions, and everybody who means no harm."""
