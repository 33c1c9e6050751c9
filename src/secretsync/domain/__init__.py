"""Pure rules: names, key schema, imports, run states. No I/O of any kind."""
