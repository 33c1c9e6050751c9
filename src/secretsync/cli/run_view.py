"""Shows a run: what happened to each key, counts, warnings, HTTP requests, times."""

from collections.abc import Callable

import click

from secretsync.cli.attempt_view import show_attempts
from secretsync.cli.client import Client
from secretsync.cli.errors import CliError
from secretsync.cli.exit_codes import ExitCode
from secretsync.cli.names import short_name
from secretsync.cli.output import print_fields, print_message, print_table, say
from secretsync.cli.plan_view import print_plan
from secretsync.cli.waiting import MOVING, describe
from secretsync.cli.words import (
    bytes_text,
    duration_text,
    enum_text,
    seconds_text,
    span_text,
    time_and_age,
)
from secretsync.v1.error_reason_pb2 import ErrorReason
from secretsync.v1.secret_sync_service_pb2 import (
    KEY_ACTION_UNCHANGED,
    RUN_STATE_AWAITING_APPROVAL,
    RUN_STATE_FAILED,
    RUN_STATE_PARTIALLY_SUCCEEDED,
    KeyAction,
    RunAction,
    RunState,
    RunTrigger,
    SyncRun,
)


def all_option(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command that shows a run the option `--all`, as the argument `show_all`."""
    return click.option(
        "--all", "-v", "show_all", is_flag=True, help="List the unchanged keys too."
    )(command)


def state_text(run: SyncRun) -> str:
    """Return how far a run has come, in one word."""
    return enum_text(RunState.DESCRIPTOR, run.state, "RUN_STATE_")


def action_text(run: SyncRun) -> str:
    """Return what a run does, e.g. `sync` or `clean-up`."""
    return enum_text(RunAction.DESCRIPTOR, run.action, "RUN_ACTION_")


def trigger_text(run: SyncRun) -> str:
    """Return why a run was queued, e.g. `source-change`."""
    return enum_text(RunTrigger.DESCRIPTOR, run.trigger, "RUN_TRIGGER_")


def reason_text(run: SyncRun) -> str:
    """Return why a run failed, e.g. `AUTHENTICATION_FAILED`; `-` if it did not."""
    if not run.error_reason:
        return "-"
    return (
        enum_text(ErrorReason.DESCRIPTOR, run.error_reason, "ERROR_REASON_")
        .upper()
        .replace("-", "_")
    )


def counts_text(run: SyncRun) -> str:
    """Return how many keys had each outcome: `2 created, 198 unchanged`."""
    counts = run.counts
    parts = (
        (counts.created, "created"),
        (counts.updated, "updated"),
        (counts.unchanged, "unchanged"),
        (counts.deleted, "deleted"),
        (counts.skipped, "skipped"),
        (counts.failed, "failed"),
    )
    return ", ".join(f"{count} {word}" for count, word in parts if count) or "no keys"


def message_text(run: SyncRun) -> str:
    """Return what the server says of a run, unless it is merely the counts."""
    return "" if run.message == counts_text(run) else run.message


def show_run(client: Client, run: SyncRun, *, show_all: bool) -> None:
    """Print a run.

    Args:
        client: says whether output is for programs.
        run: the run with its results.
        show_all: list unchanged keys one by one instead of counting them.
    """
    if client.state.json:
        print_message(run)
        return
    print_fields(_summary(run))
    changed = [
        result for result in run.key_results if show_all or result.action != KEY_ACTION_UNCHANGED
    ]
    if changed:
        say("")
        print_table(
            ["KEY", "NAME AT DESTINATION", "ACTION", "REASON"],
            (
                [
                    result.key or "-",
                    result.destination_name,
                    enum_text(KeyAction.DESCRIPTOR, result.action, "KEY_ACTION_"),
                    result.reason,
                ]
                for result in changed
            ),
        )
    if run.HasField("plan"):
        say("")
        print_plan(run.plan, show_all=show_all)
    hidden = len(run.key_results) - len(changed)
    if hidden:
        say(f"{hidden} unchanged (--all lists them)")
    for warning in run.warnings:
        say(f"warning: {warning}")
    show_attempts(run)
    if run.http_requests:
        say("")
        print_table(
            ["REQUEST", "PATH", "STATUS", "TIME", "SENT", "RECEIVED"],
            (
                [
                    request.method,
                    request.path,
                    str(request.status_code or "none"),
                    duration_text(request.duration),
                    bytes_text(request.request_bytes),
                    bytes_text(request.response_bytes),
                ]
                for request in run.http_requests
            ),
        )


def show_ended_run(client: Client, run: SyncRun, *, show_all: bool) -> None:
    """Print a run that was waited for.

    Raises:
        CliError: it failed, or waits for approval.
    """
    show_run(client, run, show_all=show_all)
    fail_unless_succeeded(run)


def fail_unless_succeeded(run: SyncRun) -> None:
    """Raise CliError if a run failed, succeeded in part only, or waits for approval."""
    if run.state == RUN_STATE_AWAITING_APPROVAL:
        sync = run.name.partition("/runs/")[0]
        raise CliError(
            f"the run {short_name(run.name)} waits for approval: nothing was changed",
            ExitCode.CONFLICT,
            hint=f"`secretsync sync approve {short_name(sync)}` shows its plan and lets it go on",
        )
    if run.state in {RUN_STATE_FAILED, RUN_STATE_PARTIALLY_SUCCEEDED}:
        how = "failed" if run.state == RUN_STATE_FAILED else "succeeded in part only"
        raise CliError(
            f"the run {short_name(run.name)} {how}: {run.message}", reason=reason_text(run)
        )


def _summary(run: SyncRun) -> list[tuple[str, str]]:
    fields = [("Run", run.name), ("Action", action_text(run)), ("Trigger", trigger_text(run))]
    if run.requester:
        fields.append(("Requester", run.requester))
    if run.approver:
        fields.append(("Approver", run.approver))
    rests = run.state not in MOVING
    fields.append(("State", state_text(run) if rests else describe(run)))
    if message_text(run):
        fields.append(("Message", run.message))
    if run.error_reason:
        fields.append(("Reason", reason_text(run)))
    fields.append(("Attempts", f"{run.attempt} of {run.max_attempts}"))
    fields.append(("Queued", time_and_age(run.create_time)))
    if rests:
        fields.append(("Duration", span_text(run.start_time, run.finish_time)))
        fields.append(("Keys", counts_text(run)))
    if run.http_requests:
        seconds = sum(request.duration.ToNanoseconds() for request in run.http_requests) / 1e9
        fields.append(("HTTP requests", f"{len(run.http_requests)} in {seconds_text(seconds)}"))
    return fields
