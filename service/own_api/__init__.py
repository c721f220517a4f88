"""This server as a resource of its own: who reads its audit log and usage figures over HTTP needs a token for it."""
