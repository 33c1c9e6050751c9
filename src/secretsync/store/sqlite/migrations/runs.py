"""Changes for what runs need."""

from sqlite_utils import Database

from secretsync.store.sqlite.migrations.known import migrations


@migrations()
def m0004_when_writes_began(database: Database) -> None:
    """When each write to a target was about to be sent; long ago, for those from before this."""
    database.execute(
        "ALTER TABLE target_attempts "
        "ADD COLUMN begin_time TEXT NOT NULL DEFAULT '1970-01-01T00:00:00.000000Z'"
    )


@migrations()
def m0005_cancelled_runs_and_filters(database: Database) -> None:
    """Which running runs are asked to stop; and an index that lists can filter in."""
    for statement in (
        "ALTER TABLE runs ADD COLUMN cancel_requested INTEGER NOT NULL DEFAULT 0",
        """
        CREATE INDEX runs_cancelling ON runs (seq)
            WHERE state = 'running' AND cancel_requested = 1
        """,
        "DROP INDEX runs_by_sync",
        # Behind seq is what runs are filtered by, so that those which do not match are not fetched.
        """
        CREATE INDEX runs_by_sync
            ON runs (sync_uid, seq, state, action, "trigger", create_time, finish_time)
        """,
    ):
        database.execute(statement)
