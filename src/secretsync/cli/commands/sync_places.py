"""`secretsync sync clean-up` and `forget-place`: what a sync has left at former places."""

import click

from secretsync.cli.client import Client, pass_client
from secretsync.cli.commands.sync_runs import wait_option
from secretsync.cli.framework import Change, Command, change_options
from secretsync.cli.names import child_name, former_place_name
from secretsync.cli.output import note_dry_run, print_message, print_messages, say
from secretsync.cli.place_view import short_place_name
from secretsync.cli.queued import wait_for_queued
from secretsync.cli.run_view import all_option, fail_unless_succeeded, show_run
from secretsync.v1.secret_sync_service_pb2 import (
    CleanUpSecretSyncRequest,
    ForgetFormerPlaceRequest,
)


@click.command("clean-up", cls=Command, example="secretsync --project shop sync clean-up dev")
@click.argument("name", metavar="SYNC")
@wait_option
@all_option
@change_options
@pass_client
def clean_up(
    client: Client,
    name: str,
    wait: bool,  # noqa: FBT001
    show_all: bool,  # noqa: FBT001
    change: Change,
) -> None:
    """Take away now what a sync has left at its former places; `sync get` lists them.

    Each is cleaned by itself, too, once the sync has written its new place. This does not wait for
    the next attempt, and works also where nothing is deleted by itself.
    """
    request = CleanUpSecretSyncRequest(
        name=child_name(client.state, "secretSyncs", name),
        request_id=change.request_id,
        validate_only=change.validate_only,
    )
    runs = list(client.call(client.syncs.CleanUpSecretSync, request).sync_runs)
    waits = wait and not change.validate_only
    if waits:
        runs = [wait_for_queued(client, run) for run in runs]
    if client.state.json:
        print_messages("syncRuns", runs)
    elif not runs:
        say(f"{request.name} has no former places.")
    elif not change.validate_only:
        for run in runs:
            if waits:
                show_run(client, run, show_all=show_all)
            else:
                say(f"Queued {run.name}.")
    if change.validate_only:
        note_dry_run()
    for run in runs:
        fail_unless_succeeded(run)


@click.command(
    "forget-place",
    cls=Command,
    example="secretsync --project shop sync forget-place"
    " dev/2f1c9a34-8f0e-4a6b-9d52-0c7be64a1d11 --leave-secrets-behind",
)
@click.argument("place", metavar="SYNC/PLACE")
@click.option(
    "--leave-secrets-behind",
    is_flag=True,
    help="Say that what is still there is to stay, with nobody to delete it. Required.",
)
@change_options
@pass_client
def forget_place(
    client: Client,
    place: str,
    leave_secrets_behind: bool,  # noqa: FBT001
    change: Change,
) -> None:
    """Forget a former place that is gone for good, such as a server that was shut down.

    Nothing is deleted there any more, and secrets that are still there can still be used by whoever
    has access. Rotate them if the place is not gone.
    """
    request = ForgetFormerPlaceRequest(
        name=former_place_name(client.state, place),
        leave_secrets_behind=leave_secrets_behind,
        request_id=change.request_id,
        validate_only=change.validate_only,
    )
    changed = client.call(client.syncs.ForgetFormerPlace, request)
    if client.state.json:
        print_message(changed)
    elif not change.validate_only:
        say(f"Forgot {short_place_name(request.name)}.")
    if change.validate_only:
        note_dry_run()
