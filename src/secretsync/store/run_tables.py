"""The tables of runs, their attempts and events, as the rest of secretsync sees them."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Final, Protocol

from secretsync.domain.attempts import RunAttempt
from secretsync.domain.entities import RunAction, RunFilter, SyncRun
from secretsync.domain.watching import Position, SyncEvent, WatchScope

AFTER_ALL_RUNS: Final = 2**62
"""A `seq` that is greater than that of any run."""


class RunTable(Protocol):
    """Runs, which are the queue as well."""

    def insert(self, run: SyncRun) -> SyncRun:
        """Store it and return it with its `seq`.

        At most one run of a sync and place is PENDING: the database refuses a second.
        """
        ...

    def get(self, sync_uid: str, uid: str) -> SyncRun | None: ...
    def list(
        self, sync_uid: str, before: int, limit: int, only: RunFilter = ...
    ) -> Sequence[SyncRun]:
        """Return those with a smaller `seq`, newest first; without keys, requests and attempts.

        Args:
            sync_uid: the sync.
            before: the `seq`.
            limit: how many at most.
            only: which. Default: all.
        """
        ...

    def pending(self, sync_uid: str, place_uid: str = "") -> SyncRun | None: ...
    def running(self, sync_uid: str, place_uid: str = "") -> SyncRun | None: ...
    def unfinished(self, sync_uid: str) -> Sequence[SyncRun]:
        """Return the sync's runs that are PENDING or RUNNING, of whatever place, oldest first."""
        ...

    def latest_at(self, place_uid: str) -> SyncRun | None:
        """Return the newest run about a former place."""
        ...

    def awaiting_approval(self, sync_uid: str) -> SyncRun | None:
        """Return the run that waits for approval; a sync has one at most."""
        ...

    def latest(self, sync_uids: Sequence[str]) -> Mapping[tuple[str, RunAction], SyncRun]:
        """Return each sync's newest run of each action, as `list` does.

        A retry that waits for its time is not among them: what it is to mend still counts.
        """
        ...

    def update(self, run: SyncRun) -> None:
        """Replace it, by uid, whatever its lease."""
        ...

    def claim(
        self, now: datetime, lease_until: datetime, max_per_connection: int
    ) -> SyncRun | None:
        """Take the oldest run that may start, or, if there is none, the oldest check, or None.

        May start: PENDING and due (`not_before` <= now), or RUNNING with a lease that has ended;
        no other run with a live lease is RUNNING for the same sync and place or the same target
        key; fewer than `max_per_connection` are for the same connection. Target key and connection
        of a run about a former place are that place's. A sync run of a disabled sync, any run that
        a pause holds, and one that is asked to stop, may not start. The run becomes RUNNING with
        `attempt` and `lease_token` one higher, `lease_until`, and `start_time` now. The attempt
        that this begins is remembered. One of the run that was not ended is remembered as cut
        short, and it may have written.
        """
        ...

    def renew(self, uid: str, lease_token: int, lease_until: datetime) -> bool:
        """Extend the lease; False if the run is not RUNNING under this token any more."""
        ...

    def cancelling(self) -> Sequence[SyncRun]:
        """Return those that are RUNNING and asked to stop."""
        ...

    def abandoned(self, now: datetime) -> Sequence[SyncRun]:
        """Return those that are RUNNING, whose lease has ended, and that are not claimed again.

        These are sync runs and checks of disabled syncs.
        """
        ...

    def prunable(
        self, sync_uid: str, *, ended_before: datetime, keep: int, settled: datetime, limit: int
    ) -> Sequence[str]:
        """Return the uids of ended runs that the history need not keep, oldest first.

        These are the runs that ended before `ended_before`, and all but the newest `keep`. Those
        that ended at `settled` or later are not among them, nor are the newest run of each action
        that does not wait, and the newest of each that has succeeded.
        """
        ...

    def delete(self, uids: Iterable[str]) -> None:
        """Delete them with their details; those that are gone already do not matter."""
        ...

    def next_due(self) -> datetime | None:
        """Return when the next PENDING run is due or a lease ends, None if there is neither.

        Runs that a pause holds do not count.
        """
        ...

    def bring_forward(self, after: datetime, now: datetime) -> None:
        """Let PENDING runs be due now that were queued, or had an attempt that ended, after a time.

        That is for a clock that was set back: what waits for times that it had set would wait for
        as long as it was ahead.
        """
        ...

    def release_all(self, now: datetime) -> int:
        """Make every RUNNING run PENDING again (its worker died); return how many.

        `attempt` goes back by one, since the attempt was cut short, and it may have written. Where
        a newer run of the sync is PENDING already, the interrupted one ends FAILED with reason
        SUPERSEDED instead: the newer one reads the source anew, and is the later wish. A sync run
        or check of a disabled sync ends FAILED with reason SYNC_DISABLED. The attempts are
        remembered as cut short.
        """
        ...


class AttemptTable(Protocol):
    """The attempts of runs, which begin with `RunTable.claim`; the newest 100 of each."""

    def end(self, run_uid: str, attempt: RunAttempt) -> None:
        """Remember how the attempt of this number ended; without its run it is gone already."""
        ...

    def cut_short(self, run_uid: str, told: str, now: datetime) -> None:
        """Remember that a run's attempt has no worker any more, if one is under way.

        Args:
            run_uid: the run.
            told: what happened, for people.
            now: the time.
        """
        ...

    def of_run(self, run_uid: str) -> Sequence[RunAttempt]:
        """Return what is kept, by number in ascending order."""
        ...


class EventTable(Protocol):
    """What happened to syncs and runs, in the order in which it was committed.

    Every other table that syncs and runs are in writes here by itself, in the same transaction.
    """

    def newest(self) -> Position:
        """Return the place after the newest event; the first place if there was none yet."""
        ...

    def holds(self, position: Position) -> bool:
        """Tell whether all events after a position are still there.

        False if the event at the position has been pruned, or belongs to another history.
        """
        ...

    def list(self, scope: WatchScope, after: int, limit: int) -> Sequence[SyncEvent]:
        """Return those of a scope with a greater `seq`, oldest first."""
        ...

    def prune(self, before: datetime, keep: int, limit: int) -> int:
        """Delete the oldest events, and return how many were deleted.

        Args:
            before: delete what happened before, as long as nothing older is kept.
            keep: delete all but the newest so many. The newest one is never deleted.
            limit: delete so many at most.
        """
        ...
