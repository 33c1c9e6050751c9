"""Reads files and stdin, and asks the person at the terminal."""

import sys
from pathlib import Path

import click

from secretsync.cli.errors import CliError, invalid
from secretsync.cli.exit_codes import ExitCode

STDIN = "-"
MAX_FILE_BYTES = 64 * 1024 * 1024
"""Limit for a file of secrets or settings: guards against reading a device by mistake."""


def is_interactive() -> bool:
    """Return whether there is a person to ask: stdin is a terminal."""
    return sys.stdin.isatty()


def read_text(source: str, *, limit: int = MAX_FILE_BYTES) -> str:
    """Return the text of a file, exactly.

    Args:
        source: a path, or `-` for stdin.
        limit: how many bytes it may have.

    Raises:
        CliError: it cannot be read, is too long, or is not UTF-8. The error never holds content.
    """
    shown = "stdin" if source == STDIN else source
    try:
        if source == STDIN:
            data = sys.stdin.buffer.read(limit + 1)
        else:
            with Path(source).open("rb") as file:
                data = file.read(limit + 1)
    except OSError as error:
        raise invalid(f"cannot read {shown}: {error.strerror or error}") from None
    if len(data) > limit:
        raise invalid(f"{shown} has more than {limit} bytes")
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        raise invalid(
            f"{shown} is not UTF-8 (at byte {error.start})", hint="save it as UTF-8"
        ) from None


def prompt_text(label: str, *, otherwise: str) -> str:
    """Ask for something that may be shown.

    Raises:
        CliError: stdin is no terminal.
    """
    require_interactive(f"{label} is missing", otherwise)
    answer: str = click.prompt(label, err=True, type=str)
    return answer


def confirm(question: str, *, yes: bool) -> None:
    """Go on only if the user agrees.

    Args:
        question: what is about to happen, and whether to do it.
        yes: whether `--yes` answered already.

    Raises:
        CliError: the answer was no; or stdin is no terminal, and `--yes` was not given.
    """
    if yes:
        return
    require_interactive("this needs a confirmation", "give --yes")
    if not click.confirm(question, err=True):
        raise CliError("not confirmed, so nothing was changed", ExitCode.INTERRUPTED)


def require_interactive(problem: str, otherwise: str) -> None:
    """Raise CliError unless there is a person to ask."""
    if not is_interactive():
        raise invalid(f"{problem}, and there is no terminal to ask on", hint=otherwise)
