"""What watchers of secret syncs are told of: events, in the order in which they were committed."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from secretsync.domain import names
from secretsync.domain.entities import SyncRun
from secretsync.domain.problems import Violations

ALL_PROJECTS = "projects/-"


class EventKind(StrEnum):
    """What happened."""

    SYNC_CREATED = "sync-created"
    SYNC_UPDATED = "sync-updated"
    SYNC_DELETED = "sync-deleted"
    RUN_CHANGED = "run-changed"
    # Only wakes those who watch the project: its syncs have been deleted before.
    PROJECT_DELETED = "project-deleted"


@dataclass(frozen=True, slots=True)
class Position:
    """A place in the order of events: right after one of them.

    Attributes:
        seq: the event's number, which grows with each; 0 for before the first.
        mark: what the event was marked with at random, so that an event of the same number in
            another history, such as one that was restored from a backup, is not taken for it.
    """

    seq: int = 0
    mark: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class SyncEvent:
    """One change, as it was committed.

    Attributes:
        position: the place right after it.
        time: when it happened.
        kind: what happened.
        sync_uid: the sync that it happened to; empty for PROJECT_DELETED.
        sync_name: its name at that time; likewise.
        run: for RUN_CHANGED, the run as this change left it, without its outcome.
    """

    position: Position
    time: datetime
    kind: EventKind
    sync_uid: str
    sync_name: str
    run: SyncRun | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class EventPolicy:
    """Which events are kept; the stricter of the two counts. The newest one always is.

    Attributes:
        max_age: since they happened.
        max_count: events in all.
    """

    max_age: timedelta = timedelta(days=7)
    max_count: int = 100_000


@dataclass(frozen=True, slots=True)
class WatchScope:
    """Which syncs are watched: one, those of a project, or, with both fields empty, all.

    Attributes:
        project: slug of the project; empty for all projects.
        sync_name: name of the one sync; empty for all of the project.
    """

    project: str = ""
    sync_name: str = ""

    @property
    def slug(self) -> str:
        """The slug of the one sync; empty if there is none."""
        return self.sync_name.rpartition("/")[2]

    def includes(self, sync_name: str) -> bool:
        """Tell whether the sync of a name is watched."""
        if self.sync_name:
            return sync_name == self.sync_name
        return not self.project or sync_name.startswith(f"projects/{self.project}/")


def scope_of(parent: str, violations: Violations) -> WatchScope:
    """Return what a name stands for, or note a violation.

    Args:
        parent: a sync's name, a project's, or `projects/-`.
        violations: takes note if it is none of these.
    """
    if parent == ALL_PROJECTS:
        return WatchScope()
    if of_project := names.PROJECT.parse(parent):
        return WatchScope(project=of_project[0])
    if of_sync := names.SECRET_SYNC.parse(parent):
        return WatchScope(project=of_sync[0], sync_name=parent)
    problem = "is not a name of this kind" if parent else "is required"
    violations.add(
        "parent",
        f"{problem}: write {names.SECRET_SYNC.shape} for one sync, {names.PROJECT.shape} for all of"
        f" a project, each part a slug, or {ALL_PROJECTS} for all",
    )
    return WatchScope()
