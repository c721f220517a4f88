"""The authorization endpoint (RFC 6749 section 3.1): from a client's request, by way of a person, to a code."""
