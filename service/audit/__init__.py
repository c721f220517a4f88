"""The record of events over HTTP: in pages, or live as Server-Sent Events."""
