"""secretsync keeps secrets in one place and pushes them to the systems that consume them."""

import logging

# Only who configures logging gets to see it (https://docs.python.org/3/howto/logging.html).
logging.getLogger(__name__).addHandler(logging.NullHandler())
