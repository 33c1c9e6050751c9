"""The tables of a state store, as the rest of secretsync sees them."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Protocol

from secretsync.adapter import LedgerEntry
from secretsync.domain.attempts import RunAttempt
from secretsync.domain.entities import (
    Connection,
    Environment,
    FolderRef,
    Project,
    RunAction,
    RunFilter,
    Secret,
    SecretImport,
    SecretSync,
    SyncRun,
)
from secretsync.domain.key_states import KeyState, SyncKey
from secretsync.domain.watching import Position, SyncEvent, WatchScope
from secretsync.store.place_tables import EntryTable


class ProjectTable(Protocol):
    """Projects by slug."""

    def insert(self, project: Project) -> None: ...
    def get(self, slug: str) -> Project | None: ...
    def list(self, after: str, limit: int) -> Sequence[Project]:
        """Return those whose slug is greater than `after`, in ascending order."""
        ...

    def update(self, project: Project) -> None: ...
    def delete(self, uid: str) -> None:
        """Delete it with its environments, secrets, imports, connections and data key."""
        ...


class EnvironmentTable(Protocol):
    """Environments by project and slug."""

    def insert(self, environment: Environment) -> None: ...
    def get(self, project_uid: str, slug: str) -> Environment | None: ...
    def list(self, project_uid: str, after: str, limit: int) -> Sequence[Environment]: ...
    def update(self, environment: Environment) -> None: ...
    def delete(self, uid: str) -> None:
        """Delete it with its secrets and imports."""
        ...


class SecretTable(Protocol):
    """Secrets by environment, path and key."""

    def find(self, folder: FolderRef, keys: Sequence[str]) -> Mapping[str, Secret]:
        """Return those of the keys that exist, by key; any number of keys."""
        ...

    def put(self, secrets: Iterable[Secret]) -> None:
        """Insert or replace, by uid."""
        ...

    def delete(self, uids: Iterable[str]) -> None: ...
    def list(
        self, folder: FolderRef, *, recursive: bool, after: tuple[str, str], limit: int
    ) -> Sequence[Secret]:
        """Return those after (path, key), ordered by path and key (by code point)."""
        ...

    def in_folder(self, folder: FolderRef) -> Sequence[Secret]:
        """Return the folder's own secrets, ordered by key."""
        ...

    def folders(self, folder: FolderRef) -> Sequence[str]:
        """Return the paths at and below the folder that hold a secret or an import, ordered."""
        ...

    def folder_exists(self, folder: FolderRef) -> bool:
        """Tell whether a secret or an import is at or below it; always True of `/`."""
        ...

    def any_in_environment(self, environment_uid: str) -> bool: ...


class ImportTable(Protocol):
    """Secret imports by environment and path."""

    def insert(self, secret_import: SecretImport) -> None: ...
    def get(self, environment_uid: str, uid: str) -> SecretImport | None: ...
    def list(
        self, environment_uid: str, path: str | None, after: tuple[str, int], limit: int
    ) -> Sequence[SecretImport]:
        """Return those after (path, position), ordered by path and position."""
        ...

    def of_folder(self, folder: FolderRef) -> Sequence[SecretImport]:
        """Return the folder's imports in their order."""
        ...

    def importers_of(self, folder: FolderRef) -> Sequence[FolderRef]:
        """Return the folders that import this folder directly."""
        ...

    def from_environment(self, environment_uid: str) -> Sequence[SecretImport]:
        """Return the imports that other environments make from this one."""
        ...

    def delete(self, uid: str) -> None: ...


class ConnectionTable(Protocol):
    """Connections by project and slug."""

    def insert(self, connection: Connection) -> None: ...
    def get(self, project_uid: str, slug: str) -> Connection | None: ...
    def by_uid(self, uid: str) -> Connection | None: ...
    def list(self, project_uid: str, after: str, limit: int) -> Sequence[Connection]: ...
    def update(self, connection: Connection) -> None: ...
    def delete(self, uid: str) -> None: ...


class SyncTable(Protocol):
    """Secret syncs by project and slug."""

    def insert(self, sync: SecretSync) -> None: ...
    def get(self, project_uid: str, slug: str) -> SecretSync | None: ...
    def by_uid(self, uid: str) -> SecretSync | None: ...
    def list(self, project_uid: str, after: str, limit: int) -> Sequence[SecretSync]: ...
    def list_all(self, after: tuple[str, str], limit: int) -> Sequence[SecretSync]:
        """Return those of all projects after (project uid, slug), in ascending order."""
        ...

    def uids(self, after: str, limit: int) -> Sequence[str]:
        """Return the uids of all syncs that are greater than `after`, in ascending order."""
        ...

    def update(self, sync: SecretSync) -> None: ...
    def delete(self, uid: str) -> None:
        """Delete it with its runs and ledger."""
        ...

    def due(self, now: datetime, limit: int) -> Sequence[SecretSync]:
        """Return those whose `next_run_time` has come, the longest due first."""
        ...

    def to_check(self, now: datetime, limit: int) -> Sequence[SecretSync]:
        """Return those whose `next_check_time` has come, the longest due first."""
        ...

    def timed_after(self, moment: datetime, limit: int) -> Sequence[SecretSync]:
        """Return those whose `clock_time` is later than that."""
        ...

    def next_due(self) -> datetime | None:
        """Return the earliest `next_run_time` or `next_check_time`, None if there is neither."""
        ...

    def using_connection(self, connection_uid: str) -> Sequence[SecretSync]: ...
    def using_environment(self, environment_uid: str) -> Sequence[SecretSync]: ...
    def at_target(self, target_key: str) -> Sequence[SecretSync]:
        """Return those that write to a target."""
        ...

    def reading(self, folders: Iterable[FolderRef]) -> Sequence[SecretSync]:
        """Return those whose source is one of the folders, or, recursive, contains one; by uid."""
        ...


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

    def release_all(self, now: datetime) -> int:
        """Make every RUNNING run PENDING again (its worker died); return how many.

        `attempt` goes back by one, since the attempt was cut short, and it may have written. Where
        a newer run of the sync is PENDING already, the interrupted one ends FAILED with reason
        SUPERSEDED instead: the newer one reads the source anew, and is the later wish. The attempts
        are remembered as cut short.
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


class LedgerTable(EntryTable, Protocol):
    """What each sync put at the place that it leads to; the owners of entries are syncs."""

    def of_sync(self, sync_uid: str) -> Sequence[LedgerEntry]:
        """Return what `of` does."""
        ...

    def claimed_by_others(self, sync_uid: str, target_key: str) -> Mapping[str, str]:
        """Return identity -> sync name over the ledgers of other syncs with this target key."""
        ...

    def record_write(self, target_key: str, before: str, after: str) -> None:
        """Remember that this service alone took the target from one version to the next.

        What was recorded before of steps from these versions on is forgotten: a target that
        reaches a version again was restored from a backup.

        The newest 1000 writes of a target are kept.
        """
        ...

    def record_attempt(self, target_key: str, version: str, now: datetime) -> None:
        """Remember that this service was about to write, based on a version of the target.

        The newest 1000 of a target are kept.
        """
        ...

    def withdraw_attempt(self, target_key: str, version: str) -> None:
        """Forget the newest attempt based on that version, since it certainly did not happen."""
        ...

    def attempted_from(self, target_key: str) -> Mapping[str, datetime]:
        """Return the versions that writes of this service were based on, and when the last began.

        Those that are known to have been refused are not among them.
        """
        ...

    def versions_after(self, target_key: str, version: str) -> frozenset[str]:
        """Return the version and all those that recorded writes lead to from it, step by step."""
        ...


class KeyStateTable(Protocol):
    """How the keys of each sync stand at its destination."""

    def of_sync(self, sync_uid: str) -> Sequence[SyncKey]:
        """Return all of a sync, ordered by name."""
        ...

    def list(
        self, sync_uid: str, after: str, limit: int, states: Collection[KeyState] = ()
    ) -> Sequence[SyncKey]:
        """Return those whose name is greater than `after`, in ascending order (by code point).

        Args:
            sync_uid: the sync.
            after: the name.
            limit: how many at most.
            states: only those in one of these. Default: all.
        """
        ...

    def save(self, sync_uid: str, changed: Iterable[SyncKey], gone: Iterable[str]) -> None:
        """Insert or replace keys, forget those of these names, and count them anew.

        The sync's `key_counts` and `drift_time` are what is counted.
        """
        ...


class IdempotencyTable(Protocol):
    """First results of requests that carried a request_id (https://google.aip.dev/155)."""

    def find(self, method: str, request_id: str) -> tuple[bytes, bytes] | None:
        """Return (fingerprint, response) of the first request, or None."""
        ...

    def save(
        self, method: str, request_id: str, fingerprint: bytes, response: bytes, now: datetime
    ) -> None: ...
    def prune(self, before: datetime) -> None:
        """Forget those saved before."""
        ...


class KeyTable(Protocol):
    """Wrapped keys. Nothing in it is of use without the key-encryption key."""

    def data_key(self, project_uid: str) -> bytes | None:
        """Return the project's wrapped data key."""
        ...

    def save_data_key(self, project_uid: str, wrapped: bytes) -> None: ...
    def get_meta(self, name: str) -> bytes | None: ...
    def set_meta(self, name: str, value: bytes) -> None: ...
