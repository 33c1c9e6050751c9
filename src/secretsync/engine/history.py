"""Prunes the history of runs and the events, a few at a time, so that nobody waits long."""

import asyncio
import functools
import logging
from collections.abc import Callable, Sequence
from datetime import datetime

from secretsync.domain.runs import SETTLED, HistoryPolicy
from secretsync.domain.watching import EventPolicy
from secretsync.logs import describe_exception
from secretsync.store.protocol import StateStore, Transaction

log = logging.getLogger(__name__)

SYNCS_AT_A_TIME = 20
"""How many syncs one transaction looks at; it reads only."""
RUNS_AT_A_TIME = 50
"""How many runs one transaction deletes."""
EVENTS_AT_A_TIME = 1000
"""How many events one transaction deletes; nothing depends on them."""
PAUSE = 0.05
"""Seconds between two transactions that delete, for whoever else wants to write."""


class History:
    """Deletes the runs and events that need not be kept.

    Args:
        store: the state store.
        clock: returns the present time.
        policy: which runs are kept.
        events: which events are kept.
    """

    def __init__(
        self,
        store: StateStore,
        clock: Callable[[], datetime],
        policy: HistoryPolicy,
        events: EventPolicy,
    ) -> None:
        self._store = store
        self._clock = clock
        self._policy = policy
        self._events = events

    async def prune_forever(self, interval: float) -> None:
        """Prune now and every `interval` seconds."""
        while True:
            try:
                pruned = await self.prune()
                await self.prune_events()
            except Exception as error:  # noqa: BLE001  the next time may be better
                log.error("the run history cannot be pruned: %s", describe_exception(error))  # noqa: TRY400
            else:
                if pruned:
                    log.info("%d run(s) were deleted from the history", pruned)
            await asyncio.sleep(interval)

    async def prune(self) -> int:
        """Prune the history of every sync, and return how many runs were deleted."""
        now, deleted, after = self._clock(), 0, ""
        while True:
            syncs, runs = await self._store.read(
                functools.partial(self._find, now=now, after=after)
            )
            if runs:
                await self._store.write(functools.partial(_delete, uids=runs))
                deleted += len(runs)
                await asyncio.sleep(PAUSE)
                # There may be more of the same syncs.
                continue
            if not syncs:
                return deleted
            after = syncs[-1]

    async def prune_events(self) -> int:
        """Prune the events, and return how many were deleted."""
        policy, deleted = self._events, 0
        before = self._clock() - policy.max_age
        while True:
            found = await self._store.write(
                lambda tx: tx.events.prune(before, policy.max_count, EVENTS_AT_A_TIME)
            )
            deleted += found
            if found < EVENTS_AT_A_TIME:
                return deleted
            await asyncio.sleep(PAUSE)

    def _find(
        self, tx: Transaction, now: datetime, after: str
    ) -> tuple[Sequence[str], Sequence[str]]:
        """Return the next syncs, and some runs of theirs that can go."""
        syncs = tx.syncs.uids(after, SYNCS_AT_A_TIME)
        runs: list[str] = []
        for sync_uid in syncs:
            runs += tx.runs.prunable(
                sync_uid,
                ended_before=now - self._policy.max_age,
                keep=self._policy.max_count,
                settled=now - SETTLED,
                limit=RUNS_AT_A_TIME - len(runs),
            )
            if len(runs) == RUNS_AT_A_TIME:
                break
        return syncs, runs


def _delete(tx: Transaction, uids: Sequence[str]) -> None:
    tx.runs.delete(uids)
