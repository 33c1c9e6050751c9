"""The embedded engine: a queue in the state store, and tasks on this process's event loop."""

import asyncio
import contextlib
import functools
import logging
import random
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from secretsync.domain.entities import RunAction, RunTrigger, SecretSync, SyncRun
from secretsync.domain.runs import HistoryPolicy, RetryPolicy
from secretsync.engine import queue
from secretsync.engine.cancelling import cancel_run, end_cancelled
from secretsync.engine.finish import finish_attempt
from secretsync.engine.history import History
from secretsync.engine.intents import IntentRecorder
from secretsync.engine.protocol import Progress
from secretsync.engine.runner import LeaseLostError, Runner, RunReport
from secretsync.engine.unexpected import unexpected
from secretsync.logs import describe_exception
from secretsync.store.protocol import StateStore, StorageFullError, Transaction

log = logging.getLogger(__name__)

MAX_STORE_FAILURES = 5
"""How often a result is tried to be written down before it is the result that is given up."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineSettings:
    """How the embedded engine works.

    Attributes:
        max_runs: runs at a time in all.
        max_runs_per_connection: runs at a time for one connection.
        lease: seconds that a claim holds without a heartbeat; a heartbeat comes at a third of it.
        poll: seconds after which it looks at the queue even if nobody woke it.
        attempt_timeout: seconds that one attempt may take.
        retry: when to try again.
        history: which ended runs are kept.
        prune_interval: seconds between two prunings of the history.
    """

    max_runs: int = 100
    max_runs_per_connection: int = 5
    lease: float = 60.0
    poll: float = 1.0
    attempt_timeout: float = 900.0
    retry: RetryPolicy = field(default_factory=RetryPolicy)
    history: HistoryPolicy = field(default_factory=HistoryPolicy)
    prune_interval: float = 3600.0


class EmbeddedEngine:
    """Implements `Engine` within one process; the data directory's lock keeps others away."""

    def __init__(
        self,
        store: StateStore,
        runner: Runner,
        clock: Callable[[], datetime],
        settings: EngineSettings,
        rng: random.Random,
    ) -> None:
        self._store = store
        self._runner = runner
        self._clock = clock
        self._settings = settings
        self._rng = rng
        self._wakeup = asyncio.Event()
        self._stopping = False
        self._dispatcher: asyncio.Task[None] | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._waiting_for_room: set[str] = set()
        self._progress: dict[str, Progress] = {}
        self._pulse = asyncio.Event()
        self._stops: dict[tuple[str, int], asyncio.Event] = {}
        self._history = History(store, clock, settings.history)
        self._pruning: asyncio.Task[None] | None = None

    def enqueue(
        self,
        tx: Transaction,
        sync: SecretSync,
        action: RunAction,
        trigger: RunTrigger,
        *,
        delete_sync: bool = False,
    ) -> SyncRun:
        """See `Engine.enqueue`."""
        now = self._clock()
        return queue.enqueue(tx, sync, action, trigger, now=now, delete_sync=delete_sync)

    def cancel(self, tx: Transaction, run: SyncRun) -> SyncRun:
        """See `Engine.cancel`."""
        return cancel_run(tx, run, self._clock())

    def wake(self) -> None:
        """See `Engine.wake`."""
        self._wakeup.set()

    def progress(self, run_uid: str) -> Progress | None:
        """See `Engine.progress`."""
        return self._progress.get(run_uid)

    async def attempt_ended(self, timeout: float) -> None:  # noqa: ASYNC109
        """See `Engine.attempt_ended`."""
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._pulse.wait(), timeout)

    async def start(self) -> None:
        """See `Engine.start`."""
        released = await self._release()
        if released:
            log.warning("%d run(s) had been cut short; they were put back in the queue", released)
        self._dispatcher = asyncio.create_task(self._dispatch(), name="secretsync-dispatcher")
        self._pruning = asyncio.create_task(
            self._history.prune_forever(self._settings.prune_interval), name="secretsync-history"
        )

    def stop_claiming(self) -> None:
        """See `Engine.stop_claiming`."""
        self._stopping = True
        self.wake()

    async def stop(self, grace: float) -> None:
        """See `Engine.stop`."""
        self.stop_claiming()
        if self._pruning:
            self._pruning.cancel()
            await asyncio.gather(self._pruning, return_exceptions=True)
        if self._dispatcher:
            await self._dispatcher
        if self._tasks:
            _, late = await asyncio.wait(self._tasks, timeout=grace)
            for task in late:
                task.cancel()
            await asyncio.gather(*late, return_exceptions=True)
        await self._release()

    async def _release(self) -> int:
        try:
            return await self._store.write(self._release_all)
        except StorageFullError:
            log.error("the disk is full: runs that were cut short go on when their leases end")  # noqa: TRY400
            return 0

    def _release_all(self, tx: Transaction) -> int:
        now = self._clock()
        end_cancelled(tx, now, at_work=True)
        return tx.runs.release_all(now)

    async def _dispatch(self) -> None:
        while not self._stopping:
            self._wakeup.clear()
            try:
                await self._stop_cancelled()
                await self._claim_all()
                pause = await self._pause()
            except StorageFullError:
                log.error("the disk is full: no run can start until there is room")  # noqa: TRY400
                pause = self._settings.poll
            except Exception as error:  # noqa: BLE001  without a dispatcher no run would ever start
                log.error("the queue cannot be read: %s", describe_exception(error))  # noqa: TRY400
                pause = self._settings.poll
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._wakeup.wait(), timeout=pause)

    async def _stop_cancelled(self) -> None:
        for run in await self._store.read(lambda tx: tx.runs.cancelling()):
            if stop := self._stops.get((run.uid, run.lease_token)):
                stop.set()

    async def _claim_all(self) -> None:
        while self._may_claim():
            run = await self._store.write(self._claim)
            if run is None:
                return
            task = asyncio.create_task(self._execute(run), name=run.name)
            self._tasks.add(task)
            task.add_done_callback(self._done)

    def _may_claim(self) -> bool:
        # A result that waits for room must be written down first: its lease may have run out, and
        # whoever claimed the run again would do at the destination what is done already.
        return not (
            self._stopping or self._waiting_for_room or len(self._tasks) >= self._settings.max_runs
        )

    def _claim(self, tx: Transaction) -> SyncRun | None:
        now = self._clock()
        until = now + timedelta(seconds=self._settings.lease)
        # What is cancelled is not claimed, so it is ended here if its worker has gone.
        end_cancelled(tx, now, at_work=False)
        return tx.runs.claim(now, until, self._settings.max_runs_per_connection)

    def _done(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        self.wake()

    async def _pause(self) -> float:
        due = await self._store.read(lambda tx: tx.runs.next_due())
        if due is None:
            return self._settings.lease
        # What is due already waits for another run to end, which wakes the dispatcher; the poll
        # only covers what nobody announces, such as a clock that was set.
        wait = (due - self._clock()).total_seconds()
        return min(wait, self._settings.lease) if wait > 0 else self._settings.poll

    async def _execute(self, run: SyncRun) -> None:
        report, stop = RunReport(), asyncio.Event()
        attempt = asyncio.create_task(
            self._attempt(run, report), name=f"{run.name} attempt {run.attempt}"
        )
        heartbeat = asyncio.create_task(self._heartbeat(run), name=f"{run.name} heartbeat")
        cancelled = asyncio.create_task(stop.wait(), name=f"{run.name} cancelled")
        self._stops[run.uid, run.lease_token] = stop
        try:
            await asyncio.wait({attempt, heartbeat, cancelled}, return_when=asyncio.FIRST_COMPLETED)
            if stop.is_set() and not attempt.done():
                # A request that is under way is cut off. Whether it took place is found out by the
                # next run, as after a crash: what it was to write is recorded.
                attempt.cancel()
                await asyncio.wait({attempt})
            if not attempt.done():
                raise LeaseLostError  # noqa: TRY301  the heartbeat ends only when the lease is lost
            await self._finish(run, _report_of(attempt, report, stopped=stop.is_set()))
        except LeaseLostError:
            log.warning("%s lost its lease and wrote nothing more", run.name)
        finally:
            for task in (attempt, heartbeat, cancelled):
                task.cancel()
            await asyncio.gather(attempt, heartbeat, cancelled, return_exceptions=True)
            self._progress.pop(run.uid, None)
            del self._stops[run.uid, run.lease_token]

    async def _attempt(self, run: SyncRun, report: RunReport) -> None:
        record_intent = IntentRecorder(self._store, self._clock, self._renew, run, report)

        def report_progress(progress: Progress) -> None:
            self._progress[run.uid] = progress

        log.info("%s: attempt %d begins", run.name, run.attempt)
        await self._runner.execute(
            run, record_intent, report_progress, self._settings.attempt_timeout, report
        )

    def _renew(self, run: SyncRun, tx: Transaction) -> bool:
        until = self._clock() + timedelta(seconds=self._settings.lease)
        return tx.runs.renew(run.uid, run.lease_token, until)

    async def _heartbeat(self, run: SyncRun) -> None:
        """Renew the lease for as long as it is ours."""
        while True:
            await asyncio.sleep(self._settings.lease / 3)
            try:
                held = await self._store.write(functools.partial(self._renew, run))
            except Exception as error:  # noqa: BLE001  only a lost lease may end the attempt
                # The lease runs out if this goes on for long, and fences this worker.
                told = describe_exception(error)
                log.error("the lease of %s could not be renewed: %s", run.name, told)  # noqa: TRY400
                continue
            if not held:
                return

    async def _finish(self, run: SyncRun, report: RunReport) -> None:
        try:
            ended = await self._write_down(run, report)
        finally:
            self._waiting_for_room.discard(run.uid)
        log.info("%s: %s %s", run.name, ended.state, ended.message)
        pulse, self._pulse = self._pulse, asyncio.Event()
        pulse.set()

    async def _write_down(self, run: SyncRun, report: RunReport) -> SyncRun:
        """Write down what came of an attempt, however long it takes.

        Raises:
            LeaseLostError: another worker has the run; nothing was written.
        """
        failures = 0
        while True:
            try:
                return await self._store.write(
                    functools.partial(self._finish_attempt, run=run, report=report)
                )
            except LeaseLostError:
                raise
            except StorageFullError:
                self._waiting_for_room.add(run.uid)
                log.error("the disk is full: the result of %s waits for room", run.name)  # noqa: TRY400
            except Exception as error:  # noqa: BLE001  a plugin may have returned anything
                failures += 1
                if failures == MAX_STORE_FAILURES:
                    # It must be the report itself that cannot be stored. The intents stay, so the
                    # next run finds out what was written.
                    report = RunReport(problem=unexpected(error))
            await asyncio.sleep(self._settings.poll)

    def _finish_attempt(self, tx: Transaction, run: SyncRun, report: RunReport) -> SyncRun:
        policy, now = self._settings.retry, self._clock()
        return finish_attempt(tx, run, report, policy=policy, now=now, rng=self._rng)


def _report_of(attempt: asyncio.Task[None], report: RunReport, *, stopped: bool) -> RunReport:
    """Return the report of an attempt that is done.

    Args:
        attempt: the attempt.
        report: what it has reported.
        stopped: whether it was stopped because the run was cancelled.

    Raises:
        LeaseLostError: it ended because the lease is lost.
    """
    try:
        attempt.result()
    except LeaseLostError:
        raise
    except (Exception, asyncio.CancelledError) as error:  # noqa: BLE001
        if not (stopped and isinstance(error, asyncio.CancelledError)):
            # Nobody but the plugin can have cancelled it: its own tasks, for one.
            report.problem = unexpected(error)
    return report
