"""`secretsync sync run`, `remove` and `import`: the commands that queue runs."""

import click

from secretsync.cli.client import Client, pass_client
from secretsync.cli.framework import Change, Command, change_options
from secretsync.cli.inputs import confirm
from secretsync.cli.lookups import get_sync
from secretsync.cli.names import child_name
from secretsync.cli.output import note_dry_run, print_message, say
from secretsync.cli.queued import wait_for_queued
from secretsync.cli.run_view import all_option, show_ended_run
from secretsync.cli.sync_view import place_of
from secretsync.v1.secret_sync_service_pb2 import (
    ImportSecretsRequest,
    RemoveSecretsRequest,
    SyncRun,
    SyncSecretsRequest,
)

wait_option = click.option(
    "--wait/--no-wait",
    default=True,
    show_default=True,
    help="Wait until the run has ended; exit with 1 unless it succeeded.",
)
_fingerprint_option = click.option(
    "--fingerprint",
    metavar="FINGERPRINT",
    default="",
    help="Do exactly what the plan with this fingerprint says, or nothing.",
)


@click.command(
    cls=Command,
    example="secretsync --project shop sync run dev\n"
    "secretsync --project shop sync run dev --no-wait --json\n"
    "secretsync --project shop sync run dev --override-guards",
)
@click.argument("name", metavar="SYNC")
@wait_option
@_fingerprint_option
@click.option(
    "--override-guards",
    is_flag=True,
    help="Let this run delete more than --max-deletions, or all because the source is empty or"
    " gone.",
)
@all_option
@change_options
@pass_client
def run(
    client: Client,
    name: str,
    wait: bool,  # noqa: FBT001
    fingerprint: str,
    override_guards: bool,  # noqa: FBT001
    show_all: bool,  # noqa: FBT001
    change: Change,
) -> None:
    """Make the destination hold what the source holds, and show what was done, key by key."""
    request = SyncSecretsRequest(
        name=child_name(client.state, "secretSyncs", name),
        fingerprint=fingerprint,
        override_guards=override_guards,
        request_id=change.request_id,
        validate_only=change.validate_only,
    )
    queued = client.call(client.syncs.SyncSecrets, request)
    follow(client, queued, wait=wait, show_all=show_all, change=change)


@click.command(cls=Command, example="secretsync --project shop sync remove dev --yes")
@click.argument("name", metavar="SYNC")
@click.option("--yes", "-y", is_flag=True, help="Do not ask.")
@wait_option
@_fingerprint_option
@all_option
@change_options
@pass_client
def remove(
    client: Client,
    name: str,
    yes: bool,  # noqa: FBT001
    wait: bool,  # noqa: FBT001
    fingerprint: str,
    show_all: bool,  # noqa: FBT001
    change: Change,
) -> None:
    """Take away exactly what a sync put at the destination.

    A later sync run, also an automatic one, writes the secrets again.
    """
    resource = child_name(client.state, "secretSyncs", name)
    if not change.validate_only and not yes:
        place = place_of(get_sync(client, resource))
        confirm(f"Remove everything that {resource} wrote at {place}?", yes=yes)
    request = RemoveSecretsRequest(
        name=resource,
        fingerprint=fingerprint,
        request_id=change.request_id,
        validate_only=change.validate_only,
    )
    queued = client.call(client.syncs.RemoveSecrets, request)
    follow(client, queued, wait=wait, show_all=show_all, change=change)


@click.command("import", cls=Command, example="secretsync --project shop sync import dev")
@click.argument("name", metavar="SYNC")
@wait_option
@all_option
@change_options
@pass_client
def import_(
    client: Client,
    name: str,
    wait: bool,  # noqa: FBT001
    show_all: bool,  # noqa: FBT001
    change: Change,
) -> None:
    """Import secrets from the destination, where it can do that; Octopus Deploy cannot."""
    request = ImportSecretsRequest(
        name=child_name(client.state, "secretSyncs", name),
        request_id=change.request_id,
        validate_only=change.validate_only,
    )
    queued = client.call(client.syncs.ImportSecrets, request)
    follow(client, queued, wait=wait, show_all=show_all, change=change)


def follow(client: Client, queued: SyncRun, *, wait: bool, show_all: bool, change: Change) -> None:
    """Show a run that was queued: once it has ended, or as it is."""
    if wait and not change.validate_only:
        show_ended_run(client, wait_for_queued(client, queued), show_all=show_all)
        return
    if client.state.json:
        print_message(queued)
    elif not change.validate_only:
        say(f"Queued {queued.name}.")
    if change.validate_only:
        note_dry_run()
