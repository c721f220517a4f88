"""The projections in SQL as a role of the service: which there are, running them, and how far each is."""
