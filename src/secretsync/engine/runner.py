"""What one run does: resolve the source, call the adapter, and say what came of it."""

import asyncio
import functools
import logging
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from secretsync.adapter import (
    AdapterError,
    LedgerEntry,
    RateLimited,
    RemoveRequest,
    RunResult,
    SyncRequest,
    Unavailable,
)
from secretsync.crypto import Vault
from secretsync.domain.adapter_problems import problem_from
from secretsync.domain.entities import HttpRequest, RunOutcome, SyncRun
from secretsync.domain.problems import Code, Problem, Reason
from secretsync.engine.http import HttpPool, PacedClient
from secretsync.engine.pacing import Paused
from secretsync.engine.protocol import Progress
from secretsync.engine.unexpected import unexpected
from secretsync.engine.work import Preparation, Work
from secretsync.registry import Registry
from secretsync.store.protocol import StateStore, StorageFullError

log = logging.getLogger(__name__)

MAX_TEXT = 8000
"""Characters of a message or warning that are kept. gRPC clients take answers of 4 MiB."""
MAX_WARNINGS = 100
STORAGE_FULL = "the server's disk is full, so what is about to be written cannot be remembered"

RecordIntent = Callable[..., Awaitable[None]]
"""The adapter's `RecordIntent`, with the target key as a first argument."""


class LeaseLostError(Exception):
    """Another worker has this run now: this one must not write anything any more."""


@dataclass(slots=True)
class RunReport:
    """What came of one attempt.

    Attributes:
        result: what the adapter did; None if it failed.
        problem: why it failed; None if it did not.
        transient: whether another attempt may pass.
        write_announced: whether a write was announced, so that one may have taken place.
        paused: why no write may begin, for people, if one was refused because of that; else empty.
        unsent: whether it failed only because its connection may not send, before it sent anything.
        target_key: names the document that the attempt was about; empty if it did not get so far.
        http_requests: the requests that were made, in order, in either case.
    """

    result: RunResult | None = None
    problem: Problem | None = None
    transient: bool = False
    write_announced: bool = False
    paused: str = ""
    unsent: bool = False
    target_key: str = ""
    http_requests: list[HttpRequest] = field(default_factory=list)

    def outcome(self) -> RunOutcome:
        """Return what is kept in the run's history."""
        requests = tuple(self.http_requests)
        if self.result is None:
            return RunOutcome(http_requests=requests)
        return RunOutcome(
            keys=tuple(sorted(self.result.keys, key=lambda each: (each.name, each.key))),
            counts=Counter(each.action for each in self.result.keys),
            warnings=bounded(self.result.warnings),
            http_requests=requests,
        )


def bounded(warnings: Sequence[str]) -> tuple[str, ...]:
    """Return warnings as they are kept: a destination may have had its say in them."""
    left = len(warnings) - MAX_WARNINGS
    more = [f"There are {left} more warnings."] if left > 0 else []
    return (*(shortened(each) for each in warnings[:MAX_WARNINGS]), *more)


def shortened(text: str) -> str:
    """Return a text for people as it is kept, cut off if it is longer than `MAX_TEXT`."""
    return text if len(text) <= MAX_TEXT else f"{text[:MAX_TEXT]}..."


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
                report.result = await self._call(run, work, report, record_intent, report_progress)
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
    ) -> RunResult:
        sync = work.sync
        title = f"projects/{sync.project}/connections/{sync.connection}"
        async with self._http.client(sync.connection_uid, report.http_requests, title) as http:
            request = work.request(
                http=http,
                clock=self._clock,
                logger=logging.LoggerAdapter(log, {"run": run.name}),
                record_intent=_in_turn(http, functools.partial(record_intent, sync.target_key)),
                report_progress=lambda step, done, total: report_progress(
                    Progress(step, done, total)
                ),
            )
            try:
                return await self._dispatch(sync.destination, request)
            except (RateLimited, Unavailable) as error:
                # However little the adapter made of the answer, the connection keeps to its pause.
                pause = self._http.pause(sync.connection_uid)
                if pause and not (error.retry_after or 0.0) >= pause:
                    error.retry_after = pause
                raise

    async def _dispatch(self, destination: str, request: SyncRequest | RemoveRequest) -> RunResult:
        if isinstance(request, SyncRequest):
            return await self._registry.sync(destination, request)
        return await self._registry.remove(destination, request)


def _in_turn(http: PacedClient, record_intent: RecordIntent) -> Callable[..., Awaitable[None]]:
    """Let a run wait for its turn to write before it says that it is about to, not after.

    Whoever finds the intent after a crash judges by its time whether the write is still under way.
    """

    async def record(
        entries: Sequence[LedgerEntry], based_on: str | None = None, *, failed: str | None = None
    ) -> None:
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
