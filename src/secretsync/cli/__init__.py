"""The `secretsync` command: a client of the service for people and scripts, and its starter."""
