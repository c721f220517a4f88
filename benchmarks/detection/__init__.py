"""A simulated service, weeks of innocent and evil traffic, and how well the anomaly rules tell them apart."""
