"""OpenID Connect: what a client learns of a person, and how it learns that they signed out."""
