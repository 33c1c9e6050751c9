"""Waits for a run, with a progress bar on stderr."""

import time
from collections.abc import Callable
from datetime import UTC, datetime

from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from secretsync.cli.client import Client
from secretsync.cli.errors import CliError
from secretsync.cli.exit_codes import ExitCode
from secretsync.cli.names import short_name
from secretsync.cli.text import printable
from secretsync.cli.words import age_text, enum_text
from secretsync.v1.secret_sync_service_pb2 import (
    RUN_STATE_AWAITING_APPROVAL,
    RUN_STATE_FAILED,
    RUN_STATE_PARTIALLY_SUCCEEDED,
    RUN_STATE_PENDING,
    RUN_STATE_RUNNING,
    RUN_STATE_SUCCEEDED,
    GetSyncRunRequest,
    RunState,
    SyncRun,
)

_FIRST_PAUSE = 0.1
_LONGEST_PAUSE = 1.0
_PAUSE_GROWTH = 1.5
ENDED = frozenset(
    {
        RUN_STATE_SUCCEEDED,
        RUN_STATE_FAILED,
        RUN_STATE_PARTIALLY_SUCCEEDED,
        RUN_STATE_AWAITING_APPROVAL,
    }
)
"""The states that a run does not leave by itself."""


def wait_for_run(client: Client, name: str) -> SyncRun:
    """Return a run once it has ended, well or not, or waits for approval.

    Args:
        client: has the limit of `--timeout`.
        name: the run's resource name.

    Raises:
        CliError: the time is up (the run goes on), the wait was interrupted, or a call failed.
    """
    deadline = time.monotonic() + client.state.wait_timeout
    pause = _FIRST_PAUSE
    with _progress() as progress:
        task = progress.add_task("waiting", total=None)
        try:
            while True:
                run = client.call(client.syncs.GetSyncRun, GetSyncRunRequest(name=name))
                if run.state in ENDED:
                    return run
                progress.update(
                    task,
                    description=printable(describe(run)),
                    completed=run.progress.done,
                    total=run.progress.total or None,
                )
                left = deadline - time.monotonic()
                if left <= 0:
                    raise _left_alone(
                        f"the run did not end within {client.state.wait_timeout:g} s",
                        ExitCode.TIMED_OUT,
                        run,
                    )
                time.sleep(min(pause, left))
                pause = min(pause * _PAUSE_GROWTH, _LONGEST_PAUSE)
        except KeyboardInterrupt:
            raise _left_alone("interrupted", ExitCode.INTERRUPTED, SyncRun(name=name)) from None


def describe(run: SyncRun) -> str:
    """Return in a few words what a run is doing that has not ended."""
    words = enum_text(RunState.DESCRIPTOR, run.state, "RUN_STATE_")
    if run.state == RUN_STATE_RUNNING:
        words = run.progress.step or words
        if run.progress.total:
            words += f" {run.progress.done}/{run.progress.total}"
    if run.attempt > 1 or run.state == RUN_STATE_PENDING:
        words += f", attempt {max(run.attempt, 1)} of {run.max_attempts}" if run.attempt else ""
    if run.HasField("next_attempt_time"):
        due = run.next_attempt_time.ToDatetime(tzinfo=UTC)
        words += f", next {age_text((datetime.now(UTC) - due).total_seconds())}"
    if run.cancel_requested:
        words += ", being cancelled"
    if run.state == RUN_STATE_PENDING and run.message:
        words += f": {run.message}"
    return words


def with_progress(label: str, steps: int, step: Callable[[int], None]) -> None:
    """Do numbered steps, with a progress bar on stderr.

    Args:
        label: what is being done.
        steps: how many steps there are.
        step: does one, counted from 0.
    """
    with _progress() as progress:
        for number in progress.track(range(steps), description=label):
            step(number)


def with_spinner(label: str, step: Callable[[], None]) -> None:
    """Do one thing that takes long, with a sign of life on stderr.

    Args:
        label: what is being done.
        step: does it.
    """
    with _progress() as progress:
        progress.add_task(label, total=None)
        step()


def _progress() -> Progress:
    console = Console(stderr=True)
    return Progress(
        SpinnerColumn(),
        TextColumn("{task.description}", markup=False),
        BarColumn(bar_width=30),
        TimeElapsedColumn(),
        console=console,
        transient=True,
        disable=not console.is_terminal,
    )


def _left_alone(message: str, code: ExitCode, run: SyncRun) -> CliError:
    sync, _, run_id = run.name.partition("/runs/")
    return CliError(
        message,
        code,
        hint=f"the run goes on; see `secretsync run get {short_name(sync)}/{run_id}`",
    )
