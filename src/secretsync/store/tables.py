"""The tables of a state store, as the rest of secretsync sees them."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Protocol

from secretsync.adapter import LedgerEntry
from secretsync.domain.entities import (
    Connection,
    Environment,
    FolderRef,
    Project,
    Secret,
    SecretImport,
    SecretSync,
)
from secretsync.domain.key_states import KeyState, SyncKey
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
