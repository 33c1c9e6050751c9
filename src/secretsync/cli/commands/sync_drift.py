"""`secretsync sync check-drift`: look for drift now."""

import click

from secretsync.cli.client import Client, pass_client
from secretsync.cli.commands.sync_keys import list_keys, show_keys
from secretsync.cli.commands.sync_plan import PlanCommand
from secretsync.cli.exit_codes import PLAN_HAS_CHANGES
from secretsync.cli.names import child_name
from secretsync.cli.output import print_json, say, to_dict
from secretsync.cli.queued import wait_for_queued
from secretsync.cli.run_view import fail_unless_succeeded
from secretsync.v1.secret_sync_service_pb2 import KEY_STATE_DRIFTED, CheckDriftRequest


@click.command(cls=PlanCommand, example="secretsync --project shop sync check-drift dev")
@click.argument("name", metavar="SYNC")
@click.pass_context
@pass_client
def check_drift(client: Client, context: click.Context, name: str) -> None:
    """Look whether the destination still holds what was written, change nothing, and tell.

    Exit code 0: nothing has drifted; 2: something has; 1: an error of any kind.
    """
    resource = child_name(client.state, "secretSyncs", name)
    queued = client.call(client.syncs.CheckDrift, CheckDriftRequest(name=resource))
    run = wait_for_queued(client, queued)
    fail_unless_succeeded(run)
    found = list(list_keys(client, resource, [KEY_STATE_DRIFTED]))
    if client.state.json:
        print_json({"syncRun": to_dict(run), "syncKeys": [to_dict(key) for key in found]})
    else:
        say(f"{run.name}: {run.message}")
        if found:
            show_keys(found)
    if found:
        context.exit(PLAN_HAS_CHANGES)
