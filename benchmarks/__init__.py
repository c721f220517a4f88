"""Benchmarks: the whole product pinned to one core, the load on another."""
