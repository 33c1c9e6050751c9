"""Octopus Deploy as a destination of secretsync."""
