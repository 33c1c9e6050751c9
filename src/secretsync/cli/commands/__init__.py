"""The command groups, one module each; `secretsync.cli.main` loads the one that is called."""
