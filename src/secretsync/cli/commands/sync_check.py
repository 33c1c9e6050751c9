"""`secretsync sync check-destination`: which other syncs write the same."""

import click

from secretsync.cli.client import Client, pass_client
from secretsync.cli.exit_codes import ExitCode
from secretsync.cli.framework import Command
from secretsync.cli.names import child_name
from secretsync.cli.overlap_view import is_in_the_way, show_overlaps
from secretsync.v1.secret_sync_service_pb2 import CheckDestinationRequest


@click.command(
    "check-destination",
    cls=Command,
    example="secretsync --project shop sync check-destination dev",
)
@click.argument("name", metavar="SYNC")
@click.pass_context
@pass_client
def check_destination(client: Client, context: click.Context, name: str) -> None:
    """Show which other syncs, of any project, write or could come to write the same.

    Exit code 4 if there is a collision, now or possibly; overlapping scopes alone are none. Of a
    sync that is not there yet, `sync create --dry-run` tells.
    """
    request = CheckDestinationRequest(name=child_name(client.state, "secretSyncs", name))
    answer = client.call(client.syncs.CheckDestination, request)
    show_overlaps(client, answer)
    if any(is_in_the_way(each) for each in answer.overlaps):
        context.exit(ExitCode.CONFLICT)
