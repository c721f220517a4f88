"""How tokens are used: what workers count and observe, and the figures that are made of it."""
