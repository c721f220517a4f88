"""Folds of events into read state. A fold never skips an event it cannot understand: it raises, and the feed halts."""
