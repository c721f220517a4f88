"""Tests of what people sign in by, as they change it from their account page."""
