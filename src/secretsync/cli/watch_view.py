"""Tells people what happens to syncs: a line for each message of a stream."""

from datetime import UTC, datetime

from secretsync.cli.condition_view import condition_text
from secretsync.cli.names import short_name
from secretsync.cli.run_view import action_text, reason_text, state_text
from secretsync.cli.waiting import MOVING, describe
from secretsync.cli.words import enum_text
from secretsync.v1.secret_sync_service_pb2 import (
    SYNC_CHANGE_PRESENT,
    SYNC_CHANGE_PROGRESS,
    SYNC_CHANGE_RUN,
    SYNC_CHANGE_UPDATED,
    RunState,
    RunStatus,
    SecretSync,
    SyncChange,
    SyncRun,
    WatchSecretSyncsResponse,
)

_UID_LENGTH = 8
"""How much of a run's uid tells it apart from others that are shown at the same time."""


def line_of(message: WatchSecretSyncsResponse, *, with_project: bool) -> str:
    """Return a line for a message that is about a sync; empty for the others.

    Args:
        message: the message.
        with_project: name the project too.
    """
    if not message.name:
        return ""
    _, project, _, sync = message.name.split("/")
    when = datetime.now(UTC)
    if message.HasField("change_time"):
        when = message.change_time.ToDatetime(tzinfo=UTC)
    name = f"{project}/{sync}" if with_project else sync
    return f"{when.astimezone():%H:%M:%S}  {name}  {_text_of(message)}"


def _text_of(message: WatchSecretSyncsResponse) -> str:
    if message.change == SYNC_CHANGE_PRESENT:
        return _present_text(message.secret_sync)
    if message.change in {SYNC_CHANGE_RUN, SYNC_CHANGE_PROGRESS}:
        return _run_text(message.sync_run)
    words = enum_text(SyncChange.DESCRIPTOR, message.change, "SYNC_CHANGE_")
    if message.change == SYNC_CHANGE_UPDATED and message.HasField("secret_sync"):
        words += f", {condition_text(message.secret_sync)}"
    return words


def _present_text(sync: SecretSync) -> str:
    statuses = (("sync", sync.sync_status), ("removal", sync.remove_status))
    told = [f"last {kind} {_status_text(status)}" for kind, status in statuses if status.last_run]
    return ", ".join([condition_text(sync), *(told or ["has not run yet"])])


def _status_text(status: RunStatus) -> str:
    state = enum_text(RunState.DESCRIPTOR, status.state, "RUN_STATE_")
    return f"{state}: {status.message}" if status.message else state


def _run_text(run: SyncRun) -> str:
    name = f"{action_text(run)} {short_name(run.name)[:_UID_LENGTH]}"
    if run.state in MOVING:
        return f"{name} {describe(run)}"
    reason = f" ({reason_text(run)})" if run.error_reason else ""
    message = f": {run.message}" if run.message else ""
    return f"{name} {state_text(run)}{reason}{message}"
