"""The limit of what one run may delete, as people write and read it."""

import re

import click

from secretsync.v1.secret_sync_service_pb2 import MaxDeletions

DEFAULT = "default"
_LIMIT = re.compile(r"(\d{1,9})(%?)")


def read_limit(_context: click.Context, _option: click.Parameter, text: str | None) -> object:
    """Return the limit that a text means, as click calls back; None if there is none.

    Raises:
        click.BadParameter: it means none.
    """
    if text is None:
        return None
    if text == DEFAULT:
        return MaxDeletions()
    match = _LIMIT.fullmatch(text)
    if match is None:
        raise click.BadParameter(
            f"{text!r} is no limit: write a number such as 10, a share such as 20%, or {DEFAULT}"
        )
    number, percent = match.groups()
    return MaxDeletions(percent=int(number)) if percent else MaxDeletions(count=int(number))


def limit_text(limit: MaxDeletions) -> str:
    """Return a limit for people."""
    if limit.HasField("count"):
        return str(limit.count)
    return f"{limit.percent}%" if limit.HasField("percent") else DEFAULT
