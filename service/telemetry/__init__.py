"""Metrics, traces and logs. Nothing secret is in any of them (promise 5)."""
