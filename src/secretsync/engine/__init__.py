"""Runs what is queued: a protocol, the embedded engine, and what one run does."""
