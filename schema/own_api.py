"""What this server is called as a resource: the audience of tokens for its own API."""

from __future__ import annotations

OWN_API = "urn:tallystick:api"
