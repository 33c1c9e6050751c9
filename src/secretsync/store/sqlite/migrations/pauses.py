"""Changes for pauses."""

from sqlite_utils import Database

from secretsync.store.sqlite.migrations.known import migrations


@migrations()
def m0007_pauses(database: Database) -> None:
    """What is paused: a sync, a connection, or, under the name `-`, everything."""
    database.execute(
        """
        CREATE TABLE pauses (
            name TEXT PRIMARY KEY,
            sync_uid TEXT UNIQUE REFERENCES secret_syncs ON DELETE CASCADE,
            connection_uid TEXT UNIQUE REFERENCES connections ON DELETE CASCADE,
            reason TEXT NOT NULL,
            create_time TEXT NOT NULL
        ) STRICT
        """
    )
