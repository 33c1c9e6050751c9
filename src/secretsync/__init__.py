"""secretsync keeps secrets in one place and pushes them to the systems that consume them."""
