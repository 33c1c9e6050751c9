"""`secretsync sync watch`: what happens to syncs, live."""

import json

import click

from secretsync.cli.client import Client, pass_client
from secretsync.cli.errors import CliError, invalid
from secretsync.cli.framework import Command
from secretsync.cli.names import child_name, project_name
from secretsync.cli.output import note, say, to_dict
from secretsync.cli.streams import watch as watch_syncs
from secretsync.cli.watch_view import line_of
from secretsync.v1.secret_sync_service_pb2 import (
    SYNC_CHANGE_PRESENT,
    SYNC_CHANGE_SYNCED,
    WatchSecretSyncsResponse,
)

ALL_PROJECTS = "projects/-"


@click.command(
    cls=Command,
    accepts=("address", "project", "json"),
    example="secretsync --project shop sync watch\n"
    "secretsync --project shop sync watch dev\n"
    "secretsync sync watch --all --json",
)
@click.argument("name", metavar="[SYNC]", required=False)
@click.option("--all", "every", is_flag=True, help="Watch the syncs of all projects.")
@click.option(
    "--cursor",
    metavar="TEXT",
    default="",
    help="Go on behind the message that had this cursor. Default: the present state first.",
)
@pass_client
def watch(
    client: Client,
    name: str | None,
    every: bool,  # noqa: FBT001
    cursor: str,
) -> None:
    """Show what happens to a sync, or to all of the project, until interrupted.

    First comes what is there, then each change of a sync or a run, once and in order, and how far
    runs have come. If the server goes away, this waits for it and goes on where it was. With
    --json, each line is one message of WatchSecretSyncs.
    """
    if name and every:
        raise invalid("give a SYNC or --all, not both")
    if every:
        parent = ALL_PROJECTS
    else:
        parent = (
            child_name(client.state, "secretSyncs", name) if name else project_name(client.state)
        )
    present = 0
    try:
        for message in watch_syncs(client, parent, cursor, _tell_of_break):
            cursor = message.cursor
            if client.state.json:
                click.echo(json.dumps(to_dict(message)))
            else:
                present += message.change == SYNC_CHANGE_PRESENT
                _show(message, present, with_project=every)
    except KeyboardInterrupt:
        if cursor:
            note(f"To go on from here: --cursor {cursor}")
        raise


def _show(message: WatchSecretSyncsResponse, present: int, *, with_project: bool) -> None:
    if message.change == SYNC_CHANGE_SYNCED:
        note(f"{present} {'sync' if present == 1 else 'syncs'}; watching for changes.")
    elif line := line_of(message, with_project=with_project):
        say(line)


def _tell_of_break(error: CliError, pause: float) -> None:
    told = "going on with the present state" if error.reason == "CURSOR_EXPIRED" else "trying again"
    note(f"{error.message}; {told} in {pause:g} s")
