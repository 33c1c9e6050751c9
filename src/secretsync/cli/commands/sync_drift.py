"""`secretsync sync check-drift`: look for drift now."""

from datetime import UTC, datetime

import click

from secretsync.cli.client import Client, pass_client
from secretsync.cli.commands.sync_keys import list_keys, show_keys
from secretsync.cli.commands.sync_plan import PlanCommand
from secretsync.cli.errors import CliError
from secretsync.cli.exit_codes import PLAN_HAS_CHANGES
from secretsync.cli.names import child_name, short_name
from secretsync.cli.output import print_json, say, to_dict
from secretsync.cli.queued import wait_for_queued
from secretsync.cli.run_view import fail_unless_succeeded
from secretsync.cli.words import time_and_age
from secretsync.v1.secret_sync_service_pb2 import KEY_STATE_DRIFTED, CheckDriftRequest, SyncRun


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
    _check_soon(client, queued)
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


def _check_soon(client: Client, queued: SyncRun) -> None:
    """Refuse to wait for another run that finds out the same, but not before the time is up."""
    if not queued.HasField("next_attempt_time"):
        return
    due = queued.next_attempt_time.ToDatetime(tzinfo=UTC)
    if (due - datetime.now(UTC)).total_seconds() > client.state.wait_timeout:
        sync = short_name(queued.name.partition("/runs/")[0])
        raise CliError(
            f"{queued.name} waits for its time, {time_and_age(queued.next_attempt_time)}, and finds"
            " out the same then",
            hint=f"`secretsync sync run {sync}` lets it begin now;"
            f" `secretsync sync plan {sync}` only looks",
        )
