"""`secretsync run`: what the runs of secret syncs did."""

import click

from secretsync.cli.client import Client, pass_client
from secretsync.cli.errors import CliError, invalid
from secretsync.cli.exit_codes import ExitCode
from secretsync.cli.framework import Change, Group, change_options, page_options
from secretsync.cli.names import child_name, run_name, short_name
from secretsync.cli.output import note_dry_run, print_message, print_messages, print_table, say
from secretsync.cli.run_filters import filter_options
from secretsync.cli.run_view import (
    action_text,
    all_option,
    counts_text,
    message_text,
    show_ended_run,
    show_run,
    state_text,
    trigger_text,
)
from secretsync.cli.waiting import wait_for_run
from secretsync.cli.words import span_text, time_text
from secretsync.v1.secret_sync_service_pb2 import (
    RUN_STATE_RUNNING,
    CancelSyncRunRequest,
    GetSyncRunRequest,
    ListSyncRunsRequest,
)


@click.group(cls=Group)
def run() -> None:
    """Runs of secret syncs: what each one did."""


@run.command(
    example="secretsync --project shop run get dev\n"
    "secretsync --project shop run get dev/1a2b3c --all\n"
    "secretsync run get projects/shop/secretSyncs/dev/runs/1a2b3c --wait"
)
@click.argument("name", metavar="SYNC[/RUN]")
@click.option(
    "--wait", is_flag=True, help="Wait until it has ended; exit with 1 unless it succeeded."
)
@all_option
@pass_client
def get(
    client: Client,
    name: str,
    wait: bool,  # noqa: FBT001
    show_all: bool,  # noqa: FBT001
) -> None:
    """Show a run, key by key; without RUN, the newest one of the sync."""
    sync, resource = run_name(client.state, name)
    resource = resource or _newest(client, sync)
    if wait:
        show_ended_run(client, wait_for_run(client, resource), show_all=show_all)
        return
    found = client.call(client.syncs.GetSyncRun, GetSyncRunRequest(name=resource))
    show_run(client, found, show_all=show_all)


@run.command(
    example="secretsync --project shop run cancel dev/1a2b3c\n"
    "secretsync run cancel projects/shop/secretSyncs/dev/runs/1a2b3c --no-wait"
)
@click.argument("name", metavar="SYNC/RUN")
@click.option(
    "--wait/--no-wait",
    default=True,
    show_default=True,
    help="Wait until a run that is under way has stopped.",
)
@change_options
@pass_client
def cancel(
    client: Client,
    name: str,
    wait: bool,  # noqa: FBT001
    change: Change,
) -> None:
    """Cancel a run that waits or is under way.

    Nothing is undone: what was written stays, and a write that is under way may still take place.
    """
    sync, resource = run_name(client.state, name)
    if not resource:
        raise invalid(
            f"which run of {sync}? none was given",
            hint=f"`secretsync run list {short_name(sync)}` shows them; write SYNC/RUN",
        )
    request = CancelSyncRunRequest(
        name=resource, request_id=change.request_id, validate_only=change.validate_only
    )
    cancelled = client.call(client.syncs.CancelSyncRun, request)
    if wait and not change.validate_only:
        cancelled = wait_for_run(client, resource)
    if client.state.json:
        print_message(cancelled)
    elif not change.validate_only:
        told = "is being cancelled" if cancelled.state == RUN_STATE_RUNNING else cancelled.message
        say(f"{resource}: {told}.")
    if change.validate_only:
        note_dry_run()


@run.command(
    "list",
    example="secretsync --project shop run list dev --limit 10\n"
    "secretsync --project shop run list dev --state failed --since 7d\n"
    "secretsync --project shop run list dev --trigger manual --until 2026-03-01T12:00:00Z",
)
@click.argument("sync", metavar="SYNC")
@filter_options
@page_options
@pass_client
def list_(
    client: Client, sync: str, only: ListSyncRunsRequest, page_size: int, limit: int | None
) -> None:
    """List the runs of a sync, newest first: all, or those that match every filter."""
    parent = child_name(client.state, "secretSyncs", sync)
    request = ListSyncRunsRequest(parent=parent, page_size=min(page_size, limit or page_size))
    is_filtered = bool(only.ListFields())
    request.MergeFrom(only)
    found = client.pages(
        client.syncs.ListSyncRuns,
        request,
        lambda answer: list(answer.sync_runs),
        limit=limit,
    )
    if client.state.json:
        print_messages("syncRuns", found)
        return
    print_table(
        ["RUN", "ACTION", "TRIGGER", "STATE", "QUEUED", "TOOK", "KEYS", "MESSAGE"],
        (
            [
                f"{short_name(parent)}/{short_name(item.name)}",
                action_text(item),
                trigger_text(item),
                state_text(item),
                time_text(item.create_time),
                span_text(item.start_time, item.finish_time),
                counts_text(item),
                message_text(item),
            ]
            for item in found
        ),
        empty="No run matches."
        if is_filtered
        else "The sync has not run yet. `secretsync sync run` runs it.",
    )


def _newest(client: Client, sync: str) -> str:
    """Return the name of a sync's newest run."""
    request = ListSyncRunsRequest(parent=sync, page_size=1)
    runs = client.call(client.syncs.ListSyncRuns, request).sync_runs
    if not runs:
        raise CliError(f"{sync} has not run yet", ExitCode.NOT_FOUND)
    return runs[0].name
