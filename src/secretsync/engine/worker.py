"""Works off one claimed run: its attempt, its lease, and the writing down of what came of it."""

import asyncio
import functools
import logging
import random
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta

from secretsync.domain.entities import SyncRun
from secretsync.engine.engine_settings import EngineSettings
from secretsync.engine.finish import finish_attempt
from secretsync.engine.intents import IntentRecorder
from secretsync.engine.protocol import Progress
from secretsync.engine.report import RunReport
from secretsync.engine.runner import LeaseLostError, Runner
from secretsync.engine.unexpected import unexpected
from secretsync.logs import describe_exception
from secretsync.store.protocol import StateStore, StorageFullError, Transaction

log = logging.getLogger(__name__)

MAX_STORE_FAILURES = 5
"""How often a result is tried to be written down before it is the result that is given up."""


class Worker:
    """Works off claimed runs, any number at a time.

    Args:
        store: the state store.
        runner: makes the attempts.
        clock: returns the present time.
        settings: how the engine works.
        rng: the source of chance.
    """

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
        self._waiting_for_room: set[str] = set()
        self._progress: dict[str, tuple[SyncRun, Progress]] = {}
        self.progressed: Callable[[], None] = lambda: None
        self._ended = asyncio.Event()
        self._stops: dict[tuple[str, int], asyncio.Event] = {}

    @property
    def is_waiting_for_room(self) -> bool:
        """Whether a result could not be written down yet because the disk is full."""
        return bool(self._waiting_for_room)

    @property
    def attempt_ended(self) -> asyncio.Event:
        """Set when the next attempt has ended and is written down; a new one follows then."""
        return self._ended

    def progress(self, run_uid: str) -> Progress | None:
        """Return how far a run has come, None unless it is being worked off."""
        _, progress = self._progress.get(run_uid, (None, None))
        return progress

    def running(self) -> Sequence[tuple[SyncRun, Progress]]:
        """Return the runs that have reported how far they have come, as they were claimed."""
        return list(self._progress.values())

    def stop(self, run: SyncRun) -> None:
        """Stop the attempt of a run, if this is its claim that is being worked off."""
        if stop := self._stops.get((run.uid, run.lease_token)):
            stop.set()

    async def execute(self, run: SyncRun) -> None:
        """Make an attempt of a claimed run, and write down what came of it."""
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
            self._progress[run.uid] = (run, progress)
            self.progressed()

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
        # Nobody is to be told of progress once the end has been written down.
        self._progress.pop(run.uid, None)
        try:
            written = await self._write_down(run, report)
        finally:
            self._waiting_for_room.discard(run.uid)
        log.info("%s: %s %s", run.name, written.state, written.message)
        ended, self._ended = self._ended, asyncio.Event()
        ended.set()

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
                    report = RunReport(
                        problem=unexpected(error), write_announced=report.may_have_written
                    )
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
