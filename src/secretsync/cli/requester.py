"""Who the command line says it is asked by: the history of runs shows it."""

import getpass
import os
import socket

from secretsync.cli.errors import invalid

VARIABLE = "SECRETSYNC_REQUESTER"
_KEY = "x-secretsync-requester"
_MAX = 128


def requester_metadata() -> tuple[tuple[str, str], ...]:
    """Return the metadata that each call carries; none if the variable is set and empty.

    Raises:
        CliError: what the variable has cannot be sent.
    """
    declared = os.environ.get(VARIABLE)
    if declared is None:
        declared = _user_and_host()
    elif len(declared) > _MAX or not (declared.isascii() and declared.isprintable()):
        raise invalid(f"{VARIABLE} must be at most {_MAX} printable ASCII characters")
    return ((_KEY, declared),) if declared else ()


def _user_and_host() -> str:
    try:
        user = getpass.getuser()
    except (OSError, KeyError):
        # A user id without a name, as in some containers.
        user = f"uid-{os.getuid()}"
    text = f"{user}@{socket.gethostname()}"[:_MAX]
    return "".join(char if char.isascii() and char.isprintable() else "?" for char in text)
