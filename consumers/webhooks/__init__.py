"""Webhooks: the events of the journal, sent by HTTP to those who asked for them."""
