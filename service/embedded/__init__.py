"""PostgreSQL and NATS as child processes under one home folder, and the supervisor of `tallystick up`.

Why these servers, from where, and as which user they run: docs/adr/0002-embedded-servers.md.
"""
