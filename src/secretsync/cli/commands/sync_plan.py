"""`secretsync sync plan`: what a sync or removal would do."""

import contextlib
from collections.abc import Iterator
from typing import Any

import click

from secretsync.cli.client import Client, pass_client
from secretsync.cli.errors import CliError, from_click
from secretsync.cli.exit_codes import PLAN_HAS_CHANGES, ExitCode
from secretsync.cli.framework import Command
from secretsync.cli.names import child_name
from secretsync.cli.plan_view import has_changes, show_plan
from secretsync.cli.run_view import all_option
from secretsync.v1.secret_sync_service_pb2 import (
    RUN_ACTION_REMOVE,
    RUN_ACTION_SYNC,
    PlanSecretSyncRequest,
)


@contextlib.contextmanager
def _failing_with_1() -> Iterator[None]:
    """Let whatever goes wrong exit with 1, since 2 says that there are changes."""
    try:
        yield
    except click.ClickException as error:
        failure = from_click(error)
        failure.code = ExitCode.FAILED
        raise failure from error
    except CliError as error:
        error.code = ExitCode.FAILED
        raise


class PlanCommand(Command):
    """A command whose exit code tells whether there is something to do."""

    def make_context(self, *args: Any, **extra: Any) -> click.Context:  # noqa: ANN401
        """Read the command line."""
        with _failing_with_1():
            return super().make_context(*args, **extra)

    def invoke(self, ctx: click.Context) -> object:
        """Run the command."""
        with _failing_with_1():
            return super().invoke(ctx)


@click.command(
    cls=PlanCommand,
    example="secretsync --project shop sync plan dev\n"
    "secretsync --project shop sync plan dev --remove --json",
)
@click.argument("name", metavar="SYNC")
@click.option("--remove", is_flag=True, help="Plan a removal instead of a sync.")
@all_option
@click.pass_context
@pass_client
def plan(
    client: Client,
    context: click.Context,
    name: str,
    remove: bool,  # noqa: FBT001
    show_all: bool,  # noqa: FBT001
) -> None:
    """Show what a sync would do now, key by key, and change nothing.

    `+` would be created, `~` overwritten, `-` deleted; `!` cannot be touched. Exit code 0: nothing
    to do; 2: there are changes; 1: an error of any kind, or the run would fail.
    """
    request = PlanSecretSyncRequest(
        name=child_name(client.state, "secretSyncs", name),
        action=RUN_ACTION_REMOVE if remove else RUN_ACTION_SYNC,
    )
    made = client.call(client.syncs.PlanSecretSync, request)
    show_plan(client, made, show_all=show_all)
    if made.refusal:
        raise CliError(f"a run would change nothing and fail: {made.refusal}")
    if has_changes(made):
        context.exit(PLAN_HAS_CHANGES)
