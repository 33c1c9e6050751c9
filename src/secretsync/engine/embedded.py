"""The embedded engine: a queue in the state store, and tasks on this process's event loop."""

import asyncio
import contextlib
import logging
import random
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta

from secretsync.domain.entities import RunAction, RunTrigger, SecretSync, SyncRun
from secretsync.domain.former_places import FormerPlace
from secretsync.engine.cancelling import cancel_run, end_cancelled
from secretsync.engine.clean_up import enqueue_clean_up
from secretsync.engine.engine_settings import EngineSettings
from secretsync.engine.history import History
from secretsync.engine.protocol import Progress
from secretsync.engine.queue import NO_TERMS, RunTerms, enqueue
from secretsync.engine.runner import Runner
from secretsync.engine.schedules import CLOCK_STEP, is_due, queue_due
from secretsync.engine.unwanted import end_abandoned
from secretsync.engine.worker import Worker
from secretsync.logs import describe_exception
from secretsync.store.protocol import StateStore, StorageFullError, Transaction

log = logging.getLogger(__name__)


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
        self._clock = clock
        self._settings = settings
        self._worker = Worker(store, runner, clock, settings, rng)
        self._wakeup = asyncio.Event()
        self._stopping = False
        self._dispatcher: asyncio.Task[None] | None = None
        self._looked_at = clock()
        self._tasks: set[asyncio.Task[None]] = set()
        self._history = History(store, clock, settings.history, settings.events)
        self._pruning: asyncio.Task[None] | None = None

    def enqueue(
        self,
        tx: Transaction,
        sync: SecretSync,
        action: RunAction,
        trigger: RunTrigger,
        *,
        terms: RunTerms = NO_TERMS,
    ) -> SyncRun:
        """See `Engine.enqueue`."""
        return enqueue(
            tx,
            sync,
            action,
            trigger,
            now=self._clock(),
            terms=terms,
            change_interval=timedelta(seconds=self._settings.change_interval),
        )

    def clean_up(
        self,
        tx: Transaction,
        sync: SecretSync,
        place: FormerPlace,
        trigger: RunTrigger,
        *,
        delete_sync: bool = False,
    ) -> SyncRun:
        """See `Engine.clean_up`."""
        now = self._clock()
        return enqueue_clean_up(tx, sync, place, trigger, now=now, delete_sync=delete_sync)

    def cancel(self, tx: Transaction, run: SyncRun) -> SyncRun:
        """See `Engine.cancel`."""
        return cancel_run(tx, run, self._clock())

    def wake(self) -> None:
        """See `Engine.wake`."""
        self._wakeup.set()

    def progress(self, run_uid: str) -> Progress | None:
        """See `Engine.progress`."""
        return self._worker.progress(run_uid)

    def running(self) -> Sequence[tuple[SyncRun, Progress]]:
        """See `Engine.running`."""
        return self._worker.running()

    def notify(self, told: Callable[[], None]) -> None:
        """See `Engine.notify`."""
        self._worker.progressed = told

    async def attempt_ended(self, timeout: float) -> None:  # noqa: ASYNC109
        """See `Engine.attempt_ended`."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(timeout):
                await self._worker.attempt_ended.wait()

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
        released = tx.runs.release_all(now)
        # The clock may have been set back since an earlier process has looked at it.
        self._bring_forward(tx)
        return released

    async def _dispatch(self) -> None:
        while not self._stopping:
            self._wakeup.clear()
            try:
                await self._stop_cancelled()
                await self._heed_clock()
                await self._queue_due()
                await self._claim_all()
                pause = await self._pause()
            except StorageFullError:
                log.error("the disk is full: no run can start until there is room")  # noqa: TRY400
                pause = self._settings.poll
            except Exception as error:  # noqa: BLE001  without a dispatcher no run would ever start
                log.error("the queue cannot be read: %s", describe_exception(error))  # noqa: TRY400
                pause = self._settings.poll
            # Not `asyncio.wait_for`, which Python 3.11 does not let be cancelled while it is woken.
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(pause):
                    await self._wakeup.wait()

    async def _stop_cancelled(self) -> None:
        for run in await self._store.read(lambda tx: tx.runs.cancelling()):
            self._worker.stop(run)

    async def _heed_clock(self) -> None:
        if self._clock() < self._looked_at - CLOCK_STEP:
            await self._store.write(self._bring_forward)
        self._looked_at = self._clock()

    def _bring_forward(self, tx: Transaction) -> None:
        """Let runs that wait for times which a clock ahead of the present one has set be due."""
        now = self._clock()
        tx.runs.bring_forward(now + CLOCK_STEP, now)

    async def _queue_due(self) -> None:
        while await self._store.read(lambda tx: is_due(tx, self._clock())):
            await self._store.write(lambda tx: queue_due(tx, self._clock()))

    async def _claim_all(self) -> None:
        while self._may_claim():
            run = await self._store.write(self._claim)
            if run is None:
                return
            task = asyncio.create_task(self._worker.execute(run), name=run.name)
            self._tasks.add(task)
            task.add_done_callback(self._done)

    def _may_claim(self) -> bool:
        # A result that waits for room must be written down first: its lease may have run out, and
        # whoever claimed the run again would do at the destination what is done already.
        return not (
            self._stopping
            or self._worker.is_waiting_for_room
            or len(self._tasks) >= self._settings.max_runs
        )

    def _claim(self, tx: Transaction) -> SyncRun | None:
        now = self._clock()
        until = now + timedelta(seconds=self._settings.lease)
        # What is cancelled is not claimed, nor is what a disabled sync has left, so they are ended
        # here if their workers have gone.
        end_cancelled(tx, now, at_work=False)
        end_abandoned(tx, now)
        return tx.runs.claim(now, until, self._settings.max_runs_per_connection)

    def _done(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        self.wake()

    async def _pause(self) -> float:
        moments = await self._store.read(lambda tx: (tx.runs.next_due(), tx.syncs.next_due()))
        due = min((moment for moment in moments if moment), default=None)
        if due is None:
            return self._settings.lease
        # What is due already waits for another run to end, which wakes the dispatcher; the poll
        # only covers what nobody announces, such as a clock that was set.
        wait = (due - self._clock()).total_seconds()
        return min(wait, self._settings.lease) if wait > 0 else self._settings.poll
