"""What a stream tells, message by message, and the cursors that say how far it has come."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Generic, TypeVar

from secretsync.domain.entities import SyncRun
from secretsync.domain.watching import EventKind, Position
from secretsync.engine.protocol import Progress
from secretsync.operations.paging import make_token, read_token

S = TypeVar("S")


class ChangeKind(StrEnum):
    """What a message of a stream tells."""

    PRESENT = "present"
    SYNCED = "synced"
    CREATED = "created"
    UPDATED = "updated"
    DELETED = "deleted"
    RUN = "run"
    PROGRESS = "progress"
    KEEP_ALIVE = "keep-alive"


KINDS = {
    EventKind.SYNC_CREATED: ChangeKind.CREATED,
    EventKind.SYNC_UPDATED: ChangeKind.UPDATED,
    EventKind.SYNC_DELETED: ChangeKind.DELETED,
    EventKind.RUN_CHANGED: ChangeKind.RUN,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Change(Generic[S]):
    """One message of a stream.

    Attributes:
        kind: what it tells.
        cursor: stands for all that has been told up to and including this.
        time: when it happened, for what has happened.
        sync_name: the sync, unless the message is about none.
        sync_uid: its uid.
        sync: the sync as it is shown now; None if it has been deleted.
        run: the run as the change left it.
        progress: how far the run has come.
    """

    kind: ChangeKind
    cursor: str
    time: datetime | None = None
    sync_name: str = ""
    sync_uid: str = ""
    sync: S | None = None
    run: SyncRun | None = None
    progress: Progress | None = None


@dataclass(frozen=True, slots=True)
class Place:
    """How far a stream has come.

    Attributes:
        position: all events up to here have been told, or are part of the present state.
        listed: (project uid, slug) of the last sync whose present state has been told; empty texts
            when all of them have been.
    """

    position: Position
    listed: tuple[str, str] = ("", "")


def place_of(cursor: str, parent: str) -> Place | None:
    """Return how far the stream of a parent had come; None if the cursor is of none."""
    parts = read_token(cursor, _cursor_scope(parent), [0, "", "", ""])
    if parts is None:
        return None
    seq, mark, project, slug = parts
    return Place(Position(int(seq), str(mark)), (str(project), str(slug)))


def cursor_of(place: Place, parent: str) -> str:
    """Return what a stream of a parent goes on from when it has come so far."""
    position = place.position
    return make_token(_cursor_scope(parent), [position.seq, position.mark, *place.listed])


def _cursor_scope(parent: str) -> str:
    return f"changes of {parent}"
