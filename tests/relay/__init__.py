"""The relay, the stream, and what looks at them."""
