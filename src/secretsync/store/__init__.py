"""The state store: a protocol, and its SQLite implementation."""
