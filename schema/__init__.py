"""The language of Tallystick: events, their envelope, streams, subjects and SQL. Definitions only, no I/O."""
