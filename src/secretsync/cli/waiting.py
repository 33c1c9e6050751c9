"""Waits for a run, with a progress bar on stderr."""

import time
from collections.abc import Callable
from contextlib import closing
from datetime import UTC, datetime

from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from secretsync.cli.client import Client
from secretsync.cli.errors import CliError
from secretsync.cli.exit_codes import ExitCode
from secretsync.cli.names import short_name
from secretsync.cli.streams import Backoff, can_pass
from secretsync.cli.text import printable
from secretsync.cli.words import age_text, enum_text
from secretsync.v1.secret_sync_service_pb2 import (
    RUN_STATE_PENDING,
    RUN_STATE_RUNNING,
    SYNC_CHANGE_SYNCED,
    GetSyncRunRequest,
    RunState,
    SyncRun,
    WatchSecretSyncsRequest,
)

MOVING = frozenset({RUN_STATE_PENDING, RUN_STATE_RUNNING})
"""The states that a run leaves by itself. A run in any other has ended, or waits for somebody."""
PATIENCE = 60.0
"""Seconds for which a server that has gone away is waited for, e.g. while it is restarted."""
_SLACK = 0.05
"""Seconds by which gRPC's clock and ours may differ."""


def wait_for_run(client: Client, name: str) -> SyncRun:
    """Return a run once it has come to rest: it has ended, well or not, or waits for somebody.

    Args:
        client: has the limit of `--timeout`.
        name: the run's resource name.

    Raises:
        CliError: the time is up (the run goes on), the wait was interrupted, or a call failed.
    """
    with _progress() as progress:
        task = progress.add_task("waiting", total=None)

        def show(run: SyncRun) -> None:
            progress.update(
                task,
                description=printable(describe(run)),
                completed=run.progress.done,
                total=run.progress.total or None,
            )

        try:
            return _Wait(client, name, show).result()
        except KeyboardInterrupt:
            raise _left_alone("interrupted", ExitCode.INTERRUPTED, SyncRun(name=name)) from None


class _Wait:
    """Follows one run in the stream of what happens to its sync."""

    def __init__(self, client: Client, name: str, show: Callable[[SyncRun], None]) -> None:
        self._client = client
        self._name = name
        self._show = show
        self._deadline = time.monotonic() + client.state.wait_timeout
        self._cursor = ""
        self._heard_at = time.monotonic()
        self._backoff = Backoff()

    def result(self) -> SyncRun:
        """Return the run once it has come to rest."""
        while True:
            try:
                run = self._follow()
            except CliError as error:
                run = self._broken(error)
            if run is not None:
                return run

    def _follow(self) -> SyncRun | None:
        """Return the run when the stream tells that it has come to rest; None if the stream ends.

        A stream without a cursor begins with what is there: from then on nothing can be missed, so
        that is when the run itself is looked at.
        """
        client, parent = self._client, self._name.partition("/runs/")[0]
        request = WatchSecretSyncsRequest(parent=parent, cursor=self._cursor)
        stream = client.stream(client.syncs.WatchSecretSyncs, request, timeout=self._left())
        with closing(stream) as messages:
            for message in messages:
                if message.change == SYNC_CHANGE_SYNCED:
                    run = self._look()
                elif message.sync_run.name == self._name:
                    run = message.sync_run
                    if run.state not in MOVING:
                        # The stream leaves out what it did, key by key.
                        run = self._look()
                else:
                    run = None
                # Not before: what a message told must have been dealt with when it is skipped.
                self._heard(message.cursor)
                if run is not None and run.state not in MOVING:
                    return run
                if run is not None:
                    self._show(run)
        self._pause()
        return None

    def _broken(self, error: CliError) -> SyncRun | None:
        """Return after a pause if the stream can be gone on with; the run, if it is at rest then.

        Raises:
            CliError: the time is up, the server has been away for too long, or `error` itself.
        """
        if self._left() < _SLACK:
            raise _left_alone(
                f"the run did not end within {self._client.state.wait_timeout:g} s",
                ExitCode.TIMED_OUT,
                SyncRun(name=self._name),
            )
        if error.reason == "CURSOR_EXPIRED":
            self._cursor = ""
            return None
        if error.reason == "TOO_MANY_WATCHERS":
            # Others watch; one can still ask now and then.
            self._pause()
            try:
                run = self._look()
            except CliError as away:
                return self._broken(away)
            self._heard_at = time.monotonic()
            self._show(run)
            return None if run.state in MOVING else run
        if not can_pass(error) or time.monotonic() >= self._heard_at + PATIENCE:
            raise error
        self._pause()
        return None

    def _look(self) -> SyncRun:
        return self._client.call(self._client.syncs.GetSyncRun, GetSyncRunRequest(name=self._name))

    def _heard(self, cursor: str) -> None:
        self._cursor, self._heard_at = cursor, time.monotonic()
        self._backoff.reset()

    def _left(self) -> float:
        return self._deadline - time.monotonic()

    def _pause(self) -> None:
        time.sleep(max(0.0, min(self._backoff.next(), self._left())))


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
