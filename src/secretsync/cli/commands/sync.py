"""`secretsync sync`: secret syncs."""

import click

from secretsync.cli.changes import mask_of, report, report_deleted
from secretsync.cli.client import Client, pass_client
from secretsync.cli.commands.sync_approve import approve
from secretsync.cli.commands.sync_check import check_destination
from secretsync.cli.commands.sync_drift import check_drift
from secretsync.cli.commands.sync_keys import keys
from secretsync.cli.commands.sync_places import clean_up, forget_place
from secretsync.cli.commands.sync_plan import plan
from secretsync.cli.commands.sync_runs import import_, remove, run
from secretsync.cli.commands.sync_watch import watch
from secretsync.cli.condition_view import condition_text
from secretsync.cli.framework import Change, Group, change_options, etag_option, page_options
from secretsync.cli.inputs import confirm
from secretsync.cli.lookups import get_sync
from secretsync.cli.names import child_name, project_name, short_name
from secretsync.cli.output import print_message, print_messages, print_table
from secretsync.cli.overlap_view import show_warnings
from secretsync.cli.run_view import all_option
from secretsync.cli.sync_options import (
    SyncOptions,
    build,
    changed_config,
    new_config,
    sync_options,
)
from secretsync.cli.sync_view import place_of, show_sync, wait_for_first_run
from secretsync.cli.waiting import with_spinner
from secretsync.cli.words import time_text, yes_no
from secretsync.v1.secret_sync_service_pb2 import (
    CreateSecretSyncRequest,
    DeleteSecretSyncRequest,
    ListSecretSyncsRequest,
    UpdateSecretSyncRequest,
)


@click.group(cls=Group)
def sync() -> None:
    """Secret syncs: set up, run, remove what they wrote."""


sync.add_command(plan)
sync.add_command(check_destination)
sync.add_command(keys)
sync.add_command(approve)
sync.add_command(check_drift)
sync.add_command(run)
sync.add_command(remove)
sync.add_command(import_)
sync.add_command(watch)
sync.add_command(clean_up)
sync.add_command(forget_place)


@sync.command(
    example="secretsync --project shop sync create dev --connection octopus -e dev \\\n"
    "    --config spaceId=Spaces-1 --config projectId=Projects-1 \\\n"
    "    --config scopeValues.environments=Environments-1 --wait"
)
@click.argument("name", metavar="SYNC")
@sync_options(create=True)
@click.option(
    "--wait", is_flag=True, help="Wait for the first run; exit with 1 unless it succeeds."
)
@all_option
@change_options
@pass_client
def create(
    client: Client,
    name: str,
    options: SyncOptions,
    wait: bool,  # noqa: FBT001
    show_all: bool,  # noqa: FBT001
    change: Change,
) -> None:
    """Create a secret sync, after its configuration was proved against the destination.

    `secretsync destination get` lists the fields of the configuration, and `secretsync connection
    options` what to choose from.
    """
    resource = child_name(client.state, "secretSyncs", name)
    settings = options.settings(client)
    request = CreateSecretSyncRequest(
        parent=resource.partition("/secretSyncs/")[0],
        secret_sync_id=short_name(resource),
        secret_sync=build(settings, new_config(client, settings["connection"], options)),
        request_id=change.request_id,
        validate_only=change.validate_only,
    )
    created = client.call(client.syncs.CreateSecretSync, request)
    show_warnings(client, created)
    if wait and not change.validate_only:
        wait_for_first_run(client, created, "Created", show_all=show_all)
    else:
        report(client.state, created, "Created", change)


@sync.command(example="secretsync --project shop sync get dev")
@click.argument("name", metavar="SYNC")
@pass_client
def get(client: Client, name: str) -> None:
    """Show a secret sync: its condition, what to do next, settings, and how its last runs went.

    Former places that are not clean yet are listed below.
    """
    found = get_sync(client, child_name(client.state, "secretSyncs", name))
    if client.state.json:
        print_message(found)
    else:
        show_sync(found)


@sync.command("list", example="secretsync --project shop sync list")
@page_options
@pass_client
def list_(client: Client, page_size: int, limit: int | None) -> None:
    """List a project's secret syncs."""
    found = client.pages(
        client.syncs.ListSecretSyncs,
        ListSecretSyncsRequest(parent=project_name(client.state), page_size=page_size),
        lambda answer: list(answer.secret_syncs),
        limit=limit,
    )
    if client.state.json:
        print_messages("secretSyncs", found)
        return
    print_table(
        [
            "SYNC",
            "CONDITION",
            "SOURCE",
            "DESTINATION",
            "CONNECTION",
            "ENABLED",
            "AUTO",
            "LAST ENDED",
        ],
        (
            [
                short_name(item.name),
                condition_text(item),
                f"{short_name(item.source.environment)}:{item.source.secret_path}",
                short_name(item.destination),
                short_name(item.connection),
                yes_no(item.is_enabled),
                yes_no(item.is_auto_sync_enabled),
                time_text(item.sync_status.finish_time),
            ]
            for item in found
        ),
        empty="There are no secret syncs. `secretsync sync create` makes one.",
    )


@sync.command(
    example="secretsync --project shop sync update dev --disabled\n"
    "secretsync --project shop sync update dev --config scopeValues.roles=web-server --wait"
)
@click.argument("name", metavar="SYNC")
@sync_options(create=False)
@click.option(
    "--unset-config",
    metavar="NAME",
    multiple=True,
    help="Take a field out of the configuration. Repeatable.",
)
@click.option("--wait", is_flag=True, help="Wait for the run this queues; exit 1 if it fails.")
@all_option
@etag_option
@change_options
@pass_client
def update(
    client: Client,
    *,
    name: str,
    options: SyncOptions,
    unset_config: tuple[str, ...],
    wait: bool,
    show_all: bool,
    etag: str,
    change: Change,
) -> None:
    """Change a secret sync; what is not given stays.

    --config sets single fields of the present configuration, and replaces a list as a whole.
    """
    resource = child_name(client.state, "secretSyncs", name)
    settings = options.settings(client)
    config = None
    new = bool(options.config or unset_config or options.config_file is not None)
    mask = mask_of(
        **{path.replace(".", "__"): value for path, value in settings.items()},
        destination_config=True if new else None,
    )
    if new:
        present = get_sync(client, resource)
        config = changed_config(client, present, options, unset_config)
        # The new configuration is made from the one just read, so it must still be that one.
        etag = etag or present.etag
    request = UpdateSecretSyncRequest(
        secret_sync=build(settings, config, name=resource, etag=etag),
        update_mask=mask,
        request_id=change.request_id,
        validate_only=change.validate_only,
    )
    updated = client.call(client.syncs.UpdateSecretSync, request)
    show_warnings(client, updated)
    if wait and not change.validate_only:
        wait_for_first_run(client, updated, "Updated", show_all=show_all)
    else:
        report(client.state, updated, "Updated", change)


@sync.command(example="secretsync --project shop sync delete dev --remove-secrets --yes")
@click.argument("name", metavar="SYNC")
@click.option(
    "--remove-secrets", is_flag=True, help="Remove what it wrote at the destination first."
)
@click.option("--yes", "-y", is_flag=True, help="Do not ask.")
@etag_option
@change_options
@pass_client
def delete(
    client: Client,
    name: str,
    remove_secrets: bool,  # noqa: FBT001
    yes: bool,  # noqa: FBT001
    etag: str,
    change: Change,
) -> None:
    """Delete a secret sync with its history. Its secrets stay where they are by default.

    With --remove-secrets, what it wrote is removed first, also from former places; if that fails,
    the sync is kept.
    """
    resource = child_name(client.state, "secretSyncs", name)
    if not change.validate_only and not yes:
        place = place_of(get_sync(client, resource))
        fate = "REMOVE what it wrote" if remove_secrets else "leave what it wrote"
        confirm(f"Delete {resource}, and {fate} at {place}?", yes=yes)
    request = DeleteSecretSyncRequest(
        name=resource,
        etag=etag,
        remove_secrets=remove_secrets,
        request_id=change.request_id,
        validate_only=change.validate_only,
    )

    def delete_it() -> None:
        limit = client.state.wait_timeout if remove_secrets else None
        client.call(client.syncs.DeleteSecretSync, request, timeout=limit)

    with_spinner("removing its secrets" if remove_secrets else "deleting", delete_it)
    report_deleted(client.state, resource, change)
