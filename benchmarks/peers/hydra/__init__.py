"""Ory Hydra (Go module github.com/ory/hydra/v2), with SQLite."""
