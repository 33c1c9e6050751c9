"""Reads what is never given as an argument: secrets from files, stdin or a hidden prompt.

Apart from secretsync.cli.inputs, for SecretValue takes its time to import.
"""

import click

from secretsync.adapter import SecretValue
from secretsync.cli.inputs import read_text, require_interactive

MAX_VALUE_BYTES = 64 * 1024
"""The server's limit for one value."""


def read_value(source: str) -> SecretValue:
    """Return the value of one secret, exactly as it is in a file or on stdin (`-`).

    Raises:
        CliError: as for read_text.
    """
    return SecretValue(read_text(source, limit=MAX_VALUE_BYTES))


def read_credential(source: str) -> SecretValue:
    """Return one field of a credential from a file or stdin, less a line break at its end.

    Raises:
        CliError: as for read_text.
    """
    text = read_text(source, limit=MAX_VALUE_BYTES)
    return SecretValue(text.removesuffix("\n").removesuffix("\r"))


def prompt_secret(label: str, *, confirm: bool, otherwise: str) -> SecretValue:
    """Ask for a secret without showing what is typed.

    Args:
        label: what to ask for.
        confirm: whether to ask twice.
        otherwise: how to give it when there is nobody to ask.

    Raises:
        CliError: stdin is no terminal.
    """
    require_interactive(f"{label} is missing", otherwise)
    return SecretValue(
        click.prompt(label, hide_input=True, confirmation_prompt=confirm, err=True, type=str)
    )
