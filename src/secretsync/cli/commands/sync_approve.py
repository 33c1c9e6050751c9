"""`secretsync sync approve`: look at the plan that waits, and let it happen."""

from typing import Any

import click

from secretsync.cli.client import Client, pass_client
from secretsync.cli.commands.sync_runs import follow, wait_option
from secretsync.cli.errors import CliError
from secretsync.cli.exit_codes import ExitCode
from secretsync.cli.framework import Change, Command, change_options
from secretsync.cli.inputs import confirm
from secretsync.cli.names import child_name, short_name
from secretsync.cli.plan_view import print_plan
from secretsync.cli.run_view import all_option
from secretsync.v1.secret_sync_service_pb2 import (
    RUN_ACTION_REMOVE,
    RUN_STATE_AWAITING_APPROVAL,
    GetSyncRunRequest,
    ListSyncRunsRequest,
    RemoveSecretsRequest,
    SyncRun,
    SyncSecretsRequest,
)


@click.command(
    cls=Command,
    example="secretsync --project shop sync approve dev\n"
    "secretsync --project shop sync approve dev --yes --no-wait",
)
@click.argument("name", metavar="SYNC")
@click.option("--yes", "-y", is_flag=True, help="Do not ask.")
@wait_option
@all_option
@change_options
@pass_client
def approve(
    client: Client,
    name: str,
    yes: bool,  # noqa: FBT001
    wait: bool,  # noqa: FBT001
    show_all: bool,  # noqa: FBT001
    change: Change,
) -> None:
    """Show the plan that waits for approval, and let exactly that happen.

    If anything that the plan follows from has moved since, nothing is changed.
    `secretsync run cancel` refuses the plan.
    """
    waiting = _waiting_run(client, child_name(client.state, "secretSyncs", name))
    if not client.state.json:
        print_plan(waiting.plan, show_all=show_all)
    if not change.validate_only and not yes:
        confirm(f"Approve the plan of {waiting.name}?", yes=yes)
    resource = waiting.name.partition("/runs/")[0]
    terms: dict[str, Any] = {
        "name": resource,
        "fingerprint": waiting.plan.fingerprint,
        "request_id": change.request_id,
        "validate_only": change.validate_only,
    }
    if waiting.action == RUN_ACTION_REMOVE:
        queued = client.call(client.syncs.RemoveSecrets, RemoveSecretsRequest(**terms))
    else:
        queued = client.call(client.syncs.SyncSecrets, SyncSecretsRequest(**terms))
    follow(client, queued, wait=wait, show_all=show_all, change=change)


def _waiting_run(client: Client, sync: str) -> SyncRun:
    """Return the run that waits for approval, with its plan."""
    request = ListSyncRunsRequest(parent=sync, states=[RUN_STATE_AWAITING_APPROVAL], page_size=1)
    found = client.call(client.syncs.ListSyncRuns, request).sync_runs
    if not found:
        raise CliError(
            f"no plan of {sync} waits for approval",
            ExitCode.NOT_FOUND,
            hint=f"`secretsync sync plan {short_name(sync)}` makes one; `secretsync sync run"
            f" {short_name(sync)} --fingerprint FINGERPRINT` approves it",
        )
    return client.call(client.syncs.GetSyncRun, GetSyncRunRequest(name=found[0].name))
