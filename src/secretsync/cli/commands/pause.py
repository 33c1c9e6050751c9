"""`secretsync pause` and `secretsync resume`: the kill switch."""

from collections.abc import Callable, Sequence

import click

from secretsync.cli.client import Client, pass_client
from secretsync.cli.framework import Change, Group, change_options, page_options
from secretsync.cli.lookups import get_connection, get_sync
from secretsync.cli.names import child_name
from secretsync.cli.output import (
    note,
    note_dry_run,
    print_json,
    print_message,
    print_messages,
    print_table,
    say,
)
from secretsync.cli.pause_view import EVERYTHING, paused_text, what_text
from secretsync.cli.words import time_and_age
from secretsync.v1.pause_pb2 import Pause
from secretsync.v1.secret_sync_service_pb2 import (
    ListPausesRequest,
    PauseSyncingRequest,
    ResumeSyncingRequest,
)


@click.group(cls=Group)
def pause() -> None:
    """Let nothing be written, for one sync, a connection, or all."""


@click.group(cls=Group)
def resume() -> None:
    """Let syncs go on that were paused."""


def reason_option(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command the option `--reason`."""
    return click.option(
        "--reason",
        metavar="TEXT",
        default="",
        help="Why, for whoever finds it paused. At most 256 characters.",
    )(command)


@pause.command("sync", example="secretsync --project shop pause sync dev --reason 'incident 42'")
@click.argument("name", metavar="SYNC")
@reason_option
@change_options
@pass_client
def pause_sync(client: Client, name: str, reason: str, change: Change) -> None:
    """Pause one secret sync.

    What causes runs queues them all the same: they start after the resume. A run under way begins
    no other write. A restart of the server does not end a pause.
    """
    _pause(client, child_name(client.state, "secretSyncs", name), reason, change)


@pause.command("connection", example="secretsync --project shop pause connection octopus")
@click.argument("name", metavar="CONNECTION")
@reason_option
@change_options
@pass_client
def pause_connection(client: Client, name: str, reason: str, change: Change) -> None:
    """Pause all secret syncs that use a connection; see `secretsync pause sync`."""
    _pause(client, child_name(client.state, "connections", name), reason, change)


@pause.command("all", example="secretsync pause all --reason 'incident 42'")
@reason_option
@change_options
@pass_client
def pause_all(client: Client, reason: str, change: Change) -> None:
    """Pause all secret syncs of all projects; see `secretsync pause sync`."""
    _pause(client, EVERYTHING, reason, change)


@pause.command("list", example="secretsync pause list")
@page_options
@pass_client
def list_(client: Client, page_size: int, limit: int | None) -> None:
    """List what is paused, in all projects."""
    found = client.pages(
        client.syncs.ListPauses,
        ListPausesRequest(page_size=page_size),
        lambda answer: list(answer.pauses),
        limit=limit,
    )
    if client.state.json:
        print_messages("pauses", found)
        return
    print_table(
        ["PAUSED", "SINCE", "REASON"],
        ([what_text(item), time_and_age(item.create_time), item.reason] for item in found),
        empty="Nothing is paused.",
    )


@resume.command("sync", example="secretsync --project shop resume sync dev")
@click.argument("name", metavar="SYNC")
@change_options
@pass_client
def resume_sync(client: Client, name: str, change: Change) -> None:
    """Resume a secret sync that was paused itself; what waits starts at once.

    A pause of its connection, or of everything, goes on to hold it.
    """
    resource = child_name(client.state, "secretSyncs", name)
    _resume(client, resource, change, lambda: get_sync(client, resource).pauses)


@resume.command("connection", example="secretsync --project shop resume connection octopus")
@click.argument("name", metavar="CONNECTION")
@change_options
@pass_client
def resume_connection(client: Client, name: str, change: Change) -> None:
    """Resume the secret syncs of a connection; those that were paused themselves stay so."""
    resource = child_name(client.state, "connections", name)
    _resume(client, resource, change, lambda: get_connection(client, resource).pauses)


@resume.command("all", example="secretsync resume all")
@change_options
@pass_client
def resume_all(client: Client, change: Change) -> None:
    """Resume everything; single syncs and connections that were paused themselves stay so."""
    request = ListPausesRequest()
    _resume(
        client, EVERYTHING, change, lambda: client.call(client.syncs.ListPauses, request).pauses
    )


def _pause(client: Client, name: str, reason: str, change: Change) -> None:
    request = PauseSyncingRequest(
        name=name,
        reason=reason,
        request_id=change.request_id,
        validate_only=change.validate_only,
    )
    paused = client.call(client.syncs.PauseSyncing, request)
    if client.state.json:
        print_message(paused)
    elif not change.validate_only:
        say(f"Paused {what_text(paused)}.")
    if change.validate_only:
        note_dry_run()


def _resume(client: Client, name: str, change: Change, left: Callable[[], Sequence[Pause]]) -> None:
    """End a pause, and tell what is paused still.

    Args:
        client: calls the server.
        name: what is resumed.
        change: whether it is a dry run.
        left: returns the pauses that may be of interest afterwards.
    """
    request = ResumeSyncingRequest(
        name=name, request_id=change.request_id, validate_only=change.validate_only
    )
    client.call(client.syncs.ResumeSyncing, request)
    if client.state.json:
        print_json({})
    elif not change.validate_only:
        say(f"Resumed {what_text(Pause(name=name))}.")
        for each in left():
            note(f"Still paused: {paused_text(each)}")
    if change.validate_only:
        note_dry_run()
