"""The table of events, which triggers fill."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlite_utils import Database

from secretsync.domain.entities import RunAction, RunState, RunTrigger, SyncRun
from secretsync.domain.problems import Reason
from secretsync.domain.watching import EventKind, Position, SyncEvent, WatchScope
from secretsync.store.sqlite.rows import time_from_text, time_to_text


class Events:
    """Implements `EventTable`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def newest(self) -> Position:
        row = self._database.execute(
            "SELECT seq, mark FROM sync_events WHERE seq = (SELECT max(seq) FROM sync_events)"
        ).fetchone()
        return Position(*row) if row else Position()

    def holds(self, position: Position) -> bool:
        # The newest event is never pruned, so where there was one, there is one.
        if position.seq == 0:
            [[oldest]] = self._database.execute("SELECT min(seq) FROM sync_events")
            return oldest in {None, 1}
        [[found]] = self._database.execute(
            "SELECT EXISTS (SELECT 1 FROM sync_events WHERE seq = ? AND mark = ?)",
            [position.seq, position.mark],
        )
        return bool(found)

    def list(self, scope: WatchScope, after: int, limit: int) -> Sequence[SyncEvent]:
        if scope.sync_name:
            where, chosen = "sync_name = :sync AND", {"sync": scope.sync_name}
        elif scope.project:
            where, chosen = "project = :project AND", {"project": scope.project}
        else:
            where, chosen = "", {}
        cursor = self._database.execute(
            # `where` is one of the texts above.
            f"SELECT * FROM sync_events WHERE {where} seq > :after ORDER BY seq LIMIT :limit",  # noqa: S608
            {**chosen, "after": after, "limit": limit},
        )
        names = [column[0] for column in cursor.description]
        return [_event(dict(zip(names, row, strict=True))) for row in cursor.fetchall()]

    def prune(self, before: datetime, keep: int, limit: int) -> int:
        newest, last = self.newest().seq, 0
        oldest = self._database.execute(
            "SELECT seq, time FROM sync_events WHERE seq > 0 ORDER BY seq LIMIT ?", [limit]
        )
        for seq, time in oldest.fetchall():
            # From the oldest on without a gap: whoever's position is kept has missed nothing.
            if seq == newest or not (seq <= newest - keep or time < time_to_text(before)):
                break
            last = seq
        return self._database.execute("DELETE FROM sync_events WHERE seq <= ?", [last]).rowcount


def _event(row: dict[str, Any]) -> SyncEvent:
    return SyncEvent(
        position=Position(row["seq"], row["mark"]),
        time=time_from_text(row["time"]),
        kind=EventKind(row["kind"]),
        sync_uid=row["sync_uid"] or "",
        sync_name=row["sync_name"] or "",
        run=_run(row) if row["run_uid"] else None,
    )


def _run(row: dict[str, Any]) -> SyncRun:
    return SyncRun(
        uid=row["run_uid"],
        sync_uid=row["sync_uid"],
        sync_name=row["sync_name"],
        action=RunAction(row["action"]),
        trigger=RunTrigger(row["trigger"]),
        state=RunState(row["state"]),
        message=row["message"],
        error_reason=Reason(row["error_reason"]) if row["error_reason"] else None,
        attempt=row["attempt"],
        create_time=time_from_text(row["create_time"]),
        not_before=time_from_text(row["not_before"]),
        start_time=time_from_text(row["start_time"]) if row["start_time"] else None,
        finish_time=time_from_text(row["finish_time"]) if row["finish_time"] else None,
        cancel_requested=bool(row["cancel_requested"]),
    )
