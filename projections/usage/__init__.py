"""Usage figures for analysts: a fold of the journal into the tables that the views of the schema `usage` read."""

from projections.usage.fold import usage_projection

__all__ = ["usage_projection"]
