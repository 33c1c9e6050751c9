"""What one run does: resolve the source, call the adapter, and say what came of it."""

import asyncio
import functools
import logging
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime

from secretsync.adapter import (
    AdapterError,
    LedgerEntry,
    RateLimited,
    RemoveRequest,
    SyncRequest,
    Unavailable,
)
from secretsync.crypto import Vault
from secretsync.domain.adapter_problems import problem_from
from secretsync.domain.entities import RunAction, SyncRun
from secretsync.domain.problems import Code, Problem, Reason
from secretsync.engine.checks import look_for_drift
from secretsync.engine.gate import Gate
from secretsync.engine.http import HttpPool, PacedClient
from secretsync.engine.pacing import Paused
from secretsync.engine.protocol import Progress
from secretsync.engine.report import RunReport
from secretsync.engine.unexpected import unexpected
from secretsync.engine.work import Preparation, Work
from secretsync.registry import Registry
from secretsync.store.protocol import StateStore, StorageFullError

log = logging.getLogger(__name__)

STORAGE_FULL = "the server's disk is full, so what is about to be written cannot be remembered"

RecordIntent = Callable[..., Awaitable[None]]
"""The adapter's `RecordIntent`, with the sync as the attempt knows it as a first argument."""


class LeaseLostError(Exception):
    """Another worker has this run now: this one must not write anything any more."""


class Runner:
    """Executes attempts; knows nothing of queues and leases."""

    def __init__(
        self,
        store: StateStore,
        registry: Registry,
        vault: Vault,
        http: HttpPool,
        clock: Callable[[], datetime],
    ) -> None:
        self._store = store
        self._registry = registry
        self._preparation = Preparation(registry, vault, clock)
        self._http = http
        self._clock = clock

    async def execute(
        self,
        run: SyncRun,
        record_intent: RecordIntent,
        report_progress: Callable[[Progress], None],
        time_limit: float,
        report: RunReport,
    ) -> None:
        """Make one attempt.

        Args:
            run: the run, claimed.
            record_intent: makes intents durable; raises `LeaseLostError` if the lease is lost.
            report_progress: takes the latest progress.
            time_limit: seconds that it may take.
            report: takes what comes of it, as far as it gets if it is cancelled.

        Raises:
            LeaseLostError: passed on from `record_intent`.
        """
        limit = asyncio.timeout(time_limit)
        try:
            async with limit:
                report_progress(Progress("resolving"))
                work = await self._store.read(lambda tx: self._preparation.of(tx, run))
                report.target_key = work.sync.target_key
                await self._call(run, work, report, record_intent, report_progress)
        except LeaseLostError:
            raise
        except Problem as problem:
            report.problem = problem
        except AdapterError as error:
            report.problem = problem_from(error)
            report.transient = error.transient
            report.unsent = isinstance(error, Paused) and not report.http_requests
        except StorageFullError:
            report.problem = Problem(Code.UNAVAILABLE, Reason.STORAGE_FULL, STORAGE_FULL)
            report.transient = True
        except TimeoutError as error:
            report.transient = limit.expired()
            report.problem = _too_slow(time_limit) if limit.expired() else unexpected(error)
        except (Exception, SystemExit) as error:  # noqa: BLE001  a plugin is foreign code
            report.problem = unexpected(error)

    async def _call(
        self,
        run: SyncRun,
        work: Work,
        report: RunReport,
        record_intent: RecordIntent,
        report_progress: Callable[[Progress], None],
    ) -> None:
        sync = work.sync
        title = f"projects/{sync.project}/connections/{sync.connection}"
        info = self._registry.get(sync.destination).info
        gate = Gate(run, work, info, report, self._clock)
        await gate.open()
        async with self._http.client(work.paced_as, report.http_requests, title) as http:
            request = work.request(
                http=http,
                clock=self._clock,
                logger=logging.LoggerAdapter(log, {"run": run.name}),
                record_intent=_in_turn(http, gate, functools.partial(record_intent, sync)),
                confirm_plan=gate.confirm,
                report_progress=lambda step, done, total: report_progress(
                    Progress(step, done, total)
                ),
            )
            try:
                await self._dispatch(work, request, report)
            except (RateLimited, Unavailable) as error:
                # However little the adapter made of the answer, the connection keeps to its pause.
                pause = self._http.pause(work.paced_as)
                if pause and not (error.retry_after or 0.0) >= pause:
                    error.retry_after = pause
                raise

    async def _dispatch(
        self, work: Work, request: SyncRequest | RemoveRequest, report: RunReport
    ) -> None:
        destination = work.sync.destination
        if isinstance(request, RemoveRequest):
            report.result = await self._registry.remove(destination, request)
        elif work.action is RunAction.CHECK:
            report.findings = await look_for_drift(self._registry, work, request)
        else:
            report.result = await self._registry.sync(destination, request)


def _in_turn(
    http: PacedClient, gate: Gate, record_intent: RecordIntent
) -> Callable[..., Awaitable[None]]:
    """Let a run wait for its turn to write before it says that it is about to, not after.

    Whoever finds the intent after a crash judges by its time whether the write is still under way.
    """

    async def record(
        entries: Sequence[LedgerEntry], based_on: str | None = None, *, failed: str | None = None
    ) -> None:
        if failed is None:
            gate.check_confirmed()
        if based_on is not None:
            await http.take_turn()
        await record_intent(entries, based_on, failed=failed)

    return record


def _too_slow(time_limit: float) -> Problem:
    return Problem(
        Code.UNAVAILABLE,
        Reason.DESTINATION_UNAVAILABLE,
        f"the destination took longer than {time_limit:g} s",
    )
