"""Prints results: JSON for programs, tables and lines for people."""

import json
import sys
from collections.abc import Iterable, Sequence
from typing import Any

import click
from google.protobuf.json_format import MessageToDict
from google.protobuf.message import Message
from rich.console import Console
from rich.table import Table
from rich.text import Text

from secretsync.cli.text import printable

_UNLIMITED_WIDTH = 100_000
"""Columns of something that is no terminal: wide enough that nothing is ever broken."""
_STYLES = {
    "! blocked": "yellow",
    "! conflict": "bold red",
    "+ create": "green",
    "- delete": "red",
    "auth-failed": "bold red",
    "awaiting-approval": "bold yellow",
    "blocked": "yellow",
    "cancelled": "yellow",
    "conflict": "yellow",
    "created": "green",
    "deleted": "red",
    "disabled": "yellow",
    "drifted": "bold yellow",
    "error": "bold red",
    "failed": "bold red",
    "guard-tripped": "bold red",
    "invalid": "bold red",
    "never-synced": "yellow",
    "no": "yellow",
    "not-found": "bold red",
    "partially-succeeded": "yellow",
    "partially-synced": "yellow",
    "paused": "bold yellow",
    "permission-denied": "bold red",
    "rate-limited": "yellow",
    "running": "cyan",
    "skipped": "yellow",
    "source-invalid": "bold red",
    "source-not-found": "bold red",
    "succeeded": "green",
    "synced": "green",
    "unavailable": "yellow",
    "updated": "cyan",
    "~ adopt": "cyan",
    "~ convert": "cyan",
    "~ update": "cyan",
}


def to_dict(message: Message) -> dict[str, Any]:
    """Return a message as proto JSON (https://protobuf.dev/programming-guides/json/).

    Fields with default values are included, so that programs need not know the defaults.
    A secret's value that was not asked for is left out, instead of looking like an empty one.
    """
    result: dict[str, Any] = MessageToDict(message, always_print_fields_with_no_presence=True)
    secrets = result["secrets"] if isinstance(result.get("secrets"), list) else [result]
    for secret in secrets:
        if secret.get("valueIncluded") is False:
            del secret["value"]
    return result


def print_json(data: object) -> None:
    """Print an object as JSON."""
    click.echo(json.dumps(data, indent=2))


def print_message(message: Message) -> None:
    """Print a message as proto JSON."""
    print_json(to_dict(message))


def print_messages(name: str, messages: Iterable[Message]) -> None:
    """Print a list as one JSON object with a single member of that name."""
    print_json({name: [to_dict(message) for message in messages]})


def print_table(columns: Sequence[str], rows: Iterable[Sequence[str]], *, empty: str = "") -> None:
    """Print a table.

    On a terminal long cells are folded, never cut; elsewhere each row is one line.

    Args:
        columns: the headings.
        rows: one text per column.
        empty: what to say instead if there is no row.
    """
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    for column in columns:
        table.add_column(column, overflow="fold")
    for row in rows:
        table.add_row(*(Text(printable(cell), style=_STYLES.get(cell, "")) for cell in row))
    if table.row_count or not empty:
        _print_rich(table)
    else:
        say(empty)


def print_fields(fields: Iterable[tuple[str, str]]) -> None:
    """Print the fields of one thing, a line each; empty ones are shown as `-`."""
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), show_header=False)
    table.add_column(style="bold")
    table.add_column(overflow="fold")
    for label, value in fields:
        table.add_row(
            Text(printable(label)), Text(printable(value) or "-", style=_STYLES.get(value, ""))
        )
    _print_rich(table)


def say(text: str) -> None:
    """Print a line on stdout."""
    click.echo(printable(text))


def note(text: str) -> None:
    """Print a line on stderr: something to know, yet no part of the result."""
    click.echo(printable(text), err=True)


def note_dry_run() -> None:
    """Say on stderr that nothing was changed."""
    note("Dry run: everything was checked, nothing was changed.")


def _print_rich(table: Table) -> None:
    terminal = sys.stdout.isatty()
    console = Console(
        force_terminal=terminal,
        width=None if terminal else _UNLIMITED_WIDTH,
        markup=False,
        highlight=False,
        emoji=False,
    )
    with console.capture() as capture:
        console.print(table)
    for line in capture.get().removesuffix("\n").split("\n"):
        click.echo(line.rstrip())
